//! Downloads: what all nodes have counted adds up, and nothing is counted twice.

use std::time::Duration;

use super::Stage;
use crate::overlay::downloads::{Count, Of};

pub async fn counts_of_all_nodes_add_up(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let today = nodes[0].today();
    for (number, node) in nodes.iter().enumerate() {
        for _ in 0..=number {
            node.count_download("npm", "@a/x", "1.0.0");
        }
        node.count_download("npm", "@a/x", "2.0.0");
        node.count_download("npm", "@a", "1.0.0");
        node.count_download("npm", "@a0/x", "1.0.0");
        node.count_download("other", "@a/x", "1.0.0");
    }
    let (one, other) = tokio::join!(nodes[0].save_downloads(), nodes[1].save_downloads());
    one.and(other).unwrap();
    nodes[0].save_downloads().await.unwrap();
    stage.clock.advance(Duration::from_secs(86_400));
    nodes[1].count_download("npm", "@a/x", "1.0.0");
    nodes[1].close().await.unwrap();
    let node = &nodes[0];
    let count = |day, version: &str, count| Count { day, version: version.to_owned(), count };
    let all = node.downloads("npm", "@a/x", (today, today + 1)).await.unwrap();
    assert_eq!(all, [count(today, "1.0.0", 3), count(today, "2.0.0", 2), count(today + 1, "1.0.0", 1)]);
    assert_eq!(node.downloads("npm", "@a/x", (today + 1, today + 1)).await.unwrap().len(), 1);
    assert_eq!(node.downloads("npm", "@a/y", (today, today + 1)).await.unwrap(), []);
    let sums = async |mount, of| node.all_downloads(mount, of, (today, today + 1)).await.unwrap();
    assert_eq!(sums("npm", Of::Scope("@a")).await, [(today, 5), (today + 1, 1)]);
    assert_eq!(sums("npm", Of::All).await, [(today, 9), (today + 1, 1)]);
    assert_eq!(sums("other", Of::All).await, [(today, 2)]);
}
