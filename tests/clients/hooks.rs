//! Hooks by npm's own library for them, which its newer command lines no longer call: made, listed, changed, removed, told.

use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};

use crate::client::Npm;
use crate::publishing::{Publisher, World};
use crate::run::run;
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;
use crate::tools::{self, Tools};

const LIMIT: Duration = Duration::from_secs(60);

/// Calls one of the library's functions and prints what it answers.
const CALL: &str = r"
const [folder, registry, token, verb, ...values] = process.argv.slice(1);
const key = `${registry.replace(/^http:/, '')}:_authToken`;
require(folder)[verb](...values, { registry, [key]: token, fetchRetries: 0 })
  .then((answer) => console.log(JSON.stringify(answer)));
";

/// Whoever makes hooks.
struct Hooker<'a> {
    joe: Publisher<'a>,
    tools: &'a Tools,
    token: String,
}

#[tokio::test]
async fn libnpmhook_makes_lists_changes_and_removes_hooks_that_are_told() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        let endpoint = FakeUpstream::start();
        for path in ["/one", "/two"] {
            endpoint.put(path, Resource::new("text/plain", "thanks"));
        }
        let (joe, token) = (world.publisher(&tools, Npm::V11, "joe").await, world.register("joe").await);
        let hooker = Hooker { joe, tools: &tools, token };
        let url = |path: &str| format!("{}{path}", endpoint.url());

        let made = hooker.call("add", &["@acme/tool", &url("/one"), "first secret"]);
        assert_eq!((&made["type"], &made["name"]), (&json!("package"), &json!("@acme/tool")));
        let id = made["id"].as_str().expect("an id").to_owned();
        let listed = hooker.call("ls", &[]);
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(id)));
        hooker.publish("1.0.0");
        assert_told(&endpoint, "/one", "1.0.0", "first secret").await;

        let changed = hooker.call("update", &[&id, &url("/two"), "second secret"]);
        assert_eq!((&changed["id"], &changed["endpoint"]), (&json!(id), &json!(url("/two"))));
        hooker.publish("1.1.0");
        assert_told(&endpoint, "/two", "1.1.0", "second secret").await;
        assert_eq!(hooker.call("find", &[&id])["endpoint"], json!(url("/two")));

        assert!(hooker.call("rm", &[&id])["deleted"].is_string());
        assert_eq!(hooker.call("rm", &[&id]), Value::Null, "there is none any more");
        assert_eq!(hooker.call("ls", &[]), json!([]));
        let everybody = hooker.call("add", &["@acme", &url("/one"), "third secret"]);
        assert_eq!((&everybody["type"], &everybody["name"]), (&json!("scope"), &json!("@acme")));
        hooker.publish("1.2.0");
        assert_told(&endpoint, "/one", "1.2.0", "third secret").await;
        assert!(publications(&endpoint, "/two").iter().all(|(_, body)| body["change"]["version"] == "1.1.0"));
    }
}

/// Waits until an endpoint was told of a version, and checks that whoever knows the secret has told it.
async fn assert_told(endpoint: &FakeUpstream, path: &str, version: &str, secret: &str) {
    let mut looks = 0;
    let (seen, body) = loop {
        let told = publications(endpoint, path).into_iter().find(|(_, body)| body["change"]["version"] == version);
        if let Some(told) = told {
            break told;
        }
        looks += 1;
        assert!(looks < 400, "{path} is never told of {version}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    assert_eq!((&body["name"], &body["hookOwner"]), (&json!("@acme/tool"), &json!({ "username": "joe" })));
    let signature = seen.headers.get("x-npm-signature").and_then(|value| value.strip_prefix("sha256="));
    let tag: Vec<u8> = signature.map(unhex).expect("a signature");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, &seen.body, &tag).unwrap_or_else(|_| panic!("{path}: {signature:?} is of another secret"));
}

fn publications(endpoint: &FakeUpstream, path: &str) -> Vec<(Seen, Value)> {
    let told = endpoint.seen(path).into_iter();
    let told = told.map(|seen| (seen.clone(), serde_json::from_slice::<Value>(&seen.body).expect("JSON")));
    told.filter(|(_, body)| body["event"] == "package:publish").collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

// === impl Hooker ===

impl Hooker<'_> {
    fn call(&self, verb: &str, values: &[&str]) -> Value {
        let mut node = self.joe.sandbox.native("node24", "bin/node");
        node.args(["-e", CALL]).arg(self.tools.package("libnpmhook"));
        node.args([&self.joe.sandbox.registry, &self.token]).arg(verb).args(values);
        let said = run(&mut node, LIMIT).unwrap_or_else(|why| panic!("{verb}: {why}"));
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{verb}: {error}: {said:?}"))
    }

    fn publish(&self, version: &str) {
        self.joe.write("@acme/tool", version);
        self.joe.npm(&["publish"]);
    }
}
