//! What has happened here, and what there is: the feed and the lists. Source: contract npm §10.2, §10.3.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Publisher, assert_refused};
use crate::support::beside::block;
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

    // Also of what no tag shows any more.
    assert_eq!(joe.send("DELETE", "/@acme%2ftool/-rev/1-a", &Value::Null).await.status, 201);
    let told = joe.get("/_changes?since=0").await.json();
    let owners = told["results"].as_array().unwrap().iter().find(|event| event["seq"] == owners["seq"]).unwrap();
    assert_eq!(owners["changes"], json!([{ "maintainers": ["joe"] }]));
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
    assert_eq!(joe.get("/-/short?private_only=true").await.json(), json!(["@acme/base", "@acme/tool"]));
    assert_eq!(joe.get("/-/package/@acme%2fbase/dependents").await.json(), json!({ "dependents": ["@acme/tool"] }));
    let names = json!(["@acme/base", "@acme/tool"]);
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
async fn what_becomes_of_mirrored_packages_moves_the_head_and_no_count() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.registry.publish_plain("left");
    let (before, left) = (joe.get("/").await.json(), joe.get("/left").await);
    assert_eq!((&before["doc_count"], left.status), (&json!(1), 200));
    block(&joe.heliostat, "/npm/left", &["npm", "left", "*"]).await;
    let after = joe.get("/").await.json();
    assert!(after["update_seq"].as_u64() > before["update_seq"].as_u64(), "{after}");
    assert_eq!(after["update_seq"], joe.get("/_changes?since=0").await.json()["last_seq"]);
    for count in ["doc_count", "doc_version_count", "last_package_version"] {
        assert_eq!(after[count], before[count], "{count}: {after}");
    }
    joe.publish("@acme/tool", "1.1.0", json!({})).await;
    let last = joe.get("/").await.json();
    assert_eq!((&last["doc_version_count"], &last["last_package_version"]), (&json!(2), &json!("@acme/tool@1.1.0")));
}

#[tokio::test]
async fn the_root_tells_what_everybody_sees_and_where_the_rest_comes_from() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.publish("@acme/secret", "1.0.0", json!({})).await;
    let secret = json!({ "access": "restricted" });
    assert_eq!(joe.send("POST", "/-/package/@acme%2fsecret/access", &secret).await.status, 200);
    joe.get("/@acme/tool/-/tool-1.0.0.tgz").await;
    let today = joe.get("/@acme/tool").await.json()["time"]["created"].as_str().expect("a time")[..10].to_owned();
    let mut looks = 0;
    while joe.get(&format!("/downloads/point/{today}/@acme/tool")).await.json()["downloads"] == 0 {
        looks += 1;
        assert!(looks < 400, "the download is never written down");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = joe.get("/").await.json();
    for (member, expected) in [
        ("db_name", json!("registry")),
        ("doc_count", json!(1)),
        ("doc_version_count", json!(1)),
        ("last_package", json!("@acme/tool")),
        ("last_package_version", json!("@acme/tool@1.0.0")),
        ("sync_changes_steam", json!({})),
        ("sync_binary", json!(false)),
        ("source_registry", json!(joe.registry.url().trim_end_matches('/'))),
        ("changes_stream_registry", json!("")),
    ] {
        assert_eq!(told[member], expected, "{member}: {told}");
    }
    for period in ["today", "thisweek", "thismonth", "thisyear"] {
        assert_eq!(told["download"][period], 1, "{period}: {told}");
    }
    for period in ["lastday", "lastweek", "lastmonth", "lastyear"] {
        assert_eq!(told["download"][period], 0, "{period}: {told}");
    }
    assert!(told["cache_time"].as_str().is_some_and(|time| time.ends_with('Z')), "{told}");
    let theirs = &told["upstream_registries"][0];
    assert_eq!((&theirs["registry_name"], &theirs["source_registry"]), (&json!("default"), &told["source_registry"]));
    block(&joe.heliostat, "/npm/@acme/tool", &["npm", "@acme/tool", "*"]).await;
    let told = joe.get("/").await;
    assert!(!told.text().contains("@acme"), "{}", told.text());
}

#[tokio::test]
async fn who_may_not_read_is_told_of_nothing() {
    let joe = Publisher::start("anonymous_reading = false").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    assert_refused(&joe.heliostat.get("/npm/").await, 401);
    assert_eq!(joe.get("/").await.json()["doc_count"], 1);
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

/// Blocks some packages as a whole, and of others what is newest.
async fn block_some(joe: &Publisher) {
    let newest = joe.get("/bad-upstream/latest").await.json()["version"].as_str().expect("a version").to_owned();
    for (name, versions, path) in [
        ("@acme/evil", "*", "@acme/evil"),
        ("@acme/gone", "1.x", "@acme/gone/1.0.0"),
        ("@acme/half", "2.0.0", "@acme/half/2.0.0"),
        ("evil-upstream", "*", "evil-upstream"),
        ("bad-upstream", &newest, &format!("bad-upstream/{newest}")),
    ] {
        block(&joe.heliostat, &format!("/npm/{path}"), &["npm", name, versions]).await;
    }
}

#[tokio::test]
async fn what_is_blocked_is_in_no_list() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/base", "1.0.0", json!({})).await;
    joe.publish("@acme/evil", "1.0.0", json!({ "dependencies": { "@acme/base": "1" } })).await;
    joe.publish("@acme/gone", "1.0.0", json!({})).await;
    joe.publish("@acme/half", "1.0.0", json!({ "description": "good" })).await;
    joe.publish("@acme/half", "2.0.0", json!({ "description": "bad", "dependencies": { "@acme/base": "1" } })).await;
    for name in ["half-upstream", "evil-upstream", "bad-upstream"] {
        joe.registry.publish_plain(name);
    }
    block_some(&joe).await;
    let day = joe.get("/@acme/half").await.json()["time"]["created"].as_str().expect("a time")[..10].to_owned();
    for path in [
        "/-/all",
        "/-/all/since?startkey=1",
        "/-/short",
        &format!("/-/allversions?date={day}"),
        "/-/by-user/joe",
        "/-/users/joe/packages",
        "/-/user/joe/package",
        "/-/v1/search?text=half",
        "/-/v1/search?text=maintainer:joe",
    ] {
        let told = joe.get(path).await;
        let text = String::from_utf8_lossy(&told.body).into_owned();
        assert!(told.status == 200 && text.contains("@acme/half"), "{path}: {}", told.summary());
        for blocked in ["evil", "gone", "2.0.0", "bad"] {
            assert!(!text.contains(blocked), "{path} names {blocked}: {text}");
        }
    }
    let half = joe.get("/-/all").await.json()["@acme/half"].clone();
    assert_eq!((&half["dist-tags"], &half["description"]), (&json!({ "latest": "1.0.0" }), &json!("good")), "{half}");
    assert_eq!(joe.get("/-/package/@acme%2fbase/dependents").await.json(), json!({ "dependents": [] }));
    let theirs = joe.get("/-/v1/search?text=upstream").await.json();
    assert_eq!((theirs["objects"].as_array().map(Vec::len), &theirs["total"]), (Some(1), &json!(1)), "{theirs}");
    assert_eq!(theirs["objects"][0]["package"]["name"], "half-upstream");
}

#[tokio::test]
async fn who_follows_past_what_is_hidden_comes_to_the_end_in_bounded_steps() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/secret", "1.0.0", json!({})).await;
    let restricted = json!({ "access": "restricted" });
    assert_eq!(joe.send("POST", "/-/package/@acme%2fsecret/access", &restricted).await.status, 200);
    // As many tags as one write may set, each time in place of the last ones: twice as many events.
    for round in 0..165 {
        let tags: serde_json::Map<String, Value> =
            (0..32).map(|number| (format!("t{round}x{number}"), json!("1.0.0"))).collect();
        let set = joe.send("PUT", "/-/package/@acme%2fsecret/dist-tags", &Value::Object(tags)).await;
        assert_eq!(set.status, 201, "{}", set.summary());
    }
    for version in ["1.0.0", "1.1.0"] {
        joe.publish("@acme/tool", version, json!({})).await;
    }
    let follow =
        async |since: u64| joe.heliostat.ask(&Ask::get(&format!("/npm/_changes?since={since}&limit=1"))).await.json();
    let first = follow(0).await;
    assert_eq!(first["results"], json!([]), "not all is read for one answer");
    let (mut since, mut seen) = (first["last_seq"].as_u64().expect("a number"), Vec::new());
    assert!(since >= 10_000, "{first}");
    for _ in 0..20 {
        let told = follow(since).await;
        let Some(event) = told["results"].get(0) else { break };
        assert_eq!((told["results"].as_array().map(Vec::len), &told["last_seq"]), (Some(1), &event["seq"]));
        seen.push((event["seq"].as_u64().expect("a number"), event["id"].as_str().expect("a name").to_owned()));
        since = event["seq"].as_u64().expect("a number") + 1;
    }
    let all = joe.heliostat.ask(&Ask::get("/npm/_changes?since=10001")).await.json();
    let all: Vec<(u64, String)> = all["results"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| (event["seq"].as_u64().expect("a number"), event["id"].as_str().expect("a name").to_owned()))
        .collect();
    assert_eq!(seen, all);
    assert!(seen.len() >= 4 && seen.iter().all(|(_, name)| name == "@acme/tool"), "{seen:?}");
}
