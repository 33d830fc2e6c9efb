//! What is published here is signed, by a key that is served with those of upstreams. Source: contract npm §6.2.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde_json::{Value, json};

use super::publisher::Publisher;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::packages::{Package, Release};
use crate::support::registry::{ABBREVIATED_ACCEPT, Switches};

const KEYS: &str = "/npm/-/npm/v1/keys";

/// Returns the keys that a mount serves, by their ids.
pub async fn keys(heliostat: &Heliostat) -> BTreeMap<String, Value> {
    let answer = heliostat.get(KEYS).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let set = answer.json();
    let keys = set["keys"].as_array().expect("a key set").iter();
    keys.map(|key| (key["keyid"].as_str().expect("an id").to_owned(), key.clone())).collect()
}

/// Tells whether all signatures of a version hold, as npm judges them: there are some, each is by a key of the set that has
/// no end, and over the text that the contract names.
pub fn is_verified(keys: &BTreeMap<String, Value>, manifest: &Value) -> bool {
    let (name, version) =
        (manifest["name"].as_str().expect("a name"), manifest["version"].as_str().expect("a version"));
    let text = format!("{name}@{version}:{}", manifest["dist"]["integrity"].as_str().expect("an integrity"));
    let holds = |signature: &Value| {
        let key = keys.get(signature["keyid"].as_str().expect("an id")).filter(|key| key["expires"].is_null());
        let decode = |text: &Value| STANDARD.decode(text.as_str().expect("base64")).expect("base64");
        key.is_some_and(|key| {
            let key = VerifyingKey::from_public_key_der(&decode(&key["key"])).expect("a key");
            let signature = Signature::from_der(&decode(&signature["sig"])).expect("a signature");
            key.verify(text.as_bytes(), &signature).is_ok()
        })
    };
    let signatures = manifest["dist"]["signatures"].as_array();
    signatures.is_some_and(|signatures| !signatures.is_empty() && signatures.iter().all(holds))
}

/// Returns every form in which a version is served.
async fn forms(joe: &Publisher, name: &str, version: &str) -> Vec<Value> {
    let path = format!("/npm/{name}");
    let short = joe.heliostat.ask(&Ask::get(&path).header("accept", ABBREVIATED_ACCEPT)).await.json();
    let full = joe.heliostat.get(&path).await.json();
    let alone = joe.heliostat.get(&format!("{path}/{version}")).await.json();
    vec![full["versions"][version].clone(), short["versions"][version].clone(), alone]
}

#[tokio::test]
async fn what_is_published_here_is_verified_beside_what_is_mirrored() {
    let joe = Publisher::start("").await;
    joe.registry.publish(&Package::new("theirs").with(Release::new("1.0.0")));
    for version in ["1.0.0", "1.1.0"] {
        joe.publish("@acme/tool", version, json!({ "description": "\"dist\":{}" })).await;
    }
    let keys = keys(&joe.heliostat).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys.get(&joe.registry.key().keyid), Some(&joe.registry.key().entry()), "upstream's is untouched");
    for (name, version) in [("@acme/tool", "1.0.0"), ("@acme/tool", "1.1.0"), ("theirs", "1.0.0")] {
        for manifest in forms(&joe, name, version).await {
            assert!(is_verified(&keys, &manifest), "{manifest}");
        }
    }
    let mut other = forms(&joe, "@acme/tool", "1.0.0").await.remove(0);
    other["version"] = json!("1.1.0");
    assert!(!is_verified(&keys, &other), "a signature is of one version");
}

#[tokio::test]
async fn what_is_published_over_upstreams_name_is_signed_and_theirs_stays_as_it_was() {
    let mut joe = Publisher::start("merged = [\"left\"]").await;
    joe.registry.publish(&Package::new("left").with(Release::new("1.0.0")));
    let theirs = joe.heliostat.get("/npm/left/1.0.0").await.json();
    joe.heliostat.stop();
    joe.heliostat.reconfigure(|builder| builder.set("accounts", "admins", "[\"joe\"]"));
    joe.heliostat.start().await;
    joe.publish("left", "1.0.1", json!({})).await;
    let keys = keys(&joe.heliostat).await;
    for version in ["1.0.0", "1.0.1"] {
        for manifest in forms(&joe, "left", version).await {
            assert!(is_verified(&keys, &manifest), "{manifest}");
        }
    }
    assert_eq!(joe.heliostat.get("/npm/left/1.0.0").await.json()["dist"], theirs["dist"]);
}

#[tokio::test]
async fn our_keys_are_served_whatever_upstream_has_or_does() {
    let mut joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.registry.upstream.vanish().await;
    let answer = joe.heliostat.get(KEYS).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.summary());
    let ours = keys(&joe.heliostat).await;
    assert_eq!(ours.len(), 1);
    assert!(is_verified(&ours, &forms(&joe, "@acme/tool", "1.0.0").await[0]));

    joe.registry.upstream.come_back().await;
    let both = keys(&joe.heliostat).await;
    assert!(both.len() == 2 && both.contains_key(&joe.registry.key().keyid));
    joe.registry.upstream.vanish().await;
    joe.heliostat.restart().await;
    assert_eq!(keys(&joe.heliostat).await, both, "of an upstream that is down, those that are kept");
    joe.registry.upstream.come_back().await;

    let answer = joe.heliostat.get(KEYS).await;
    let tag = answer.header("etag").expect("an entity tag").to_owned();
    let again = joe.heliostat.ask(&Ask::get(KEYS).header("if-none-match", &tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn a_registry_that_signs_nothing_has_our_key_alone() {
    let world = super::World::start(Switches { signatures: false, ..Switches::default() }, "").await;
    assert_eq!(keys(&world.heliostat).await.len(), 1);
    let world = super::World::start(Switches { signatures: false, ..Switches::default() }, "sign = false").await;
    assert_eq!(world.get(KEYS).await.status, 404);
}

#[tokio::test]
async fn what_was_published_unsigned_is_signed_once_the_mount_signs() {
    let mut joe = Publisher::start("sign = false").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let before = joe.heliostat.get("/npm/@acme/tool").await;
    assert!(before.json()["versions"]["1.0.0"]["dist"].get("signatures").is_none());
    assert_eq!(keys(&joe.heliostat).await.into_keys().collect::<Vec<_>>(), [joe.registry.key().keyid.clone()]);
    joe.heliostat.stop();
    joe.heliostat.reconfigure(|builder| builder.without_mounts().npm(joe.registry.url(), "own = [\"@acme/*\"]"));
    joe.heliostat.start().await;
    let keys = keys(&joe.heliostat).await;
    for manifest in forms(&joe, "@acme/tool", "1.0.0").await {
        assert!(is_verified(&keys, &manifest), "{manifest}");
    }
    let etag = before.header("etag").expect("an entity tag").to_owned();
    let after = joe.heliostat.ask(&Ask::get("/npm/@acme/tool").header("if-none-match", &etag)).await;
    assert_eq!(after.status, 200, "it is another document");
}
