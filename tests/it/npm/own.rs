//! Names that are ours: published here, and never told to an upstream. Source: contract npm §4.2, §7.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{assert_refused, base64, register};
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::{ABBREVIATED_ACCEPT, FakeRegistry};
use crate::support::tarball;

/// A mount that keeps a scope for itself, and a client that is logged in.
struct World {
    registry: FakeRegistry,
    heliostat: Heliostat,
    token: String,
}

impl World {
    async fn start() -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let heliostat = builder.npm(registry.url(), "own = [\"@acme/*\"]").start().await;
        let token = register(&heliostat, "joe").await;
        Self { registry, heliostat, token }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let ask = Ask::new(method, &format!("/npm{path}")).header("content-type", "application/json");
        let ask = ask.header("authorization", &format!("Bearer {}", self.token));
        self.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    /// Asks by every route that reads.
    async fn read_all(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for path in [
            "/@acme/tool",
            "/@acme%2ftool",
            "/@acme/tool?write=true",
            "/@acme/tool/1.0.0",
            "/@acme/tool/latest",
            "/@acme/tool/-/tool-1.0.0.tgz",
            "/@acme/tool/download/@acme/tool-1.0.0.tgz",
            "/-/package/@acme%2ftool/dist-tags",
            "/-/npm/v1/attestations/@acme%2ftool@1.0.0",
            "/downloads/point/last-week/@acme/tool",
            "/downloads/range/last-week/left,@acme/tool",
        ] {
            for method in ["GET", "HEAD"] {
                let ask = Ask::new(method, &format!("/npm{path}")).header("accept", ABBREVIATED_ACCEPT);
                answers.push(self.heliostat.ask(&ask).await);
            }
        }
        let bulk = json!({ "@acme/tool": ["1.0.0"] });
        answers.push(self.send("POST", "/-/npm/v1/security/advisories/bulk", &bulk).await);
        let tree = json!({ "name": "x", "version": "1.0.0", "requires": { "@acme/tool": "1.0.0" },
            "dependencies": { "@acme/tool": { "version": "1.0.0" } } });
        answers.push(self.send("POST", "/-/npm/v1/security/audits/quick", &tree).await);
        answers
    }

    fn publication(&self) -> Value {
        let manifest = json!({ "name": "@acme/tool", "version": "1.0.0" });
        let tarball = tarball::pack(&[("package.json".to_owned(), manifest.to_string().into_bytes())]);
        let data = base64(&tarball);
        json!({
            "_id": "@acme/tool", "name": "@acme/tool", "dist-tags": { "latest": "1.0.0" },
            "versions": { "1.0.0": manifest },
            "_attachments": { "@acme/tool-1.0.0.tgz": { "data": data, "length": tarball.len() } },
        })
    }
}

#[tokio::test]
async fn no_upstream_hears_of_a_name_that_is_ours() {
    let world = World::start().await;
    for answer in world.read_all().await {
        assert!((200..500).contains(&answer.status), "{}", answer.summary());
    }
    let published = world.send("PUT", "/@acme%2ftool", &world.publication()).await;
    assert_eq!(published.status, 201, "{}", published.summary());
    let answers = world.read_all().await;
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 16, "what is published is not served");
    for seen in world.registry.upstream.all_seen() {
        let said = format!("{} {}", seen.path, String::from_utf8_lossy(&seen.body));
        assert!(!said.contains("acme"), "upstream heard {said}");
    }
}

#[tokio::test]
async fn what_is_published_is_served_in_every_form_and_what_was_removed_is_not() {
    let world = World::start().await;
    assert_eq!(world.send("PUT", "/@acme%2ftool", &world.publication()).await.status, 201);
    let full = world.heliostat.get("/npm/@acme/tool").await;
    assert_eq!(full.header("cache-control"), Some("no-cache"));
    let document = full.json();
    let link = format!("{}/npm/@acme/tool/-/tool-1.0.0.tgz", world.heliostat.url());
    assert_eq!(document["versions"]["1.0.0"]["dist"]["tarball"], link);
    assert_eq!(document["maintainers"], json!([{ "name": "joe", "email": "joe@host.example" }]));
    let tarball = world.heliostat.get("/npm/@acme/tool/-/tool-1.0.0.tgz").await;
    assert_eq!(tarball.body.len() as u64, document["versions"]["1.0.0"]["dist"]["size"].as_u64().unwrap());
    let etag = full.header("etag").unwrap().to_owned();
    let again = world.heliostat.ask(&Ask::get("/npm/@acme/tool").header("if-none-match", &etag)).await;
    assert_eq!(again.status, 304);

    let again = world.send("PUT", "/@acme%2ftool", &world.publication()).await;
    assert_refused(&again, 403);
    let rev = document["_rev"].as_str().unwrap();
    assert_refused(&world.send("PUT", "/@acme%2ftool/-rev/999-x", &json!({ "versions": {} })).await, 409);
    assert_eq!(world.send("DELETE", &format!("/@acme%2ftool/-rev/{rev}"), &json!({})).await.status, 201);
    let gone = world.heliostat.get("/npm/@acme/tool").await.json();
    let mut unpublished = gone["time"]["unpublished"].clone();
    assert!(unpublished["time"].take().is_string(), "{gone}");
    let expected = json!({ "name": "@acme/tool", "time": null, "tags": {}, "maintainers": document["maintainers"],
        "versions": ["1.0.0"] });
    assert_eq!(unpublished, expected);
    assert_eq!((&document["_attachments"], &gone["_attachments"]), (&json!({}), &json!({})));
    for path in ["/npm/@acme/tool/1.0.0", "/npm/@acme/tool/-/tool-1.0.0.tgz"] {
        assert_refused(&world.heliostat.get(path).await, 404);
    }
    assert_refused(&world.send("PUT", "/@acme%2ftool", &world.publication()).await, 403);
}

#[tokio::test]
async fn what_tells_of_a_publish_is_ours_to_say_in_every_form() {
    let world = World::start().await;
    let mut body = world.publication();
    let claims = ["maintainers", "publish_time", "_cnpmcore_publish_time", "_source_registry_name", "_hasShrinkwrap"];
    for claim in claims {
        body["versions"]["1.0.0"][claim] = json!("mallory");
    }
    body["versions"]["1.0.0"]["gitHead"] = json!("c0ffee");
    assert_eq!(world.send("PUT", "/@acme%2ftool", &body).await.status, 201);
    let full = world.heliostat.get("/npm/@acme/tool").await;
    assert!(!full.text().contains("mallory"), "nor twice, of which a client might read the other: {}", full.text());
    let full = full.json();
    let short = Ask::get("/npm/@acme/tool").header("accept", ABBREVIATED_ACCEPT);
    let short = world.heliostat.ask(&short).await.json()["versions"]["1.0.0"].clone();
    let alone = world.heliostat.get("/npm/@acme/tool/1.0.0").await.json();
    let time = full["time"]["1.0.0"].as_str().expect("a time");
    let millis = OffsetDateTime::parse(time, &Rfc3339).expect("a time").unix_timestamp_nanos() / 1_000_000;
    assert_eq!(full["_source_registry_name"], "self");
    for manifest in [&full["versions"]["1.0.0"], &alone] {
        assert_eq!(manifest["maintainers"], json!([{ "name": "joe", "email": "joe@host.example" }]));
        assert_eq!((&manifest["_cnpmcore_publish_time"], &manifest["gitHead"]), (&json!(time), &json!("c0ffee")));
    }
    for manifest in [&full["versions"]["1.0.0"], &alone, &short] {
        assert_eq!(manifest["publish_time"].as_i64().map(i128::from), Some(millis));
        assert_eq!((&manifest["_source_registry_name"], &manifest["_hasShrinkwrap"]), (&json!("self"), &json!(false)));
    }
}

#[tokio::test]
async fn who_is_not_logged_in_or_sends_what_does_not_fit_publishes_nothing() {
    let mut world = World::start().await;
    let mut broken = world.publication();
    broken["versions"]["1.0.0"]["dist"] = json!({ "shasum": "00".repeat(20) });
    assert_refused(&world.send("PUT", "/@acme%2ftool", &broken).await, 422);
    assert_refused(&world.send("PUT", "/left", &json!({})).await, 403);
    world.token = "heliostat_of_nobody".to_owned();
    assert_refused(&world.send("PUT", "/@acme%2ftool", &world.publication()).await, 401);
    // Who has not logged in may have to, in a scope that is ours.
    assert_refused(&world.heliostat.get("/npm/@acme/tool").await, 401);
}
