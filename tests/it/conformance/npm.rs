//! The npm registry's row.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha512};

use super::publishing::wanted;
use super::{Provided, Publication, Publishes, Releases, Row, Wanted, Wish};
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::http::{Answer, Ask};
use crate::support::packages::{Package, Release};
use crate::support::random::Random;
use crate::support::registry::{FakeRegistry, document_path};
use crate::support::tarball;
use crate::support::upstream::FakeUpstream;

/// The npm registry.
pub struct Npm(FakeRegistry);

impl Row for Npm {
    const PATH: &str = "/npm";

    fn start() -> Self {
        Self(FakeRegistry::start())
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.0.upstream
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        builder.npm_with(self.0.url(), mount, upstream)
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        let release = Release::new("1.0.0").size(wish.artifact_size);
        let package = Package::new(&Self::package(name)).with(release).cache_control(wish.cache_control);
        self.0.publish(&package);
        let (text, url) = (self.0.document(&package), self.0.url().to_owned());
        let release = package.release("1.0.0");
        let tarball = release.tarball.clone();
        let path = package.tarball_path(release);
        let ours =
            move |mirror: &str| text.replace(&format!("\"tarball\":\"{url}/"), &format!("\"tarball\":\"{mirror}/npm/"));
        Provided {
            document: Wanted {
                path: format!("/npm/@conformance%2f{name}"),
                upstream_path: document_path(&package.name),
                bytes: Box::new(move |mirror| ours(mirror).into()),
            },
            artifact: Wanted {
                path: format!("/npm{path}"),
                upstream_path: path,
                bytes: Box::new(move |_| tarball.clone()),
            },
        }
    }

    fn missing(&self, name: &str) -> (String, String) {
        (format!("/npm/{name}"), format!("/{name}"))
    }

    fn nonsense(&self) -> Vec<String> {
        let long = format!("/npm/{}", "x".repeat(300));
        let paths = [
            "/npm/_x",
            "/npm/.x",
            "/npm/@x",
            "/npm/@/x",
            "/npm/x@y",
            "/npm/a%00b",
            "/npm/a%2e%2e%2fb",
            "/npm/%2e%2e/b",
            "/npm/..%2f..%2fetc%2fpasswd",
            "/npm/@s%2f..",
            "/npm/@s%2fn%2fo",
            "/npm/a%5cb",
            "/npm/a%0ab",
            "/npm/a%zzb",
            "/npm/a%2fb",
            "/npm/node_modules",
            "/npm/%ff%fe",
            "/npm/@s%2f%2e%2e%2fn/-/n-1.0.0.tgz",
        ];
        paths.map(str::to_owned).into_iter().chain([long]).collect()
    }

    fn package(name: &str) -> String {
        format!("@conformance/{name}")
    }

    /// Source: contract npm §2.1.
    fn is_error(&self, answer: &Answer) -> bool {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return false };
        let filled = |member: &str| body[member].as_str().is_some_and(|text| !text.is_empty());
        filled("error") && filled("reason") && filled("message") && body["reason"] == body["message"]
    }
}

impl Releases for Npm {}

impl Publishes for Npm {
    const OWN: &str = "own = [\"@conformance/*\"]";

    async fn register(heliostat: &Heliostat, user: &str) -> String {
        crate::npm::register(heliostat, user).await
    }

    fn publication(name: &str, size: usize) -> Publication {
        let (package, noise) = (Self::package(name), Random::new(size as u64).bytes(size));
        let manifest = json!({ "name": package, "version": "1.0.0" });
        let files = [("package.json", manifest.to_string().into_bytes()), ("noise", noise)];
        let tarball = tarball::pack(&files.map(|(path, bytes)| (path.to_owned(), bytes)));
        let attachment = json!({ "data": STANDARD.encode(&tarball), "length": tarball.len() });
        let body = json!({
            "_id": package, "name": package, "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": manifest },
            "_attachments": { format!("{package}-1.0.0.tgz"): attachment },
        });
        Publication {
            document: format!("/npm/@conformance%2f{name}"),
            artifact: wanted(format!("/npm/{package}/-/{name}-1.0.0.tgz"), tarball),
            body: body.to_string().into_bytes(),
        }
    }

    async fn publish(heliostat: &Heliostat, token: &str, publication: &Publication) -> Answer {
        let ask = Ask::new("PUT", &publication.document).header("content-type", "application/json");
        let ask = ask.header("authorization", &format!("Bearer {token}"));
        let length = publication.body.len().to_string();
        heliostat.ask(&ask.header("content-length", &length).body(publication.body.clone())).await
    }

    fn vouches(document: &Answer, artifact: &[u8]) -> bool {
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(artifact)));
        document.status == 200 && document.json()["versions"]["1.0.0"]["dist"]["integrity"] == integrity.as_str()
    }
}
