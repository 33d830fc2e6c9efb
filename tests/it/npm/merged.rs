//! Names of upstream's that are published over: both are served as one, and ours win. Source: contract npm §4.2.2, §7.1.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT, publication};
use super::assert_refused;
use crate::support::fault::Fault;
use crate::support::http::Ask;
use crate::support::packages::{Package, Release};
use crate::support::registry::ABBREVIATED_ACCEPT;

const OURS: &str = "1.1.0-acme";

/// A mount that merges `left` and `right`, and an upstream that has `left`.
async fn start() -> (Acme, Package) {
    let acme = Acme::start_with(&["joe", "ann"], "merged = [\"left\", \"right\", \"@acme/*\"]").await;
    let left = Package::with_versions("left", &["1.0.0", "1.1.0", "2.0.0-rc.1"]).tag("next", "2.0.0-rc.1");
    acme.registry.publish(&left);
    (acme, left)
}

/// Returns a publication under a tag.
fn tagged(name: &str, version: &str, tag: &str) -> Value {
    let mut body = publication(name, version);
    body["dist-tags"] = json!({ tag: version });
    body
}

async fn document(acme: &Acme) -> Value {
    acme.get(NOBODY, "/left").await.json()
}

fn versions(document: &Value) -> Vec<&str> {
    document["versions"].as_object().expect("versions").keys().map(String::as_str).collect()
}

fn tarball_of(body: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let attachments = body["_attachments"].as_object().expect("attachments");
    let data = attachments.values().next().expect("a tarball")["data"].as_str().expect("base64");
    base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
}

#[tokio::test]
async fn what_is_published_over_a_mirrored_name_is_served_with_it() {
    let (acme, left) = start().await;
    let before = document(&acme).await;
    let body = tagged("left", OURS, "acme");
    let published = acme.send(ROOT, "PUT", "/left", body.clone()).await;
    assert_eq!(published.status, 201, "{}", published.summary());

    let united = document(&acme).await;
    assert_eq!(versions(&united), ["1.0.0", "1.1.0", OURS, "2.0.0-rc.1"]);
    let tags = json!({ "latest": before["dist-tags"]["latest"], "next": "2.0.0-rc.1", "acme": OURS });
    assert_eq!(united["dist-tags"], tags);
    for theirs in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        assert_eq!(united["versions"][theirs], before["versions"][theirs], "as upstream signed it");
        assert_eq!(united["time"][theirs], before["time"][theirs]);
    }
    assert!(united["time"][OURS].is_string());
    let short = acme.ask(NOBODY, Ask::get("/npm/left").header("accept", ABBREVIATED_ACCEPT)).await;
    assert_eq!(versions(&short.json()), versions(&united));
    assert_eq!(short.header("cache-control"), Some("no-cache"));
    assert_eq!(acme.get(NOBODY, "/left/acme").await.json()["version"], OURS);
    assert_eq!(acme.get(NOBODY, "/left/1.1.0").await.json()["version"], "1.1.0");
    assert_eq!(acme.get(NOBODY, "/-/package/left/dist-tags").await.json(), tags);

    let ours = acme.get(NOBODY, &format!("/left/-/left-{OURS}.tgz")).await;
    assert_eq!(ours.body, tarball_of(&body));
    let theirs = acme.get(NOBODY, "/left/-/left-1.1.0.tgz").await;
    assert_eq!(theirs.body, left.release("1.1.0").tarball);
    assert_eq!(theirs.header("cache-control"), Some("no-cache"), "one of ours may come over it");
}

#[tokio::test]
async fn a_version_of_ours_hides_upstreams_of_the_same_number() {
    let (acme, left) = start().await;
    assert_eq!(acme.get(NOBODY, "/left/-/left-1.1.0.tgz").await.body, left.release("1.1.0").tarball);
    let body = publication("left", "1.1.0");
    assert_eq!(acme.send(ROOT, "PUT", "/left", body.clone()).await.status, 201);
    let tarball = acme.get(NOBODY, "/left/-/left-1.1.0.tgz").await;
    assert_eq!(tarball.body, tarball_of(&body), "though upstream's is kept");
    let united = document(&acme).await;
    assert_eq!(versions(&united), ["1.0.0", "1.1.0", "2.0.0-rc.1"]);
    assert_eq!(united["dist-tags"]["latest"], "1.1.0");
    assert_ne!(united["versions"]["1.1.0"]["dist"]["integrity"], left.release("1.1.0").integrity.as_str());
    assert_refused(&acme.send(ROOT, "PUT", "/left", body).await, 403);
    assert_eq!(acme.get(NOBODY, "/-/npm/v1/attestations/left@1.1.0").await.status, 404, "ours has none");

    // It is taken back, and upstream's is what it was.
    let removed = acme.send(ROOT, "DELETE", "/left/-/left-1.1.0.tgz/-rev/1-a", Value::Null).await;
    assert_eq!(removed.status, 200, "{}", removed.summary());
    assert_eq!(acme.get(NOBODY, "/left/-/left-1.1.0.tgz").await.body, left.release("1.1.0").tarball);
    assert_eq!(
        document(&acme).await["versions"]["1.1.0"]["dist"]["integrity"],
        left.release("1.1.0").integrity.as_str()
    );
}

#[tokio::test]
async fn admins_publish_over_upstreams_names_first_and_owners_after_them() {
    let (acme, _) = start().await;
    assert_refused(&acme.publish("joe", "left", OURS, None).await, 403);
    assert_refused(&acme.publish(ROOT, "elsewhere", OURS, None).await, 403);
    assert_eq!(acme.publish("joe", "@acme/tool", "1.0.0", None).await.status, 201, "what is kept for us is not merged");
    assert_eq!(acme.registry.upstream.count("/@acme%2ftool"), 0);
    assert_eq!(acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await.status, 201);
    assert_refused(&acme.publish("joe", "left", "1.1.1-acme", None).await, 403);
    let rev = acme.get(ROOT, "/left?write=true").await.json()["_rev"].as_str().unwrap().to_owned();
    let owners = json!({ "_id": "left", "maintainers": [{ "name": ROOT }, { "name": "joe" }] });
    let handed = acme.send(ROOT, "PUT", &format!("/left/-rev/{rev}"), owners).await;
    assert_eq!(handed.status, 201, "{}", handed.summary());
    assert_eq!(acme.send("joe", "PUT", "/left", tagged("left", "1.1.1-acme", "acme")).await.status, 201);
    assert_refused(&acme.publish("ann", "left", "1.1.2-acme", None).await, 403);
}

#[tokio::test]
async fn upstreams_versions_are_not_ours_to_change() {
    let (acme, _) = start().await;
    let before = document(&acme).await;
    acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await;
    let document = acme.get(ROOT, "/left?write=true").await.json();
    let path = format!("/left/-rev/{}", document["_rev"].as_str().unwrap());
    let mut deprecated = document.clone();
    deprecated["versions"]["1.0.0"]["deprecated"] = json!("old");
    assert_refused(&acme.send(ROOT, "PUT", "/left", deprecated).await, 403);
    let mut without = document.clone();
    without["versions"].as_object_mut().unwrap().remove("1.0.0");
    assert_refused(&acme.send(ROOT, "PUT", &path, without).await, 403);
    assert_refused(&acme.send(ROOT, "DELETE", "/left/-/left-1.0.0.tgz/-rev/1-a", Value::Null).await, 403);
    assert_refused(&acme.send(ROOT, "PUT", "/left/stable", json!("1.0.0")).await, 404);
    let restricted = acme.send(ROOT, "POST", "/-/package/left/access", json!({ "access": "restricted" })).await;
    assert_refused(&restricted, 403);

    // What npm sends to take ours away: its document names upstream's tags too.
    let mut left = document.clone();
    left["versions"].as_object_mut().unwrap().remove(OURS);
    left["dist-tags"].as_object_mut().unwrap().remove("acme");
    let removed = acme.send(ROOT, "PUT", &path, left).await;
    assert_eq!(removed.status, 201, "{}", removed.summary());
    let tarball = format!("/left/-/left-{OURS}.tgz");
    assert_eq!(acme.send(ROOT, "DELETE", &format!("{tarball}/-rev/1-a"), Value::Null).await.status, 200);
    let now = self::document(&acme).await;
    for member in ["versions", "dist-tags"] {
        assert_eq!(now[member], before[member], "as if nothing had been");
    }
    assert_eq!(acme.get(NOBODY, &tarball).await.status, 404);
    assert_refused(&acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await, 403);
}

#[tokio::test]
async fn who_takes_one_of_ours_away_moves_no_tag_of_upstreams() {
    let (acme, left) = start().await;
    for version in ["1.1.0", "1.1.1-acme"] {
        assert_eq!(acme.send(ROOT, "PUT", "/left", tagged("left", version, "acme")).await.status, 201);
    }
    let mut document = acme.get(ROOT, "/left?write=true").await.json();
    let path = format!("/left/-rev/{}", document["_rev"].as_str().unwrap());
    document["versions"].as_object_mut().unwrap().remove("1.1.1-acme");
    // npm leads `latest` and the others to what is left, whosever it is.
    document["dist-tags"] = json!({ "latest": "1.1.0", "next": "1.1.0", "acme": "1.1.0" });
    let removed = acme.send(ROOT, "PUT", &path, document).await;
    assert_eq!(removed.status, 201, "{}", removed.summary());
    acme.registry.publish(&left.with(Release::new("1.2.0")).tag("latest", "1.2.0").cache_control("max-age=0"));
    let tags = acme.get(ROOT, "/left?write=true").await.json()["dist-tags"].clone();
    assert_eq!((&tags["latest"], &tags["acme"]), (&json!("1.2.0"), &json!("1.1.0")), "{tags}");
    assert_ne!(tags["next"], "1.1.0");
}

#[tokio::test]
async fn blocks_hold_for_both() {
    let (acme, _) = start().await;
    acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await;
    for version in ["1.0.0", OURS] {
        let blocked =
            acme.send(ROOT, "PUT", &format!("/-/package/left/blocks/{version}"), json!({ "reason": "bad" })).await;
        assert_eq!(blocked.status, 201, "{}", blocked.summary());
        assert_refused(&acme.get(NOBODY, &format!("/left/-/left-{version}.tgz")).await, 451);
    }
    let document = document(&acme).await;
    assert_eq!(versions(&document), ["1.1.0", "2.0.0-rc.1"]);
    assert_eq!(document["blockVersions"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn an_upstream_that_changes_is_down_or_has_nothing_is_borne() {
    let (acme, left) = start().await;
    acme.registry.publish(&left.clone().cache_control("max-age=0"));
    acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await;
    assert_eq!(versions(&document(&acme).await), ["1.0.0", "1.1.0", OURS, "2.0.0-rc.1"]);
    let more = Package::with_versions("left", &["1.0.0", "1.1.0", "1.2.0"]).cache_control("max-age=0");
    acme.registry.publish(&more);
    assert_eq!(versions(&document(&acme).await), ["1.0.0", "1.1.0", OURS, "1.2.0"]);
    acme.registry.upstream.fail_all(Fault::Status(503));
    assert_eq!(versions(&document(&acme).await), ["1.0.0", "1.1.0", OURS, "1.2.0"], "stale, and with ours");
    acme.registry.upstream.heal_all();

    // Upstream has no such package.
    let published = acme.publish(ROOT, "right", "1.0.0", None).await;
    assert_eq!(published.status, 201, "{}", published.summary());
    assert_eq!(acme.get(NOBODY, "/right/latest").await.json()["version"], "1.0.0");
    assert_eq!(acme.get(NOBODY, "/right").await.json()["dist-tags"], json!({ "latest": "1.0.0" }));
}

#[tokio::test]
async fn a_search_finds_what_both_have_once() {
    let (acme, _) = start().await;
    let found = async || {
        let found = acme.get(NOBODY, "/-/v1/search?text=left").await.json();
        let objects = found["objects"].as_array().unwrap().clone();
        objects.iter().map(|object| object["package"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found().await, ["left"]);
    assert_eq!(acme.send(ROOT, "PUT", "/left", tagged("left", OURS, "acme")).await.status, 201);
    assert_eq!(found().await, ["left"], "shown by a version of upstream's");
    assert_eq!(acme.publish(ROOT, "left", "1.1.1", None).await.status, 201);
    assert_eq!(found().await, ["left"], "shown by one of ours");
}
