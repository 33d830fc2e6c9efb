//! A user who publishes at a mount that keeps `@acme/*` for itself.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::register;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::FakeRegistry;
use crate::support::tarball;

/// A registry, a process that mirrors it at `/npm`, and who is logged in there as `joe`.
pub struct Publisher {
    pub registry: FakeRegistry,
    pub heliostat: Heliostat,
    pub token: String,
}

impl Publisher {
    /// Starts one with further lines for the mount.
    pub async fn start(mount: &str) -> Self {
        let registry = FakeRegistry::start();
        let builder = Heliostat::builder().set("accounts", "registration", "\"open\"");
        let heliostat = builder.npm(registry.url(), &format!("own = [\"@acme/*\"]\n{mount}")).start().await;
        let token = register(&heliostat, "joe").await;
        Self { registry, heliostat, token }
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let ask = Ask::new(method, &format!("/npm{path}")).header("content-type", "application/json");
        let ask = ask.header("authorization", &format!("Bearer {}", self.token));
        self.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        let ask = Ask::get(&format!("/npm{path}")).header("authorization", &format!("Bearer {}", self.token));
        self.heliostat.ask(&ask).await
    }

    /// Makes an admin of it, by command. All nodes know within a second.
    pub async fn into_admin(self) -> Self {
        let said = Command::new(env!("CARGO_BIN_EXE_heliostat"))
            .args(["user", "admin", "joe", "--data"])
            .arg(self.heliostat.data())
            .output()
            .expect("the binary can be started");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let mut looks = 0;
        while self.send("DELETE", "/-/v1/search/sync/absent", &Value::Null).await.status == 403 {
            looks += 1;
            assert!(looks < 200, "joe never becomes an admin");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self
    }

    /// Publishes a version, whose manifest has these members too.
    pub async fn publish(&self, name: &str, version: &str, members: Value) {
        let mut manifest = json!({ "name": name, "version": version });
        let more = members.as_object().expect("members of a manifest").clone();
        manifest.as_object_mut().expect("an object").extend(more);
        let tarball = tarball::pack(&[("package.json".to_owned(), manifest.to_string().into_bytes())]);
        let attachment = json!({ "data": base64(&tarball), "length": tarball.len() });
        let body = json!({
            "_id": name, "name": name, "dist-tags": { "latest": version }, "versions": { version: manifest },
            "_attachments": { format!("{name}-{version}.tgz"): attachment },
        });
        let published = self.send("PUT", &format!("/{}", name.replace('/', "%2f")), &body).await;
        assert_eq!(published.status, 201, "{}", published.summary());
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
