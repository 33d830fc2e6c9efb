//! Names of upstream's that are published over: real clients install upstream's versions and ours from one registry.

use crate::client::{Client, Npm, Pnpm, YarnClassic};
use crate::publishing::World;
use crate::support::packages::Package;
use crate::tools;

const OURS: &str = "1.1.0-acme";

#[tokio::test]
async fn clients_install_upstreams_versions_and_ours_of_one_name() {
    let Some(tools) = tools::ready() else { return };
    for mut world in World::each_with("merged = [\"left\"]").await {
        world.registry.publish(&Package::with_versions("left", &["1.0.0", "1.1.0"]));
        world.crown("root").await;
        let root = world.publisher(&tools, Npm::V11, "root").await;
        root.write("left", OURS);
        root.npm(&["publish", "--tag", "acme"]);
        assert_eq!(root.npm(&["dist-tag", "ls", "left"]), format!("acme: {OURS}\nlatest: 1.1.0"));
        let clients: [&dyn Client; 3] = [&Npm::V11, &Pnpm::V11, &YarnClassic];
        for client in clients {
            for (wanted, version) in [("latest", "1.1.0"), ("1.0.0", "1.0.0"), ("acme", OURS)] {
                let installed = world.install(&tools, client, "left", wanted);
                assert!(
                    installed.contains(&("left".to_owned(), version.to_owned())),
                    "{}: {installed:?}",
                    client.name()
                );
            }
        }
    }
}
