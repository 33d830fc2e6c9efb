//! Accounts and their tokens: what each may do, and what each is told. Source: contract npm §8.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_refused, register};
use crate::support::beside::command;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::FakeRegistry;
use crate::support::tarball;

pub const PASSWORD: &str = "a long password";
/// What who fails to log in reads. Source: contract npm §8.1.
const INCORRECT: &str = "Name or password is incorrect.";

/// A mount where everybody may have an account.
pub struct World {
    registry: FakeRegistry,
    pub heliostat: Heliostat,
}

impl World {
    pub async fn start() -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let heliostat = builder.npm(registry.url(), "own = [\"@acme/*\", \"tool\"]").start().await;
        Self { registry, heliostat }
    }

    pub async fn send(&self, method: &str, path: &str, (authorization, body): (&str, &Value)) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let ask = Ask::new(method, &format!("/npm{path}")).header("authorization", authorization);
        self.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    pub async fn get(&self, path: &str, authorization: &str) -> Answer {
        self.send("GET", path, (authorization, &Value::Null)).await
    }

    pub async fn publish(&self, name: &str, version: &str, authorization: &str) -> Answer {
        let manifest = json!({ "name": name, "version": version });
        let tarball = tarball::pack(&[("package.json".to_owned(), manifest.to_string().into_bytes())]);
        let body = json!({
            "_id": name, "name": name, "dist-tags": { "latest": version }, "versions": { version: manifest },
            "_attachments": { format!("{name}-{version}.tgz"): { "data": base64(&tarball), "length": tarball.len() } },
        });
        self.send("PUT", &format!("/{}", name.replace('/', "%2f")), (authorization, &body)).await
    }

    /// Waits until another process's write is known, for some seconds at most.
    async fn until_refused(&self, authorization: &str, status: u16) {
        let mut answer = self.get("/-/whoami", authorization).await;
        for _ in 0..100 {
            if answer.status == status {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = self.get("/-/whoami", authorization).await;
        }
        assert_refused(&answer, status);
    }

    /// Makes a token by npm's endpoint; returns what was answered.
    async fn make(&self, authorization: &str, mut wish: Value) -> Value {
        wish["password"] = json!(PASSWORD);
        let made = self.send("POST", "/-/npm/v1/tokens", (authorization, &wish)).await;
        assert_eq!(made.status, 200, "{}", made.summary());
        made.json()
    }
}

#[tokio::test]
async fn a_bound_token_writes_to_what_it_names_and_reads_what_everybody_may() {
    let world = World::start().await;
    let session = bearer(&register(&world.heliostat, "joe").await);
    for name in ["tool", "@acme/a"] {
        assert_eq!(world.publish(name, "1.0.0", &session).await.status, 201);
    }
    let wish = json!({ "name": "ci", "description": "of the build", "scopes": ["acme"], "expires": 30 });
    let made = world.make(&session, wish).await;
    assert_eq!((&made["allowedScopes"], &made["allowedPackages"]), (&json!(["@acme"]), &json!([])), "{made}");
    let token = bearer(made["token"].as_str().unwrap());
    assert_eq!(world.publish("@acme/a", "1.1.0", &token).await.status, 201);
    assert_refused(&world.publish("tool", "1.1.0", &token).await, 403);
    assert_eq!(world.get("/tool", &token).await.status, 200, "what everybody may read");
    let who = world.get("/-/whoami", &token).await.json();
    assert_eq!((&who["username"], &who["description"]), (&json!("joe"), &json!("of the build")), "{who}");
    assert_eq!((&who["allowedScopes"], &who["expiredAt"]), (&json!(["@acme"]), &made["expiredAt"]), "{who}");
    assert_eq!(world.get("/-/whoami", &session).await.json(), json!({ "username": "joe" }));
    let more = json!({ "password": PASSWORD });
    assert_refused(&world.send("POST", "/-/npm/v1/tokens", (&token, &more)).await, 403);
    assert_refused(&world.send("POST", "/-/npm/v1/user", (&token, &json!({ "email": "a@b.example" }))).await, 403);

    let reading = json!({ "packages": "tool", "packages_and_scopes_permission": "read-only" });
    let reading = bearer(world.make(&session, reading).await["token"].as_str().unwrap());
    assert_refused(&world.publish("tool", "1.2.0", &reading).await, 403);
    assert_eq!(world.get("/@acme/a", &reading).await.status, 200);
    for wish in [json!({ "packages": "*" }), json!({ "packages_and_scopes_permission": "all" }), json!({ "scopes": 5 })]
    {
        let mut wish = wish;
        wish["password"] = json!(PASSWORD);
        assert_refused(&world.send("POST", "/-/npm/v1/tokens", (&session, &wish)).await, 422);
    }
}

#[tokio::test]
async fn a_token_of_cnpm_is_made_listed_and_revoked() {
    let world = World::start().await;
    let session = bearer(&register(&world.heliostat, "joe").await);
    let gat = "/-/npm/v1/tokens/gat";
    let wish = json!({ "name": "ci", "expires": 7, "allowedPackages": ["tool"], "automation": true });
    let made = world.send("POST", gat, (&session, &wish)).await;
    assert_eq!(made.status, 200, "{}", made.summary());
    let made = made.json();
    assert_eq!((&made["type"], &made["allowedPackages"]), (&json!("granular"), &json!(["tool"])), "{made}");
    let token = bearer(made["token"].as_str().unwrap());
    assert_eq!(world.publish("tool", "1.0.0", &token).await.status, 201);
    assert_refused(&world.publish("@acme/a", "1.0.0", &token).await, 403);
    for wrong in [json!({ "name": "x" }), json!({ "name": "x", "expires": 366 }), json!({ "name": "", "expires": 1 })] {
        assert_refused(&world.send("POST", gat, (&session, &wrong)).await, 422);
    }
    assert_refused(&world.send("POST", gat, (&token, &wish)).await, 403);
    world.make(&session, json!({ "name": "free" })).await;
    let listed = world.get(gat, &session).await.json();
    assert_eq!((&listed["total"], &listed["urls"]), (&json!(1), &json!({})), "{listed}");
    assert_eq!(listed["objects"][0]["name"], "ci");
    assert!(!listed.to_string().contains(&token[7..]), "its text is shown once");
    // The session, the free one and this.
    assert_eq!(world.get("/-/npm/v1/tokens", &session).await.json()["total"], 3);
    let key = format!("{gat}/{}", made["key"].as_str().unwrap());
    assert_eq!(world.send("DELETE", &key, (&session, &Value::Null)).await.status, 200);
    assert_refused(&world.get("/-/whoami", &token).await, 401);
}

#[tokio::test]
async fn a_token_that_is_used_from_elsewhere_is_told_so_in_npms_words() {
    let world = World::start().await;
    let session = bearer(&register(&world.heliostat, "joe").await);
    let made = world.make(&session, json!({ "cidr_whitelist": ["198.51.100.0/24"] })).await;
    let refused = world.get("/-/whoami", &bearer(made["token"].as_str().unwrap())).await;
    assert_refused(&refused, 401);
    assert_eq!(refused.header("www-authenticate"), Some("ipaddress"));
    let made = world.make(&session, json!({ "cidr_whitelist": ["127.0.0.0/8"] })).await;
    assert_eq!(world.get("/-/whoami", &bearer(made["token"].as_str().unwrap())).await.status, 200);
}

#[tokio::test]
async fn a_user_is_edited_by_who_shows_the_password() {
    let world = World::start().await;
    let token = bearer(&register(&world.heliostat, "joe").await);
    register(&world.heliostat, "ann").await;
    let (joe, path) = (basic("joe", PASSWORD), "/-/user/org.couchdb.user:joe");
    let edited = format!("{path}?write=true");
    assert_refused(&world.heliostat.get(&format!("/npm{edited}")).await, 401);
    assert_refused(&world.get(&edited, &basic("joe", "wrong password")).await, 401);
    let found = world.get(&edited, &joe).await;
    let rev = found.json()["_rev"].as_str().unwrap().to_owned();
    assert_eq!(found.header("etag"), Some(format!("\"{rev}\"").as_str()));
    assert_eq!(world.heliostat.get(&format!("/npm{path}")).await.json()["email"], Value::Null);

    let target = format!("{path}/-rev/{rev}");
    let wish = json!({ "name": "joe", "password": "another password", "email": "new@host.example", "roles": [] });
    assert_refused(&world.send("PUT", &target, (&basic("ann", PASSWORD), &wish)).await, 401);
    assert_refused(&world.send("PUT", &target, (&token, &wish)).await, 401);
    assert_refused(&world.send("PUT", &target, (&joe, &json!({ "name": "joe" }))).await, 422);
    assert_refused(&world.send("PUT", &format!("{path}/-rev/99-a"), (&joe, &wish)).await, 409);
    let done = world.send("PUT", &target, (&joe, &wish)).await;
    assert_eq!(done.status, 201, "{}", done.summary());
    let new = bearer(done.json()["token"].as_str().unwrap());
    assert_eq!(world.get("/-/npm/v1/user", &new).await.json()["email"], "new@host.example");
    assert_refused(&world.get("/-/whoami", &joe).await, 401);
    assert_eq!(world.get("/-/whoami", &basic("joe", "another password")).await.status, 200);
    assert_refused(&world.send("PUT", &target, (&basic("joe", "another password"), &wish)).await, 409);
}

#[tokio::test]
async fn a_user_is_shown_with_what_it_says_of_itself() {
    let world = World::start().await;
    let token = bearer(&register(&world.heliostat, "joe").await);
    let wish = json!({ "fullname": "Joe Doe", "homepage": "https://host.example", "github": "joe" });
    assert_eq!(world.send("POST", "/-/npm/v1/user", (&token, &wish)).await.status, 200);
    let path = "/npm/-/user/org.couchdb.user:joe";
    let shown = world.heliostat.get(path).await.json();
    for (member, expected) in wish.as_object().expect("an object") {
        assert_eq!(&shown[member], expected, "{member}");
    }
    let missing = world.heliostat.get("/npm/-/user/org.couchdb.user:nobody").await;
    assert_refused(&missing, 404);
    assert_eq!((&missing.json()["error"], &missing.json()["reason"]), (&json!("not_found"), &json!("missing")));
    let refused = world.get("/-/whoami", &basic("joe", "wrong password")).await.json();
    assert_eq!((&refused["error"], &refused["reason"]), (&json!("unauthorized"), &json!(INCORRECT)));

    let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
    let closed = builder.npm(world.registry.url(), "anonymous_reading = false").start().await;
    let token = bearer(&register(&closed, "joe").await);
    let ask = Ask::new("POST", "/npm/-/npm/v1/user").header("authorization", &token);
    let body = wish.to_string();
    let told = closed.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await;
    assert_eq!(told.status, 200, "{}", told.summary());
    assert_eq!(closed.get(path).await.json().get("fullname"), None, "not to who may not read");
    let known = closed.ask(&Ask::get(path).header("authorization", &token)).await.json();
    assert_eq!(known["fullname"], "Joe Doe");
}

#[tokio::test]
async fn an_account_is_made_by_invitation() {
    let registry = FakeRegistry::start();
    let builder = Heliostat::builder().set("accounts", "registration", "\"invitation\"");
    let heliostat = builder.npm(registry.url(), "").start().await;
    let invite = |arguments: &[&str]| {
        let (done, said) = command(&heliostat, "user", &[&["invite"], arguments].concat());
        assert!(done, "{said}");
        said.trim().to_owned()
    };
    let ask = async |name: &str, member: Option<&str>, header: &str| {
        let email = format!("{name}@host.example");
        let mut body = json!({ "name": name, "password": PASSWORD, "email": email });
        if let Some(code) = member {
            body["invitation"] = json!(code);
        }
        let body = body.to_string();
        let ask = Ask::new("PUT", &format!("/npm/-/user/org.couchdb.user:{name}")).header("npm-otp", header);
        heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    };
    let code = invite(&["--email", "joe@host.example"]);
    assert_refused(&ask("joe", None, "").await, 403);
    assert_refused(&ask("ann", Some(&code), "").await, 403);
    assert_eq!(ask("joe", Some(&code), "").await.status, 201);
    assert_refused(&ask("joe2", Some(&code), "").await, 403);
    assert_eq!(ask("ann", None, &invite(&[])).await.status, 201, "as `npm adduser --otp` sends it");
    assert_eq!(ask("joe", None, "").await.status, 201, "a login needs none");
}

#[tokio::test]
async fn an_operator_makes_lists_and_revokes_tokens_by_command() {
    let world = World::start().await;
    register(&world.heliostat, "joe").await;
    let token = |arguments: &[&str]| command(&world.heliostat, "token", arguments);
    let (done, said) = token(&["create", "--user", "joe", "--name", "ci", "--rights", "push:npm/tool", "--automation"]);
    assert!(done, "{said}");
    let text = said.lines().find(|line| line.starts_with("heliostat_")).expect("its text").to_owned();
    assert_eq!(world.publish("tool", "1.0.0", &bearer(&text)).await.status, 201);
    assert_refused(&world.publish("@acme/a", "1.0.0", &bearer(&text)).await, 403);
    for wrong in [
        &["create", "--user", "nobody-we-know"][..],
        &["create"],
        &["create", "--user", "joe", "--rights", "publish:x"],
        &["create", "--user", "joe", "--cidr", "192.0.2.0/99"],
        &["create", "--user", "joe", "--expires", "0"],
        &["revoke", "heliostat_x"],
        &["revoke", "999999"],
    ] {
        assert!(!token(wrong).0, "{wrong:?}");
    }
    let nobodys =
        ["create", "--rights", "pull:*", "--cidr", "192.0.2.0/24,198.51.100.1", "--read-only", "--expires", "9"];
    assert!(token(&nobodys).0);
    let (_, listed) = token(&["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let nobodys = "nobody\theliosta";
    assert!(
        listed.contains(nobodys) && listed.contains("\tread-only\tfrom 192.0.2.0/24,198.51.100.1/32\tuntil "),
        "{listed}"
    );
    assert!(listed.contains("\tci\tpush:npm/tool\t") && !listed.contains(&text), "{listed}");
    let (_, of_joe) = token(&["list", "--user", "joe"]);
    assert!(of_joe.lines().count() == 2 && !of_joe.contains(nobodys), "{of_joe}");
    assert!(token(&["revoke", &text]).0);
    world.until_refused(&bearer(&text), 401).await;
}

#[tokio::test]
async fn an_operator_locks_an_account_and_ends_its_tokens_by_command() {
    let world = World::start().await;
    let session = bearer(&register(&world.heliostat, "joe").await);
    let user = |arguments: &[&str]| command(&world.heliostat, "user", arguments);
    assert!(user(&["lock", "joe"]).0);
    world.until_refused(&session, 403).await;
    assert!(user(&["list"]).1.contains("joe\tjoe@host.example\tcreated 20"));
    assert!(user(&["list"]).1.contains("\tlocked"));
    assert!(user(&["unlock", "joe"]).0);
    assert!(user(&["remove-tokens", "joe"]).1.contains("1 tokens of joe"));
    world.until_refused(&session, 401).await;
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{name}:{password}").as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
