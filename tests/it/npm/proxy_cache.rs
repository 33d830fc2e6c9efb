//! What is kept of upstream's packages, in the hands of admins. Source: contract npm §19, row 44.

use serde_json::{Value, json};

use super::assert_refused;
use super::publisher::Publisher;
use crate::support::packages::Package;

const DOCUMENT: &str = "full_manifests.json";

/// An admin of a mount that keeps two packages of upstream's, and has one of its own.
async fn start() -> Publisher {
    let joe = Publisher::start("").await.into_admin().await;
    joe.registry.publish(&Package::with_versions("left", &["1.0.0", "1.1.0"]));
    joe.registry.publish(&Package::with_versions("@corp/right", &["2.0.0"]));
    joe.publish("@acme/own", "1.0.0", json!({})).await;
    for path in ["/left", "/left/-/left-1.0.0.tgz", "/left/-/left-1.1.0.tgz", "/@corp%2fright", "/@acme%2fown"] {
        assert_eq!(joe.get(path).await.status, 200, "{path}");
    }
    assert_eq!(joe.get("/absent").await.status, 404);
    joe
}

/// Returns of each thing in a list its package, what it is, and its version.
fn items(list: &Value) -> Vec<[&str; 3]> {
    let items = list["data"].as_array().expect("a list");
    for item in items {
        let has = |member: &&str| item[*member].as_str().is_some_and(|text| !text.is_empty());
        assert!(["filePath", "createdAt", "updatedAt"].iter().all(has), "{item}");
        assert!(item["size"].as_u64().is_some_and(|size| size > 0), "{item}");
    }
    let members = |item| ["fullname", "fileType", "version"].map(|member| text(item, member));
    items.iter().map(members).collect()
}

fn text<'a>(item: &'a Value, member: &str) -> &'a str {
    item[member].as_str().unwrap_or_default()
}

async fn list(joe: &Publisher, path: &str) -> Value {
    let answer = joe.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

#[tokio::test]
async fn what_is_kept_is_listed_page_by_page() {
    let joe = start().await;
    let right = ["@corp/right", DOCUMENT, ""];
    let left = [["left", DOCUMENT, ""], ["left", "tgz", "1.0.0"], ["left", "tgz", "1.1.0"]];
    let all = list(&joe, "/-/proxy-cache").await;
    assert_eq!((all["count"].as_u64(), items(&all)), (Some(4), [&[right][..], &left].concat()));
    let page = list(&joe, "/-/proxy-cache?pageSize=3&pageIndex=1").await;
    assert_eq!((page["count"].as_u64(), items(&page)), (Some(4), vec![left[2]]));
    let one = list(&joe, "/-/proxy-cache/left").await;
    assert_eq!((one["count"].as_u64(), items(&one)), (Some(3), left.to_vec()));
    let scoped = list(&joe, "/-/proxy-cache/@corp%2fright").await;
    assert_eq!((scoped["count"].as_u64(), items(&scoped)), (Some(1), vec![right]));
    for nothing in ["absent", "@acme%2fown"] {
        assert_eq!(list(&joe, &format!("/-/proxy-cache/{nothing}")).await, json!({ "count": 0, "data": [] }));
    }
}

#[tokio::test]
async fn what_is_refreshed_is_asked_of_upstream_at_once() {
    let joe = start().await;
    joe.registry.publish(&Package::with_versions("left", &["1.0.0", "1.1.0", "1.2.0"]));
    assert_eq!(joe.get("/left/1.2.0").await.status, 404, "what is fresh is not asked for again");
    tokio::time::sleep(super::JUST_NOW).await;
    let refresh = async |name: &str| joe.send("PATCH", &format!("/-/proxy-cache/{name}"), &Value::Null).await;
    let done = refresh("left").await;
    let task = json!({ "fullname": "left", "fileType": DOCUMENT, "state": "success" });
    assert_eq!((done.status, done.json()), (200, json!({ "ok": true, "tasks": [task] })));
    assert_eq!(joe.get("/left/1.2.0").await.status, 200);
    assert_refused(&refresh("never").await, 404);
    assert_refused(&refresh("@acme%2fown").await, 404);
    tokio::time::sleep(super::JUST_NOW).await;
    joe.registry.upstream.vanish().await;
    assert_refused(&refresh("left").await, 503);
    assert_eq!(joe.get("/left/1.2.0").await.status, 200, "what was kept stays");
}

#[tokio::test]
async fn what_is_purged_is_fetched_again() {
    let joe = start().await;
    let purge = async |path: &str| joe.send("DELETE", path, &Value::Null).await;
    let before = joe.registry.upstream.all_seen().len();
    let gone = purge("/-/proxy-cache/left").await;
    assert_eq!((gone.status, &gone.json()["ok"]), (200, &json!(true)), "{}", gone.summary());
    assert_refused(&purge("/-/proxy-cache/left").await, 404);
    assert_eq!(joe.get("/left/-/left-1.0.0.tgz").await.status, 200);
    assert!(joe.registry.upstream.all_seen().len() > before, "it is not asked for again");
    assert_refused(&purge("/-/proxy-cache/@acme%2fown").await, 404);
    assert_eq!(purge("/-/proxy-cache").await.json()["ok"], true);
    assert_eq!(list(&joe, "/-/proxy-cache").await, json!({ "count": 0, "data": [] }));
    assert_eq!(joe.get("/@acme%2fown").await.status, 200, "what is published here is not the cache's");
}
