//! Single versions, tags and ranges; dist-tags; keys and attestations; what is passed through; what is refused.

use serde_json::{Value, json};

use super::{World, assert_refused, register};
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::packages::{Package, Release};
use crate::support::registry::{FakeRegistry, Switches};
use crate::support::resource::gzip;

fn several(name: &str) -> Package {
    Package::with_versions(name, &["1.0.0", "1.2.0", "2.0.0-rc.1", "2.0.0", "1.3.0"])
        .tag("latest", "2.0.0")
        .tag("next", "2.0.0-rc.1")
        .tag("aux", "1.0.0")
}

#[tokio::test]
async fn a_version_a_tag_and_a_range_name_one_release() {
    let world = World::shared().await;
    let package = several("several");
    world.registry.publish(&package);
    for (spec, version) in [
        ("1.0.0", "1.0.0"),
        ("latest", "2.0.0"),
        ("next", "2.0.0-rc.1"),
        ("aux", "1.0.0"),
        ("%5E1", "1.3.0"),
        ("^1.0.0", "1.3.0"),
        ("~1.2.0", "1.2.0"),
        ("%3E=1.0.0%20%3C1.3.0", "1.2.0"),
        ("1.x", "1.3.0"),
    ] {
        let answer = world.get(&format!("/npm/several/{spec}")).await;
        let expected: Value =
            serde_json::from_str(&world.rewritten(&world.registry.manifest(&package, version))).unwrap();
        assert_eq!((answer.status, answer.json()), (200, expected), "{spec}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.headers.has("etag") && answer.headers.has("content-length"), "{:?}", answer.headers);
    }
    assert_eq!(world.registry.upstream.all_seen().iter().filter(|seen| seen.path.contains("several")).count(), 1);
}

#[tokio::test]
async fn a_version_keeps_its_signatures_in_both_forms() {
    let world = World::shared().await;
    world.registry.publish(&several("signed-version"));
    for spec in ["1.0.0", "latest"] {
        let full = world.get(&format!("/npm/signed-version/{spec}")).await.json();
        let short = world.abbreviated(&format!("/npm/signed-version/{spec}")).await.json();
        assert!(full["dist"]["signatures"][0]["sig"].is_string());
        assert_eq!(full["dist"], short["dist"]);
        assert!(short.get("_npmVersion").is_none(), "{short}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_not_found_by_name() {
    let world = World::shared().await;
    world.registry.publish(&several("unknown-version"));
    for spec in ["9.9.9", "nonesuch", "%5E9"] {
        let answer = world.get(&format!("/npm/unknown-version/{spec}")).await;
        assert_refused(&answer, 404);
        assert!(answer.json()["reason"].as_str().is_some_and(|reason| reason.contains("unknown-version@")));
    }
    assert_refused(&world.get("/npm/unknown-package/1.0.0").await, 404);
}

#[tokio::test]
async fn dist_tags_are_those_of_the_document() {
    let world = World::shared().await;
    world.registry.publish(&several("@tagged/one"));
    let expected = json!({"latest": "2.0.0", "next": "2.0.0-rc.1", "aux": "1.0.0"});
    for path in ["@tagged/one", "@tagged%2fone", "@tagged%2Fone"] {
        assert_eq!(world.get(&format!("/npm/-/package/{path}/dist-tags")).await.json(), expected, "{path}");
    }
    assert_refused(&world.get("/npm/-/package/untagged/dist-tags").await, 404);
}

#[tokio::test]
async fn the_keys_of_the_upstream_are_served_with_ours_and_fetched_once() {
    let world = World::start(Switches::default(), "").await;
    let old = crate::support::signing::Key::from_seed("a retired key").expiring("2023-01-01T00:00:00.000Z");
    world.registry.retire(&old);
    for _ in 0..2 {
        let keys = world.get("/npm/-/npm/v1/keys").await;
        let keys_of = keys.json()["keys"].as_array().expect("a key set").clone();
        assert!([world.registry.key(), &old].iter().all(|key| keys_of.contains(&key.entry())), "{keys_of:?}");
        assert_eq!(keys_of.len(), 3, "and ours");
        assert!(keys.headers.has("cache-status"));
    }
    assert_eq!(world.registry.upstream.count("/-/npm/v1/keys"), 1);
}

#[tokio::test]
async fn attestations_are_mirrored_and_so_is_their_absence() {
    let world = World::shared().await;
    let attested = Release { attested: true, ..Release::new("1.0.0") };
    let package = Package::new("@proven/one").with(attested);
    world.registry.publish(&package);
    let url = world.get("/npm/@proven%2fone").await.json()["versions"]["1.0.0"]["dist"]["attestations"]["url"].clone();
    let expected = format!("{}/npm/-/npm/v1/attestations/@proven", world.heliostat.url());
    assert!(url.as_str().is_some_and(|url| url.starts_with(&expected)), "{url}");
    for path in ["@proven/one@1.0.0", "@proven%2fone@1.0.0", "@proven%2fone%401.0.0"] {
        let answer = world.get(&format!("/npm/-/npm/v1/attestations/{path}")).await.json();
        assert_eq!(answer["attestations"].as_array().map(Vec::len), Some(2), "{path}");
        assert_refused(&world.get("/npm/-/npm/v1/attestations/unproven@1.0.0").await, 404);
    }
    assert_eq!(world.registry.upstream.count("/-/npm/v1/attestations/@proven/one@1.0.0"), 1);
    assert_eq!(world.registry.upstream.count("/-/npm/v1/attestations/unproven@1.0.0"), 1);
}

#[tokio::test]
async fn search_and_audit_pass_through() {
    let world = World::shared().await;
    world.registry.publish_plain("searched-for");
    world.registry.advise("searched-for");
    let found = world.get("/npm/-/v1/search?text=searched-for&size=20").await.json();
    assert_eq!((&found["total"], &found["objects"][0]["package"]["name"]), (&json!(1), &json!("searched-for")));
    let asked = json!({"searched-for": ["1.0.0"], "something-else": ["1.0.0"]}).to_string();
    for (body, coding) in [(asked.clone().into_bytes(), None), (gzip(asked.as_bytes()), Some("gzip"))] {
        let ask = Ask::post("/npm/-/npm/v1/security/advisories/bulk", body).header("content-type", "application/json");
        let ask = coding.into_iter().fold(ask, |ask, coding| ask.header("content-encoding", coding));
        let report = world.heliostat.ask(&ask).await.json();
        assert_eq!(report["searched-for"][0]["severity"], "high", "{report}");
        assert_eq!(report.as_object().map(serde_json::Map::len), Some(1));
    }
    for path in ["/npm/-/npm/v1/security/audits/quick", "/npm/-/npm/v1/security/audits"] {
        let report = world.heliostat.ask(&Ask::post(path, "{}").header("content-type", "application/json")).await;
        assert!(report.json()["metadata"]["vulnerabilities"].is_object(), "{}", report.summary());
    }
}

#[tokio::test]
async fn nothing_passes_through_a_mount_that_forbids_it() {
    let world = World::start(Switches::default(), "passthrough = false").await;
    let audit = Ask::post("/npm/-/npm/v1/security/advisories/bulk", "{}").header("content-type", "application/json");
    let answer = world.heliostat.ask(&audit).await;
    assert_refused(&answer, 404);
    let found = world.get("/npm/-/v1/search?text=x").await;
    assert_eq!((found.status, &found.json()["total"]), (200, &json!(0)), "what is ours can be searched all the same");
    assert!(world.registry.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn what_passes_through_hides_the_clients_credentials() {
    let registry = FakeRegistry::start();
    let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
    let heliostat = builder.npm(registry.url(), "").start().await;
    let token = register(&heliostat, "client").await;
    let world = World { registry, heliostat };
    let headers = [("authorization", &*format!("Bearer {token}")), ("cookie", "of=the-client")];
    world.get_with("/npm/-/v1/search?text=x", &headers).await;
    let seen = world.registry.upstream.seen("/-/v1/search");
    assert_eq!(seen.len(), 1);
    let sent = format!("{:?}", seen[0].headers);
    assert!(!sent.contains("the-client") && !sent.contains(&token), "{sent}");
}

#[tokio::test]
async fn credentials_that_nobody_gave_out_are_refused_wherever_they_are_shown() {
    let world = World::shared().await;
    for shown in ["Bearer of-nobody", "Basic am9lOndyb25n", "Digest x", "nonsense"] {
        for path in ["/npm/-/ping", "/npm/-/whoami", "/npm/any"] {
            assert_refused(&world.get_with(path, &[("authorization", shown)]).await, 401);
        }
    }
}

#[tokio::test]
async fn the_mount_answers_for_itself_and_pings_nobody() {
    let world = World::start(Switches::default(), "").await;
    assert!(world.get("/npm/-/ping").await.json().is_object());
    assert!(world.get("/npm/").await.json()["db_name"].is_string());
    assert_refused(&world.get("/npm/-/whoami").await, 401);
    for path in ["/npm/-/no/such/api", "/npm/-/all/of/it"] {
        assert_refused(&world.get(path).await, 404);
    }
    assert!(world.registry.upstream.all_seen().is_empty(), "{:?}", world.registry.upstream.all_seen());
}

#[tokio::test]
async fn writing_is_refused_here_and_not_tried_upstream() {
    let world = World::start(Switches::default(), "").await;
    for (method, path) in [
        ("PUT", "/npm/left"),
        ("PUT", "/npm/@s%2fleft"),
        ("PUT", "/npm/-/package/left/dist-tags/latest"),
        ("DELETE", "/npm/left/-rev/1-a"),
        ("DELETE", "/npm/left/-/left-1.0.0.tgz/-rev/1-a"),
        ("POST", "/npm/left"),
    ] {
        let ask = Ask::new(method, path).header("content-length", "2").header("content-type", "application/json");
        let mut connection = crate::support::http::Connection::open(world.heliostat.address()).await.unwrap();
        let answer = connection.ask(&ask.body("{}")).await;
        assert!((400..=501).contains(&answer.status), "{method} {path}: {}", answer.summary());
        assert_refused(&answer, answer.status);
        // The body must not be left in the connection, where it would be read as the next request.
        let next = connection.ask(&Ask::get("/npm/-/ping")).await;
        assert!(next.status == 200 || next.status == 0, "{}", next.summary());
    }
    assert!(world.registry.upstream.all_seen().is_empty());
}
