//! A mount that keeps the scope `@acme` for itself, and some who write to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::register;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::FakeRegistry;
use crate::support::tarball;

/// Who may do everything.
pub const ROOT: &str = "root";
/// Who shows no credentials.
pub const NOBODY: &str = "";

pub struct Acme {
    pub registry: FakeRegistry,
    pub heliostat: Heliostat,
    /// By the names of users.
    tokens: BTreeMap<String, String>,
}

impl Acme {
    /// Starts with accounts for some, and one for who may do everything.
    pub async fn start(users: &[&str]) -> Self {
        Self::start_with(users, "").await
    }

    /// Starts with further lines for the mount.
    pub async fn start_with(users: &[&str], mount: &str) -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let mut heliostat = builder.npm(registry.url(), &format!("own = [\"@acme/*\"]\n{mount}")).start().await;
        let mut tokens = BTreeMap::new();
        for user in users.iter().chain([&ROOT]) {
            tokens.insert((*user).to_owned(), register(&heliostat, user).await);
        }
        // Nobody registers under an admin's name, so it becomes one after that.
        heliostat.stop();
        heliostat.reconfigure(|builder| builder.set("accounts", "admins", &format!("[{ROOT:?}]")));
        heliostat.start().await;
        Self { registry, heliostat, tokens }
    }

    /// Gives a name to who has a token of a user.
    pub async fn make_token(&mut self, who: &str, user: &str, mut wish: Value) -> String {
        wish["password"] = json!("a long password");
        let made = self.send(user, "POST", "/-/npm/v1/tokens", wish).await;
        assert_eq!(made.status, 200, "{}", made.summary());
        let text = made.json()["token"].as_str().expect("a token").to_owned();
        self.tokens.insert(who.to_owned(), text.clone());
        text
    }

    pub async fn ask(&self, who: &str, ask: Ask) -> Answer {
        let ask = match who {
            NOBODY => ask,
            who => ask.header("authorization", &format!("Bearer {}", self.tokens[who])),
        };
        self.heliostat.ask(&ask).await
    }

    pub async fn get(&self, who: &str, path: &str) -> Answer {
        self.ask(who, Ask::get(&format!("/npm{path}"))).await
    }

    pub async fn send(&self, who: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let ask = Ask::new(method, &format!("/npm{path}")).header("content-type", "application/json");
        self.ask(who, ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    /// Publishes a version of a package.
    pub async fn publish(&self, who: &str, name: &str, version: &str, access: Option<&str>) -> Answer {
        let mut body = publication(name, version);
        body["access"] = json!(access);
        self.send(who, "PUT", &format!("/{}", name.replace('/', "%2f")), body).await
    }
}

/// Returns what a client sends to publish a version. Source: contract npm §7.1.
pub fn publication(name: &str, version: &str) -> Value {
    let manifest = json!({ "name": name, "version": version });
    let tarball = tarball::pack(&[("package.json".to_owned(), manifest.to_string().into_bytes())]);
    let file = format!("{name}-{version}.tgz");
    json!({
        "_id": name, "name": name, "dist-tags": { "latest": version },
        "versions": { version: manifest },
        "_attachments": { file: { "data": super::base64(&tarball), "length": tarball.len() } },
    })
}
