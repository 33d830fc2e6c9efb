//! What a token or a package is bound to holds on every way around it.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT, publication};
use super::assert_refused;
use crate::support::http::Ask;

const SECRET: &str = "@acme/secret";
const PATH: &str = "/@acme%2fsecret";

#[tokio::test]
async fn a_token_for_other_packages_sees_no_closed_one() {
    let mut acme = Acme::start(&["joe"]).await;
    assert_eq!(acme.publish("joe", SECRET, "1.0.0", Some("restricted")).await.status, 201);
    assert_eq!(acme.publish("joe", "@acme/open", "1.0.0", None).await.status, 201);
    acme.make_token("bound", "joe", json!({ "packages": ["@acme/open"] })).await;
    assert_eq!(acme.get("bound", "/@acme%2fopen").await.status, 200);
    for path in [PATH, "/@acme/secret/1.0.0", "/@acme/secret/-/secret-1.0.0.tgz", "/-/package/@acme%2fsecret/dist-tags"]
    {
        assert_eq!(acme.get("joe", path).await.status, 200, "{path}");
        assert_refused(&acme.get("bound", path).await, 404);
    }
    for path in ["/_changes?since=0", "/-/all", "/-/v1/search?text=secret"] {
        let listed = acme.get("bound", path).await;
        assert!(listed.status == 200 && !listed.text().contains("@acme/secret"), "{path}: {}", listed.summary());
    }
}

#[tokio::test]
async fn organisations_are_led_by_tokens_that_are_made_for_them() {
    let mut acme = Acme::start(&["joe", "ann"]).await;
    let member = json!({ "user": "joe", "role": "owner" });
    assert_eq!(acme.send(ROOT, "PUT", "/-/org/acme/user", member).await.status, 200);
    acme.make_token("packages", "joe", json!({ "scopes": ["@acme"] })).await;
    acme.make_token("orgs", "joe", json!({ "orgs": ["acme"], "orgs_permission": "read-write" })).await;
    let ann = json!({ "user": "ann", "role": "developer" });
    assert_refused(&acme.send("packages", "PUT", "/-/org/acme/user", ann.clone()).await, 403);
    let led = acme.send("orgs", "PUT", "/-/org/acme/user", ann).await;
    assert_eq!(led.status, 200, "{}", led.summary());
}

#[tokio::test]
async fn a_package_that_wants_a_second_factor_is_not_written_to_without_one() {
    let acme = Acme::start(&["ann", "joe"]).await;
    assert_eq!(acme.send(ROOT, "PUT", "/-/org", json!({ "name": "acme" })).await.status, 201);
    assert_eq!(acme.send(ROOT, "PUT", "/-/org/acme/user", json!({ "user": "joe", "role": "owner" })).await.status, 200);
    assert_eq!(acme.publish("joe", SECRET, "1.0.0", None).await.status, 201);
    let wish = json!({ "publish_requires_tfa": true });
    assert_eq!(acme.send("joe", "POST", "/-/package/@acme%2fsecret/access", wish).await.status, 200);
    let refused = acme.send("joe", "PUT", PATH, publication(SECRET, "1.1.0")).await;
    assert_refused(&refused, 403);
    assert!(refused.text().contains("second factor"), "{}", refused.text());
    // Nor are others given the right to.
    let team = "/-/team/acme/developers/package";
    let given = json!({ "package": SECRET, "permissions": "read-write" });
    for (method, path, body) in [
        ("PUT", team, given.clone()),
        ("DELETE", team, given),
        ("PUT", "/-/package/@acme%2fsecret/owners", json!({ "user": "ann" })),
    ] {
        let refused = acme.send("joe", method, path, body).await;
        assert_refused(&refused, 403);
        assert!(refused.text().contains("second factor"), "{method} {path}: {}", refused.text());
    }
    assert_eq!(acme.get(NOBODY, PATH).await.status, 200, "it is read as before");
}

#[tokio::test]
async fn a_token_makes_none_that_is_wider_than_itself() {
    let mut acme = Acme::start(&["joe"]).await;
    acme.make_token("near", "joe", json!({ "cidr_whitelist": ["127.0.0.0/8"], "expires": 1 })).await;
    let wider = json!({ "name": "x", "expires": 300, "allowedPackages": ["@acme/a"] });
    let made = acme.send("near", "POST", "/-/npm/v1/tokens/gat", wider).await;
    assert_eq!(made.status, 200, "{}", made.summary());
    assert_eq!(made.json()["cidr_whitelist"], json!(["127.0.0.0/8"]));
    let elsewhere =
        json!({ "name": "y", "expires": 300, "allowedPackages": ["@acme/a"], "cidr_whitelist": ["0.0.0.0/0"] });
    assert_refused(&acme.send("near", "POST", "/-/npm/v1/tokens/gat", elsewhere).await, 403);
}

#[tokio::test]
async fn who_likes_a_package_already_changes_nothing() {
    let acme = Acme::start(&["joe"]).await;
    acme.publish("joe", SECRET, "1.0.0", None).await;
    let star = async || acme.send("joe", "PUT", "/-/user/v1/star", json!({ "name": SECRET, "package": SECRET })).await;
    let rev = async || acme.get("joe", "/@acme/secret?write=true").await.json()["_rev"].clone();
    star().await;
    let starred = rev().await;
    assert_eq!(star().await.status, 201);
    assert_eq!(rev().await, starred);
}

#[tokio::test]
async fn an_edit_sets_no_tag_that_is_none() {
    let acme = Acme::start(&["joe"]).await;
    acme.publish("joe", SECRET, "1.0.0", None).await;
    let document: Value = acme.get("joe", "/@acme/secret?write=true").await.json();
    let path = format!("{PATH}/-rev/{}", document["_rev"].as_str().unwrap());
    for tag in ["9.9.9", "", "a\u{0}b"] {
        let body = json!({ "versions": document["versions"], "dist-tags": { "latest": "1.0.0", tag: "1.0.0" } });
        assert_refused(&acme.send("joe", "PUT", &path, body).await, 422);
    }
}

#[tokio::test]
async fn a_secret_in_a_path_that_is_refused_is_in_no_log() {
    let acme = Acme::start(&["joe"]).await;
    for (method, path) in [
        ("GET", "/-/user/token/heliostat_secret"),
        ("PUT", "/-/npm/v1/tokens/token/heliostat_secret"),
        ("GET", "/-/v1/login/done/session/heliostat_secret/x"),
        ("PATCH", "/-/user/token/heliostat_secret"),
    ] {
        let refused = acme.send("joe", method, path, Value::Null).await;
        assert!((400..500).contains(&refused.status), "{method} {path}: {}", refused.summary());
    }
    assert!(!acme.heliostat.said().contains("heliostat_secret"), "{}", acme.heliostat.said());
}

#[tokio::test]
async fn a_token_of_a_network_goes_by_what_trusted_proxies_say() {
    let mut acme = Acme::start(&["joe"]).await;
    acme.make_token("office", "joe", json!({ "cidr_whitelist": ["198.51.100.0/24"] })).await;
    let asked = async |acme: &Acme, heard: &str| {
        acme.ask("office", Ask::get("/npm/-/whoami").header("x-forwarded-for", heard)).await.status
    };
    assert_eq!(asked(&acme, "198.51.100.7").await, 401, "anybody may say so");
    acme.heliostat.stop();
    acme.heliostat.reconfigure(|builder| builder.top("trusted_proxies", "[\"127.0.0.0/8\"]"));
    acme.heliostat.start().await;
    assert_eq!(asked(&acme, "198.51.100.7").await, 200);
    assert_eq!(asked(&acme, "203.0.113.9, 198.51.100.7").await, 200);
    assert_eq!(asked(&acme, "203.0.113.9").await, 401);
    assert_eq!(asked(&acme, "198.51.100.7, 203.0.113.9").await, 401, "its own word is not taken");
    assert_eq!(asked(&acme, "").await, 401);
}
