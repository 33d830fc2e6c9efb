//! What is blocked: gone from every form of a document, and named with the reason. Source: contract npm §4.2, §13.1.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{assert_refused, register};
use crate::support::beside::command;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::packages::Package;
use crate::support::registry::{ABBREVIATED_ACCEPT, FakeRegistry};

/// A registry, its mirror, and an admin and a user of that.
struct World {
    registry: FakeRegistry,
    heliostat: Heliostat,
    admin: String,
    user: String,
}

impl World {
    async fn start() -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let heliostat = builder.npm(registry.url(), "own = [\"@acme/*\"]").start().await;
        let (admin, user) = (register(&heliostat, "root").await, register(&heliostat, "joe").await);
        let (well, said) = command(&heliostat, "user", &["admin", "root"]);
        assert!(well, "{said}");
        let world = Self { registry, heliostat, admin, user };
        // Who is an admin is known within a second.
        let start = Instant::now();
        while world.send("PUT", "/probe/blocks", &world.admin, &json!({ "reason": "probe" })).await.status != 201 {
            assert!(start.elapsed() < Duration::from_secs(10), "root is no admin: {}", world.heliostat.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        world
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let ask =
            Ask::new(method, &format!("/npm/-/package{path}")).header("authorization", &format!("Bearer {token}"));
        self.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    async fn block(&self, path: &str, reason: &str) -> Value {
        let answer = self.send("PUT", path, &self.admin, &json!({ "reason": reason })).await;
        assert_eq!(answer.status, 201, "{}", answer.summary());
        answer.json()
    }

    async fn abbreviated(&self, path: &str) -> Answer {
        self.heliostat.ask(&Ask::get(path).header("accept", ABBREVIATED_ACCEPT)).await
    }
}

#[tokio::test]
async fn a_blocked_version_is_in_no_form_of_the_document() {
    let world = World::start().await;
    let package = Package::with_versions("left", &["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"]).tag("next", "2.0.0-rc.1");
    world.registry.publish(&package);
    let before = world.heliostat.get("/npm/left").await;
    assert!(before.json()["readme"].is_string() && before.json()["description"].is_null(), "{}", before.text());
    let made = world.block("/left/blocks/%3E=2.0.0-0", "it steals secrets").await;
    assert_eq!(
        (&made["ok"], &made["package_id"], &made["version"]),
        (&json!(true), &json!("left"), &json!(">=2.0.0-0"))
    );
    let again = world.block("/left/blocks/%3E=2.0.0-0", "it steals more").await;
    assert_eq!(made["id"], again["id"], "the same block");

    let full = world.heliostat.get("/npm/left").await;
    let (document, short) = (full.json(), world.abbreviated("/npm/left").await.json());
    assert_ne!(full.header("etag"), before.header("etag"));
    assert_eq!(full.header("last-modified"), None, "a block has no place in upstream's time");
    let described = &document["versions"]["1.1.0"]["description"];
    assert!(document.get("readme").is_none() && document["description"] == *described, "nothing of 2.0.0: {document}");
    for versions in [&document["versions"], &short["versions"]] {
        let names: Vec<_> = versions.as_object().unwrap().keys().collect();
        assert_eq!(names, ["1.0.0", "1.1.0"]);
    }
    assert_eq!(short["dist-tags"], json!({ "latest": "1.1.0" }));
    assert_eq!(document["time"].as_object().unwrap().keys().filter(|key| key.starts_with('2')).count(), 0);
    let reason = document["blockVersions"]["2.0.0-rc.1"].as_str().unwrap();
    assert!(reason.starts_with("it steals more (operator: root/"), "{reason}");
    for (path, expected) in [("latest", "1.1.0"), ("%5E1", "1.1.0"), ("%3E0", "1.1.0"), ("1.0.0", "1.0.0")] {
        assert_eq!(world.heliostat.get(&format!("/npm/left/{path}")).await.json()["version"], expected, "{path}");
    }
    assert_eq!(world.heliostat.get("/npm/-/package/left/dist-tags").await.json(), json!({ "latest": "1.1.0" }));
    for path in ["/npm/left/2.0.0", "/npm/left/-/left-2.0.0-rc.1.tgz", "/npm/-/npm/v1/attestations/left@2.0.0"] {
        let refused = world.heliostat.get(path).await;
        assert_refused(&refused, 451);
        assert!(refused.header("npm-notice").unwrap().contains("it steals more"), "{path}");
    }
    assert_refused(&world.heliostat.get("/npm/left/next").await, 404);
}

#[tokio::test]
async fn a_document_without_a_version_left_is_not_found_until_it_has_one() {
    let world = World::start().await;
    world.registry.publish(&Package::with_versions("left", &["1.0.0", "2.0.0"]));
    let before = world.heliostat.get("/npm/left").await;
    world.block("/left/blocks/%3E=2.0.0-0", "these").await;
    world.block("/left/blocks/%3C2", "and these too").await;
    let gone = world.heliostat.get("/npm/left").await;
    assert_refused(&gone, 404);
    assert!(gone.text().contains("and these too"), "{}", gone.text());
    assert!(gone.header("npm-notice").is_some_and(|notice| notice.contains("and these too")), "{}", gone.summary());
    assert_eq!(gone.header("cache-control"), Some("no-store"), "it ends with the block");
    for versions in ["%3E=2.0.0-0", "%3C2"] {
        let path = format!("/left/blocks/{versions}");
        assert_eq!(world.send("DELETE", &path, &world.admin, &json!({})).await.status, 200);
    }
    let after = world.heliostat.get("/npm/left").await;
    assert_eq!((after.header("etag"), &after.body), (before.header("etag"), &before.body));
}

#[tokio::test]
async fn blocks_are_shown_to_everybody_and_made_by_admins() {
    let world = World::start().await;
    let show = async || world.heliostat.get("/npm/-/package/@evil%2fone/blocks").await.json();
    assert_eq!(show().await, json!({ "blocked": false, "data": [] }));
    world.block("/@evil%2fone/blocks", "why not").await;
    let shown = show().await;
    assert_eq!((&shown["blocked"], &shown["data"][0]["scope"]), (&json!(true), &json!("package")));
    assert!(shown["reason"].as_str().unwrap().starts_with("why not (operator: root/"), "{shown}");
    assert!(shown["createdAt"].is_string() && shown["data"][0]["version"] == "*", "{shown}");
    assert_refused(&world.heliostat.get("/npm/@evil/one").await, 451);

    let wish = json!({ "reason": "no" });
    assert_refused(&world.send("PUT", "/left/blocks", &world.user, &wish).await, 403);
    assert_refused(&world.send("DELETE", "/@evil%2fone/blocks", &world.user, &wish).await, 403);
    assert_refused(&world.send("PUT", "/left/blocks", &world.admin, &json!({})).await, 422);
    assert_refused(&world.send("PUT", "/left/blocks/latest", &world.admin, &wish).await, 422);
    assert_refused(&world.send("PUT", "/@acme%2fours/blocks", &world.admin, &wish).await, 403);
    let long = json!({ "reason": "x".repeat(10_300) });
    assert_refused(&world.send("PUT", "/left/blocks", &world.admin, &long).await, 422);
    assert_eq!(world.send("DELETE", "/@evil%2fone/blocks", &world.admin, &wish).await.json(), json!({ "ok": true }));
    assert_eq!(world.send("DELETE", "/@evil%2fone/blocks", &world.admin, &wish).await.status, 200, "again");
    assert_eq!(show().await["blocked"], json!(false));
}

#[tokio::test]
async fn who_follows_hears_of_blocks_of_mirrored_packages() {
    let world = World::start().await;
    world.block("/left/blocks/1.x", "it steals secrets").await;
    let removed = world.send("DELETE", "/left/blocks/1.x", &world.admin, &Value::Null).await;
    assert_eq!(removed.status, 200, "{}", removed.summary());
    let feed = world.heliostat.get("/npm/_changes?since=0").await.json();
    let told = feed["results"].as_array().expect("a list").iter().filter(|result| result["id"] == "left");
    let told: Vec<_> = told.map(|result| (result["type"].as_str(), result["changes"][0]["version"].as_str())).collect();
    assert_eq!(told, [(Some("PACKAGE_BLOCKED"), Some("1.x")), (Some("PACKAGE_UNBLOCKED"), Some("1.x"))]);
}
