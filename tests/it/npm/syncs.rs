//! Sync tasks in cnpm's words. No node runs any here: they stay as they were made. Source: contract npm §12.1.

use std::time::Duration;

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT};
use super::assert_refused;
use crate::support::beside::{block, command};
use crate::support::http::Answer;

/// A mount with further lines, on a node that runs no tasks, over an upstream that has `left`.
async fn start(mount: &str) -> Acme {
    let mut acme = Acme::start_with(&["joe", "ann"], mount).await;
    acme.registry.publish_plain("left");
    acme.heliostat.stop();
    acme.heliostat.reconfigure(|builder| builder.set("sync", "tasks", "0"));
    acme.heliostat.start().await;
    acme
}

async fn ask(acme: &Acme, who: &str, body: Value) -> Answer {
    acme.send(who, "PUT", "/-/package/left/syncs", body).await
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().expect("a text")
}

#[tokio::test]
async fn a_task_is_asked_for_and_looked_at_in_both_forms() {
    let acme = start("").await;
    let made = ask(&acme, "joe", json!({ "tips": "by joe", "skipDependencies": true })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{}", made.summary());
    let id = text(&made.json(), "id").to_owned();
    assert_eq!(made.json(), json!({ "ok": true, "id": id, "type": "package", "state": "waiting" }));

    let status = acme.get(NOBODY, &format!("/-/package/left/syncs/{id}")).await;
    assert_eq!((status.status, status.header("cache-control")), (200, Some("no-store")), "{}", status.summary());
    assert_eq!(status.json(), made.json());
    let log = acme.get(NOBODY, &format!("/-/package/left/syncs/{id}/log")).await;
    assert_eq!((log.status, log.header("cache-control")), (200, Some("no-store")), "{}", log.summary());
    assert_eq!(log.header("content-type"), Some("text/plain; charset=utf-8"));
    let lines: Vec<String> = log.text().lines().map(str::to_owned).collect();
    assert!(
        log.text().ends_with('\n') && lines[0].starts_with("[20") && lines[0].ends_with("Z] 👉 by joe"),
        "{lines:?}"
    );
    assert!(lines.len() == 2 && lines[1].contains("Z] 🚧 "), "the first line is there from the beginning: {lines:?}");

    let old = acme.send("ann", "PUT", "/left/sync?nodeps=true&sync_upstream=true", Value::Null).await;
    assert_eq!((old.status, old.json()), (201, json!({ "ok": true, "logId": id })), "it joins the one that waits");
    for offset in ["", "?offset=0", "?offset=1", "?offset=x"] {
        let log = acme.get(NOBODY, &format!("/left/sync/log/{id}{offset}")).await;
        assert_eq!((log.status, log.header("cache-control")), (200, Some("no-store")), "{}", log.summary());
        let told = log.json();
        let (time, rest) = text(&told, "log").split_once("] ").expect("a time");
        let (head, data) = rest.split_once(" data: ").expect("data");
        assert!(
            time.starts_with("[20") && time.ends_with('Z') && time.len() == "[2026-01-02T03:04:05.006Z".len(),
            "{time}"
        );
        assert_eq!(head, "[processing] Sync left");
        assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), made.json());
        assert_eq!(told, json!({ "ok": true, "syncDone": false, "log": told["log"] }));
    }
    let (well, audit) = command(&acme.heliostat, "audit", &[]);
    assert!(well && audit.contains("npm/left") && audit.contains(&format!("joins {id}")), "{audit}");
}

#[tokio::test]
async fn who_asks_on_after_the_end_gets_one_more_line() {
    let mut acme = start("").await;
    acme.heliostat.stop();
    acme.heliostat.reconfigure(|builder| builder.set("sync", "tasks", "2"));
    acme.heliostat.start().await;
    let id = text(&ask(&acme, "joe", json!({})).await.json(), "id").to_owned();
    let (mut logs, mut looks) = (Vec::<String>::new(), 0);
    while !logs.last().is_some_and(|log| log.ends_with(" 📖 the task is over: success\n")) {
        looks += 1;
        assert!(looks < 300, "{logs:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        logs.push(acme.get(NOBODY, &format!("/-/package/left/syncs/{id}/log")).await.text());
    }
    assert!(logs.windows(2).all(|two| two[1].starts_with(&two[0])), "lines never change: {logs:?}");
    assert!(logs.last().is_some_and(|log| log.contains("🎉")), "{logs:?}");
    let done = acme.get(NOBODY, &format!("/left/sync/log/{id}")).await.json();
    assert!(done["syncDone"] == true && text(&done, "log").contains("] [done] Sync left data: {"), "{done}");
}

#[tokio::test]
async fn a_task_is_of_its_package_alone() {
    let acme = start("").await;
    acme.registry.publish_plain("right");
    assert_eq!(acme.publish("joe", "@acme/tool", "1.0.0", None).await.status, 201);
    let id = text(&ask(&acme, "joe", json!({})).await.json(), "id").to_owned();
    for name in ["right", "@acme%2ftool"] {
        for path in [
            format!("/-/package/{name}/syncs/{id}"),
            format!("/-/package/{name}/syncs/{id}/log"),
            format!("/{name}/sync/log/{id}"),
        ] {
            assert_refused(&acme.get("joe", &path).await, 404);
        }
    }
    for id in ["1", &id[1..], "%F0%9F%9A%A7"] {
        assert_refused(&acme.get("joe", &format!("/-/package/left/syncs/{id}")).await, 404);
    }
}

#[tokio::test]
async fn the_mount_says_who_may_ask() {
    let acme = start("sync_who = \"nobody\"").await;
    for who in ["joe", ROOT] {
        assert_refused(&ask(&acme, who, json!({})).await, 403);
        assert_refused(&acme.send(who, "PUT", "/left/sync", Value::Null).await, 403);
    }
    assert_eq!(acme.get(NOBODY, "/").await.json()["sync_model"], "none");
    let acme = start("sync_who = \"admin\"").await;
    assert_refused(&ask(&acme, NOBODY, json!({})).await, 401);
    assert_refused(&ask(&acme, "joe", json!({})).await, 403);
    assert_eq!(ask(&acme, ROOT, json!({})).await.status, 201);
    assert_eq!(acme.get(NOBODY, "/").await.json()["sync_model"], "admin");
}

#[tokio::test]
async fn where_anyone_may_ask_one_place_does_not_ask_without_end() {
    let acme = start("sync_who = \"anyone\"\nsync = \"known\"").await;
    for _ in 0..60 {
        assert_eq!(ask(&acme, NOBODY, json!({ "force": true })).await.status, 201);
    }
    let refused = ask(&acme, NOBODY, json!({})).await;
    assert_refused(&refused, 429);
    assert!(refused.header("retry-after").is_some(), "{}", refused.summary());
    assert_refused(&acme.send(NOBODY, "PUT", "/left/sync", Value::Null).await, 429);
    assert_eq!(ask(&acme, "joe", json!({})).await.status, 201, "who is known is not counted");
    let told = acme.get(NOBODY, "/").await.json();
    assert_eq!((&told["sync_model"], &told["changes_stream_registry"]), (&json!("proxy"), &told["source_registry"]));
}

#[tokio::test]
async fn what_does_not_come_from_there_is_refused() {
    let acme = start("merged = [\"left\"]").await;
    let registry = json!({ "name": "mirror", "host": "https://registry.example", "type": "npm" });
    let made = acme.send(ROOT, "POST", "/-/registry", registry).await;
    let scope = json!({ "name": "@far", "registryId": made.json()["id"] });
    assert_eq!(acme.send(ROOT, "POST", "/-/scope", scope).await.status, 200);
    let ask = async |name: &str, registry: &str| {
        acme.send("joe", "PUT", &format!("/-/package/{name}/syncs"), json!({ "registryName": registry })).await
    };
    for (name, registry, expected) in [
        ("left", "", 201),
        ("left", "default", 201),
        ("left", "mirror", 403),
        ("left", "self", 403),
        ("left", "nobody", 403),
        ("@far%2fx", "mirror", 201),
        ("@far%2fx", made.json()["id"].as_str().expect("an id"), 201),
        ("@far%2fx", "default", 403),
    ] {
        let answer = ask(name, registry).await;
        assert_eq!(answer.status, expected, "{name} from {registry:?}: {}", answer.summary());
    }
    let refused = acme.send("joe", "PUT", "/-/package/left/syncs", json!({ "syncDownloadData": true })).await;
    assert_refused(&refused, 403);
    assert!(refused.text().contains("not configured"), "{}", refused.text());

    // Of one that is merged, upstream's part can be brought up; of one that is ours, nothing.
    assert_eq!(acme.publish(ROOT, "left", "1.0.0-acme", None).await.status, 201);
    assert_eq!(ask("left", "").await.status, 201);
    assert_eq!(acme.publish("joe", "@acme/secret", "1.0.0", Some("restricted")).await.status, 201);
    assert_refused(&ask("@acme%2fsecret", "").await, 403);
    let (hidden, absent) = ("/-/package/@acme%2fsecret/syncs", "/-/package/@acme%2fabsent/syncs");
    for (who, status) in [("ann", 404), (NOBODY, 401)] {
        for path in [hidden, absent] {
            assert_refused(&acme.send(who, "PUT", path, json!({})).await, status);
        }
    }
    block(&acme.heliostat, "/npm/left", &["npm", "left", "*"]).await;
    assert_refused(&ask("left", "").await, 451);
}
