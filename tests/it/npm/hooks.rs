//! Webhooks: who makes them, what they are told, and where they never lead. Source: contract npm §15.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Publisher, assert_refused, register};
use crate::support::beside::{command, configuration};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::registry::FakeRegistry;
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

const SECRET: &str = "hunter2 of the hook";

/// A user who publishes, at a server whose hooks may be told here, quickly again.
pub async fn start(allow_private: bool) -> Publisher {
    let registry = FakeRegistry::start();
    let heliostat = Heliostat::builder()
        .set("accounts", "registration", "\"open\"")
        .set("hooks", "allow_private", if allow_private { "true" } else { "false" })
        .set("hooks", "retry_pause", "\"50ms\"")
        .npm(registry.url(), "own = [\"@acme/*\"]")
        .start()
        .await;
    let token = register(&heliostat, "joe").await;
    Publisher { registry, heliostat, token }
}

pub async fn add(joe: &Publisher, about: &str, name: &str, endpoint: &str) -> Value {
    let wish = json!({ "type": about, "name": name, "endpoint": endpoint, "secret": SECRET });
    let made = joe.send("POST", "/-/npm/v1/hooks/hook", &wish).await;
    assert_eq!(made.status, 200, "{}", made.summary());
    assert!(!made.json().to_string().contains("hunter2"), "a secret is never shown");
    made.json()
}

/// Waits until something is as expected, for a few seconds at most.
pub async fn soon<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let mut looks = 0;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        looks += 1;
        assert!(looks < 400, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Returns what an endpoint was told of one kind of event.
async fn told(endpoint: &FakeUpstream, path: &str, event: &str) -> (Seen, Value) {
    soon(event, async || {
        let seen = endpoint.seen(path).into_iter();
        seen.map(|seen| (seen.clone(), serde_json::from_slice::<Value>(&seen.body).expect("JSON")))
            .find(|(_, body)| body["event"] == event)
    })
    .await
}

/// Source: RFC 2104.
fn hmac(secret: &str, body: &[u8]) -> String {
    let mut key = [0_u8; 64];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(body).finalize();
    let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn shown(joe: &Publisher, hook: &Value) -> Value {
    joe.get(&format!("/-/npm/v1/hooks/hook/{}", hook["id"].as_str().expect("an id"))).await.json()
}

async fn assert_publish_told(endpoint: &FakeUpstream, path: &str) {
    let (seen, body) = told(endpoint, path, "package:publish").await;
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.headers.get("content-type"), Some("application/json"));
    let expected = format!("sha256={}", hmac(SECRET, &seen.body));
    assert_eq!(seen.headers.get("x-npm-signature"), Some(expected.as_str()));
    assert_eq!(
        (&body["name"], &body["type"], &body["version"]),
        (&json!("@acme/tool"), &json!("package"), &json!("1.0.0"))
    );
    assert_eq!((&body["hookOwner"], &body["change"]), (&json!({ "username": "joe" }), &json!({ "version": "1.0.0" })));
    let link = body["payload"]["versions"]["1.0.0"]["dist"]["tarball"].as_str().expect("a link");
    assert!(link.ends_with("/npm/@acme/tool/-/tool-1.0.0.tgz") && link.starts_with("http://"), "{link}");
    assert!(body["time"].is_u64());
}

async fn assert_edits_told(joe: &Publisher, endpoint: &FakeUpstream) {
    let document = joe.get("/@acme/tool?write=true").await.json();
    let deprecated = json!({ "_id": "@acme/tool", "versions": { "1.0.0": { "deprecated": "old" } } });
    assert_eq!(joe.send("PUT", "/@acme%2ftool", &deprecated).await.status, 201);
    assert_eq!(told(endpoint, "/package", "package:deprecated").await.1["change"], json!({ "deprecated": "1.0.0" }));
    assert_eq!(
        joe.send("PUT", "/-/user/v1/star", &json!({ "package": "@acme/tool", "name": "@acme/tool" })).await.status,
        201
    );
    assert_eq!(told(endpoint, "/package", "package:star").await.1["change"], json!({ "user": "joe" }));
    register(&joe.heliostat, "jim").await;
    for owners in [json!([{ "name": "joe" }, { "name": "jim" }]), json!([{ "name": "joe" }])] {
        let rev = joe.get("/@acme/tool?write=true").await.json()["_rev"].as_str().expect("a revision").to_owned();
        let body = json!({ "_id": "@acme/tool", "_rev": rev, "maintainers": owners });
        assert_eq!(joe.send("PUT", &format!("/@acme%2ftool/-rev/{rev}"), &body).await.status, 201);
    }
    for event in ["package:owner", "package:owner-rm"] {
        let named = soon(event, async || {
            let told = endpoint
                .seen("/package")
                .into_iter()
                .map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON"));
            told.filter(|body| body["event"] == event).find(|body| body["change"]["maintainer"] == "jim")
        });
        named.await;
    }
    let rev = document["_rev"].as_str().expect("a revision").to_owned();
    assert_eq!(joe.send("DELETE", &format!("/@acme%2ftool/-rev/{rev}"), &json!({})).await.status, 201);
    told(endpoint, "/package", "package:unpublish").await;
}

#[tokio::test]
async fn what_happens_is_told_signed_to_who_wants_to_hear_of_it() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    for path in ["/package", "/scope", "/owner"] {
        endpoint.put(path, Resource::new("text/plain", "thanks"));
    }
    let package = add(&joe, "package", "@acme/tool", &format!("{}/package", endpoint.url())).await;
    add(&joe, "scope", "@acme", &format!("{}/scope", endpoint.url())).await;
    add(&joe, "owner", "joe", &format!("{}/owner", endpoint.url())).await;
    assert_eq!((&package["last_delivery"], &package["delivered"]), (&Value::Null, &json!(false)));
    joe.publish("@acme/tool", "1.0.0", json!({ "description": "a tool" })).await;
    for path in ["/package", "/scope", "/owner"] {
        assert_publish_told(&endpoint, path).await;
    }
    let went = soon("the hook shows how it went", async || {
        Some(shown(&joe, &package).await).filter(|hook| hook["delivered"] == true)
    })
    .await;
    assert_eq!((&went["response_code"], &went["status"]), (&json!(200), &json!("active")), "{went}");
    assert!(went["last_delivery"].as_str().expect("a time").ends_with('Z'));
    assert_edits_told(&joe, &endpoint).await;
}

#[tokio::test]
async fn what_cannot_be_told_is_tried_three_times() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    endpoint.put("/moved", Resource::new("text/plain", "x").status(302).header("location", "/elsewhere"));
    endpoint.put("/elsewhere", Resource::new("text/plain", "x"));
    let moved = add(&joe, "package", "@acme/tool", &format!("{}/moved", endpoint.url())).await;
    let deaf = add(&joe, "package", "@acme/tool", &format!("{}/deaf", endpoint.url())).await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let of_publish = |path: &str| {
        let seen = endpoint.seen(path).into_iter();
        seen.filter(|seen| String::from_utf8_lossy(&seen.body).contains("package:publish")).count()
    };
    for path in ["/moved", "/deaf"] {
        soon("three tries", async || (of_publish(path) == 3).then_some(())).await;
    }
    assert_eq!(endpoint.count("/elsewhere"), 0, "no redirect is followed");
    let code = async |hook: &Value| {
        let shown = shown(&joe, hook).await;
        (shown["response_code"].clone(), shown["delivered"].clone())
    };
    assert_eq!(code(&moved).await, (json!(302), json!(false)));
    assert_eq!(code(&deaf).await, (json!(404), json!(false)));
    endpoint.put("/deaf", Resource::new("text/plain", "thanks"));
    joe.publish("@acme/tool", "1.1.0", json!({})).await;
    soon("it hears again", async || (code(&deaf).await == (json!(200), json!(true))).then_some(())).await;
    endpoint.fail_all(Fault::ResetBeforeHead);
    joe.publish("@acme/tool", "1.2.0", json!({})).await;
    soon("nothing was answered", async || (code(&deaf).await == (Value::Null, json!(false))).then_some(())).await;
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_holds_up_no_other() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    endpoint.put("/quick", Resource::new("text/plain", "thanks"));
    endpoint.fail("/slow", Fault::StallBeforeHead);
    let slow = add(&joe, "package", "@acme/tool", &format!("{}/slow", endpoint.url())).await;
    add(&joe, "package", "@acme/tool", &format!("{}/quick", endpoint.url())).await;
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        joe.publish("@acme/tool", version, json!({})).await;
        soon("the quick one is told", async || {
            let seen = endpoint.seen("/quick").into_iter();
            let mut told = seen.map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON"));
            told.any(|body| body["event"] == "package:publish" && body["change"]["version"] == version).then_some(())
        })
        .await;
    }
    assert_eq!(endpoint.count("/slow"), 1, "one thing at a time, in order");
    assert_eq!(shown(&joe, &slow).await["last_delivery"], Value::Null, "it is still waited for");
}

#[tokio::test]
async fn a_hook_says_nothing_of_what_its_user_may_no_longer_read() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    endpoint.put("/x", Resource::new("text/plain", "thanks"));
    joe.publish("@acme/secret", "1.0.0", json!({})).await;
    let token = register(&joe.heliostat, "jim").await;
    let restricted = json!({ "access": "restricted" });
    let set = joe.send("POST", "/-/package/@acme%2fsecret/access", &restricted).await;
    assert_eq!(set.status, 200, "{}", set.summary());
    let Publisher { registry, heliostat, token: of_joe } = joe;
    let jim = Publisher { registry, heliostat, token };
    let secret = add(&jim, "package", "@acme/secret", &format!("{}/x", endpoint.url())).await;
    add(&jim, "scope", "@acme", &format!("{}/x", endpoint.url())).await;
    let Publisher { registry, heliostat, token: of_jim } = jim;
    let joe = Publisher { registry, heliostat, token: of_joe };
    joe.publish("@acme/secret", "1.1.0", json!({})).await;
    joe.publish("@acme/open", "1.0.0", json!({})).await;
    // What has happened before was to be told before.
    told(&endpoint, "/x", "package:publish").await;
    let jim = Publisher { token: of_jim, ..joe };
    let hook = shown(&jim, &secret).await;
    assert_eq!(
        (&hook["last_delivery"], &hook["delivered"], &hook["response_code"]),
        (&Value::Null, &json!(false), &Value::Null)
    );
    for seen in endpoint.seen("/x") {
        assert!(!String::from_utf8_lossy(&seen.body).contains("secret"), "a stranger was told");
    }
}

#[tokio::test]
async fn a_hook_is_told_where_clients_reach_the_mount_now() {
    let registry = FakeRegistry::start();
    let builder =
        Heliostat::builder().set("accounts", "registration", "\"open\"").top("public_url", "\"http://one.example\"");
    let builder = builder.set("hooks", "allow_private", "true");
    let heliostat = builder.npm(registry.url(), "own = [\"@acme/*\"]").start().await;
    let token = register(&heliostat, "joe").await;
    let (joe, endpoint) = (Publisher { registry, heliostat, token }, FakeUpstream::start());
    endpoint.put("/x", Resource::new("text/plain", "thanks"));
    add(&joe, "package", "@acme/tool", &format!("{}/x", endpoint.url())).await;
    let file = configuration(&joe.heliostat);
    let text = std::fs::read_to_string(&file).expect("the file it was started with");
    assert!(text.contains("http://one.example"), "{text}");
    std::fs::write(&file, text.replace("http://one.example", "http://two.example")).expect("a file of ours");
    joe.heliostat.signal(Signal::HUP);
    soon("it is read", async || joe.heliostat.said().contains("configuration read again").then_some(())).await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let (_, body) = told(&endpoint, "/x", "package:publish").await;
    assert_eq!(
        body["payload"]["versions"]["1.0.0"]["dist"]["tarball"],
        "http://two.example/npm/@acme/tool/-/tool-1.0.0.tgz"
    );
}

#[tokio::test]
async fn text_that_no_database_holds_is_refused() {
    let joe = start(true).await;
    let hook = |name: &str, endpoint: &str, secret: &str| json!({ "type": "package", "name": name, "endpoint": endpoint, "secret": secret });
    let at = "https://host.example/x";
    for wish in [hook("a\0", at, "s"), hook("a", "https://host.example/\0x", "s"), hook("a", at, "s\0")] {
        assert_refused(&joe.send("POST", "/-/npm/v1/hooks/hook", &wish).await, 422);
    }
    for member in ["name", "description"] {
        let mut wish = json!({ "password": "a long password", "name": "plain" });
        wish[member] = json!("a\0b");
        assert_refused(&joe.send("POST", "/-/npm/v1/tokens", &wish).await, 422);
    }
}

#[tokio::test]
async fn nobody_is_told_at_a_private_address() {
    let (joe, endpoint) = (start(false).await, FakeUpstream::start());
    endpoint.put("/x", Resource::new("text/plain", "thanks"));
    let port = endpoint.address().port();
    for wrong in [
        &*format!("http://127.0.0.1:{port}/x"),
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "ftp://host.example/x",
        "http://joe:secret@host.example/x",
        "nowhere",
    ] {
        let wish = json!({ "type": "package", "name": "@acme/tool", "endpoint": wrong, "secret": SECRET });
        assert_refused(&joe.send("POST", "/-/npm/v1/hooks/hook", &wish).await, 422);
    }
    // What its name resolves to is known only when it is told.
    let hook = add(&joe, "package", "@acme/tool", &format!("http://localhost:{port}/x")).await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let went =
        soon("it was tried", async || Some(shown(&joe, &hook).await).filter(|hook| hook["last_delivery"].is_string()))
            .await;
    assert_eq!((&went["response_code"], &went["delivered"]), (&Value::Null, &json!(false)));
    assert!(endpoint.all_seen().is_empty(), "a private address was reached");
}

#[tokio::test]
async fn a_hook_belongs_to_who_made_it() {
    let joe = start(true).await;
    let hook = add(&joe, "package", "@acme/tool", "https://host.example/x").await;
    let path = format!("/-/npm/v1/hooks/hook/{}", hook["id"].as_str().unwrap());
    let listed = joe.get("/-/npm/v1/hooks?package=@acme/tool&limit=5&offset=0").await.json();
    assert_eq!((&listed["objects"], &listed["total"], &listed["urls"]), (&json!([hook]), &json!(1), &json!({})));
    assert_eq!(joe.get("/-/npm/v1/hooks?package=other").await.json()["total"], 0);
    assert_eq!(joe.get("/-/npm/v1/hooks?offset=1").await.json()["objects"], json!([]));
    assert_refused(&joe.get("/-/npm/v1/hooks?limit=x").await, 400);
    let edit = json!({ "endpoint": "https://other.example/y", "secret": "another" });
    let edited = joe.send("PUT", &path, &edit).await.json();
    assert_eq!((&edited["endpoint"], &edited["id"]), (&json!("https://other.example/y"), &hook["id"]));
    for (wish, status) in [
        (json!({ "type": "thing", "name": "x", "endpoint": "https://host.example/", "secret": "s" }), 422),
        (json!({ "type": "package", "name": "", "endpoint": "https://host.example/", "secret": "s" }), 422),
        (json!({ "type": "package", "name": "x", "endpoint": "https://host.example/", "secret": "" }), 422),
        (json!({ "type": "package", "name": "x", "endpoint": "https://host.example/" }), 422),
        (json!({ "type": "owner", "name": "nobody", "endpoint": "https://host.example/", "secret": "s" }), 404),
        (json!({ "type": "owner", "name": "no one", "endpoint": "https://host.example/", "secret": "s" }), 404),
    ] {
        assert_refused(&joe.send("POST", "/-/npm/v1/hooks/hook", &wish).await, status);
    }
    let token = register(&joe.heliostat, "jim").await;
    let jim = Publisher { token, ..joe };
    for answer in
        [jim.get(&path).await, jim.send("PUT", &path, &edit).await, jim.send("DELETE", &path, &json!({})).await]
    {
        assert_refused(&answer, 403);
    }
    assert_refused(&jim.get("/-/npm/v1/hooks/hook/999999").await, 404);
    for number in 0..20 {
        add(&jim, "package", &format!("x{number}"), "https://host.example/x").await;
    }
    let wish = json!({ "type": "package", "name": "x", "endpoint": "https://host.example/", "secret": "s" });
    assert_refused(&jim.send("POST", "/-/npm/v1/hooks/hook", &wish).await, 403);
    let nobody = Publisher { token: "heliostat_of_nobody".to_owned(), ..jim };
    assert_refused(&nobody.get(&path).await, 401);
    let mine = nobody.get("/-/npm/v1/hooks").await;
    assert_refused(&mine, 401);
}

#[tokio::test]
async fn a_hook_that_was_taken_away_is_told_of_nothing() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    for path in ["/gone", "/there"] {
        endpoint.put(path, Resource::new("text/plain", "thanks"));
    }
    let gone = add(&joe, "package", "@acme/tool", &format!("{}/gone", endpoint.url())).await;
    add(&joe, "package", "@acme/tool", &format!("{}/there", endpoint.url())).await;
    let path = format!("/-/npm/v1/hooks/hook/{}", gone["id"].as_str().unwrap());
    let removed = joe.send("DELETE", &path, &json!({})).await.json();
    assert!(
        removed["deleted"].as_str().is_some_and(|time| time.ends_with('Z')) && removed["id"] == gone["id"],
        "{removed}"
    );
    assert_refused(&joe.get(&path).await, 404);
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    told(&endpoint, "/there", "package:publish").await;
    assert_eq!(endpoint.count("/gone"), 0);
}

#[tokio::test]
async fn a_block_is_told_of_a_package_of_which_nothing_is_shown() {
    let (joe, endpoint) = (start(true).await, FakeUpstream::start());
    endpoint.put("/scope", Resource::new("text/plain", "thanks"));
    add(&joe, "scope", "@acme", &format!("{}/scope", endpoint.url())).await;
    for name in ["@acme/tool", "@acme/toy", "@acme/other"] {
        joe.publish(name, "1.0.0", json!({})).await;
    }
    let operate = |arguments: &[&str]| {
        let (well, said) = command(&joe.heliostat, arguments[0], &arguments[1..]);
        assert!(well, "{said}");
    };
    let hear = async |name: &str, member: &str| {
        soon(member, async || {
            let told = endpoint.seen("/scope").into_iter();
            let mut told = told.map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON"));
            told.find(|body| body["name"] == name && body["change"].get(member).is_some())
        })
        .await
    };
    operate(&["block", "npm", "@acme/to*", "--reason", "it steals secrets"]);
    for name in ["@acme/tool", "@acme/toy"] {
        let body = hear(name, "blocked").await;
        assert_eq!(
            (&body["event"], &body["change"]),
            (&json!("package:change"), &json!({ "blocked": "*", "reason": "it steals secrets" }))
        );
        assert_eq!(body["payload"], json!({ "_id": name, "name": name }));
    }
    operate(&["unblock", "npm", "@acme/to*"]);
    let body = hear("@acme/toy", "unblocked").await;
    assert_eq!((&body["change"], &body["payload"]["name"]), (&json!({ "unblocked": "*" }), &json!("@acme/toy")));
    assert!(body["payload"]["versions"].get("1.0.0").is_some(), "it is shown again");

    let feed = joe.get("/_changes?since=0").await.json();
    let of = |kind: &str| -> Vec<_> {
        let all = feed["results"].as_array().expect("a list").iter().filter(|result| result["type"] == kind);
        all.map(|result| (result["id"].clone(), result["changes"].clone())).collect()
    };
    let why = json!([{ "version": "*", "reason": "it steals secrets" }]);
    assert_eq!(of("PACKAGE_BLOCKED"), ["@acme/tool", "@acme/toy"].map(|name| (json!(name), why.clone())));
    let ended = json!([{ "version": "*" }]);
    assert_eq!(of("PACKAGE_UNBLOCKED"), ["@acme/tool", "@acme/toy"].map(|name| (json!(name), ended.clone())));
}
