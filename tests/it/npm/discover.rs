//! What has happened here, and what there is: the feed and the lists. Source: contract npm §10.2, §10.3.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Publisher, assert_refused};
use crate::support::http::Ask;

#[tokio::test]
async fn the_feed_tells_what_has_happened_from_a_number_on() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.publish("@acme/tool", "1.1.0-beta.1", json!({})).await;
    let body = json!("1.0.0");
    assert_eq!(joe.send("PUT", "/-/package/@acme%2ftool/dist-tags/old", &body).await.status, 201);
    let feed = joe.get("/_changes?since=0").await;
    assert_eq!((feed.status, feed.header("cache-control")), (200, Some("private, no-cache")), "{}", feed.summary());
    let told = feed.json();
    assert_eq!(joe.get("/-/_changes?since=0").await.json(), told);
    let results = told["results"].as_array().unwrap();
    let kinds: Vec<_> = results.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["PACKAGE_VERSION_ADDED", "PACKAGE_TAG_ADDED"], "{told}");
    assert_eq!(*kinds.last().unwrap(), "PACKAGE_TAG_ADDED");
    assert!(kinds.contains(&"PACKAGE_MAINTAINER_CHANGED"), "{told}");
    let owners = results.iter().find(|event| event["type"] == "PACKAGE_MAINTAINER_CHANGED").unwrap();
    assert_eq!(owners["changes"], json!([{ "maintainers": ["joe"] }]));
    let seqs: Vec<u64> = results.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && results.iter().all(|event| event["id"] == "@acme/tool"), "{told}");
    assert_eq!(results[0]["changes"], json!([{ "version": "1.0.0" }]));
    assert_eq!(results.last().unwrap()["changes"], json!([{ "tag": "old", "version": "1.0.0" }]));
    assert_eq!(told["last_seq"].as_u64(), seqs.last().copied());
    assert_eq!(joe.get("/").await.json()["update_seq"], told["last_seq"]);

    let some = joe.get(&format!("/_changes?since={}&limit=2", seqs[1])).await.json();
    assert_eq!((&some["results"][0]["seq"], some["results"].as_array().unwrap().len()), (&json!(seqs[1]), 2));
    assert_eq!(some["last_seq"], seqs[2]);
    let none = joe.get(&format!("/_changes?since={}", seqs.last().unwrap() + 1)).await.json();
    assert_eq!(none, json!({ "results": [], "last_seq": seqs.last() }));
    for wrong in ["since=x", "since=-1", "since=1.5", "limit=all", "feed=continuous"] {
        assert_refused(&joe.get(&format!("/_changes?{wrong}")).await, 422);
    }
    let by_time = joe.get("/-/all/changes?since=0&limit=1").await.json();
    assert_eq!(by_time["results"][0]["cursorId"], seqs[0]);
    let rest = joe.get(&format!("/-/all/changes?since=0&cursorId={}", seqs[0])).await.json();
    assert_eq!(rest["results"].as_array().unwrap().len(), seqs.len() - 1);
    assert_refused(&joe.get("/-/all/changes?since=x").await, 400);
}

#[tokio::test]
async fn who_waits_for_a_change_is_told_of_it() {
    let joe = Publisher::start("").await;
    let asked = joe.get("/_changes?since=1&feed=longpoll&timeout=60000");
    let published = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        joe.publish("@acme/tool", "1.0.0", json!({})).await;
    };
    let (told, ()) = tokio::join!(asked, published);
    assert_eq!(told.json()["results"][0]["id"], "@acme/tool", "{}", told.summary());
    let last = told.json()["last_seq"].as_u64().unwrap();
    let in_vain = joe.get(&format!("/_changes?since={}&feed=longpoll&timeout=20", last + 1)).await;
    assert_eq!(in_vain.json(), json!({ "results": [], "last_seq": last }));
}

#[tokio::test]
async fn lists_name_what_is_published_here() {
    let joe = Publisher::start("").await;
    let more = json!({ "description": "a tool", "keywords": ["x"], "dependencies": { "@acme/base": "^1.0.0" } });
    joe.publish("@acme/tool", "1.0.0", more).await;
    joe.publish("@acme/base", "1.0.0", json!({})).await;
    joe.publish("@acme/gone", "1.0.0", json!({})).await;
    assert_eq!(joe.send("DELETE", "/@acme%2fgone/-rev/1-x", &json!({})).await.status, 201);

    let all = joe.get("/-/all").await;
    assert_eq!((all.status, all.header("content-type")), (200, Some("application/json")), "{}", all.summary());
    let all = all.json();
    let names: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["@acme/base", "@acme/tool", "_updated"]);
    let updated = all["_updated"].as_u64().unwrap();
    let tool = &all["@acme/tool"];
    assert_eq!((&tool["description"], &tool["keywords"]), (&json!("a tool"), &json!(["x"])));
    assert_eq!((&tool["versions"], &tool["dist-tags"]), (&json!({ "1.0.0": "latest" }), &json!({ "latest": "1.0.0" })));
    assert_eq!(tool["maintainers"], json!([{ "name": "joe", "email": "joe@host.example" }]));
    assert!(tool["time"]["modified"].as_str().unwrap().ends_with('Z') && tool.get("dependencies").is_none(), "{tool}");

    let since = joe.get("/-/all/since?stale=update_after&startkey=0").await.json();
    assert_eq!(since["@acme/tool"], *tool);
    let later = joe.get(&format!("/-/all/since?startkey={}", updated + 60_000)).await.json();
    assert_eq!(later.as_object().unwrap().len(), 1, "{later}");
    for wrong in ["/-/all/since", "/-/all/since?startkey=x", "/-/all/since?stale=ok&startkey=1"] {
        assert_refused(&joe.get(wrong).await, 400);
    }
    assert_eq!(joe.get("/-/short").await.json(), json!(["@acme/base", "@acme/gone", "@acme/tool"]));
    assert_eq!(joe.get("/-/package/@acme%2fbase/dependents").await.json(), json!({ "dependents": ["@acme/tool"] }));
    let names = json!(["@acme/base", "@acme/gone", "@acme/tool"]);
    assert_eq!(joe.get("/-/by-user/joe%7Cnobody").await.json(), json!({ "joe": names }));
    assert_eq!(joe.get("/-/users/joe/packages").await.json(), json!({ "user": "joe", "packages": names }));
    assert_refused(&joe.get("/-/users/nobody/packages").await, 404);
    let many: Vec<String> = (0..21).map(|number| format!("u{number}")).collect();
    assert_refused(&joe.get(&format!("/-/by-user/{}", many.join("|"))).await, 400);
    let day = tool["time"]["modified"].as_str().unwrap()[..10].to_owned();
    let versions = joe.get(&format!("/-/allversions?date={day}")).await.json();
    let names: Vec<_> = versions.as_array().unwrap().iter().map(|version| &version["name"]).collect();
    assert_eq!(names, [&json!("@acme/base"), &json!("@acme/tool")], "{versions}");
    assert_refused(&joe.get("/-/allversions?date=today").await, 400);
    let counted = joe.get("/").await.json();
    assert_eq!((&counted["doc_count"], &counted["doc_del_count"]), (&json!(2), &json!(1)), "{counted}");
}

#[tokio::test]
async fn who_may_not_read_is_told_of_nothing() {
    let joe = Publisher::start("anonymous_reading = false").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    for path in ["/_changes", "/-/_changes", "/-/all", "/-/all/since?startkey=1", "/-/short", "/-/by-user/joe"] {
        let refused = joe.heliostat.ask(&Ask::get(&format!("/npm{path}"))).await;
        assert_refused(&refused, 401);
        let told = joe.get(path).await;
        assert!(told.status == 200 && String::from_utf8_lossy(&told.body).contains("tool"), "{}", told.summary());
        assert_eq!(told.header("cache-control"), Some("private, no-cache"), "{path}");
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let joe = Publisher::start("").await;
    for number in 0..205 {
        joe.publish(&format!("@acme/tool-{number:03}"), "1.0.0", json!({})).await;
    }
    let all: Value = joe.get("/-/all").await.json();
    assert_eq!(all.as_object().unwrap().len(), 206);
    assert_eq!(joe.get("/-/short").await.json().as_array().unwrap().len(), 205);
}
