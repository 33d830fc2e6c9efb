//! Deprecations, as they are told to who follows: as they happened, whatever has become of the version since. Source:
//! contract npm §7.2, §10.3, §15.

use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

use super::hooks::{add, soon, start};
use super::{Publisher, assert_refused};
use crate::support::http::Answer;
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

async fn deprecate(joe: &Publisher, text: &str) -> Answer {
    let document = json!({ "_id": "@acme/tool", "versions": { "1.0.0": { "deprecated": text } } });
    joe.send("PUT", "/@acme%2ftool", &document).await
}

#[tokio::test]
async fn a_hook_is_told_of_a_deprecation_as_it_was_however_late() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let (held_up, go) = mpsc::channel::<()>();
    let go = Mutex::new(go);
    endpoint.answer_with(Arc::new(move |_| {
        // Nothing is ever sent: it ends when the sender is gone.
        let _ = go.lock().expect("nobody panics with it").recv();
        Some(Resource::new("text/plain", "thanks"))
    }));
    add(&joe, "package", "@acme/tool", &format!("{}/x", endpoint.url())).await;
    for text in ["old", "older", ""] {
        assert_eq!(deprecate(&joe, text).await.status, 201);
    }
    drop(held_up);
    soon("all is told", async || (endpoint.count("/x") == 3).then_some(())).await;
    let told = endpoint.seen("/x").into_iter().map(|seen| {
        let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(body["change"], json!({ "deprecated": "1.0.0" }));
        body["event"].as_str().expect("a name").to_owned()
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told, ["package:deprecated", "package:deprecated", "package:undeprecated"]);
}

#[tokio::test]
async fn the_feed_tells_what_was_said_of_a_version() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    for text in ["old", "older", "older", ""] {
        assert_eq!(deprecate(&joe, text).await.status, 201);
    }
    assert_refused(&deprecate(&joe, "a\0").await, 422);
    let feed = joe.get("/_changes?since=0").await.json();
    let of_meta = feed["results"].as_array().expect("a list").iter();
    let of_meta = of_meta.filter(|event| event["type"] == "PACKAGE_META_CHANGED").map(|event| event["changes"].clone());
    let expected = ["old", "older", ""].map(|text| {
        let said = json!({ "version": "1.0.0", "deprecated": text });
        json!([{ "deprecateds": [said] }])
    });
    assert_eq!(of_meta.collect::<Vec<_>>(), expected);
}
