//! The npm registry's row.

use super::{Provided, Releases, Row, Wanted, Wish};
use crate::support::heliostat::Builder;
use crate::support::http::Answer;
use crate::support::packages::{Package, Release};
use crate::support::registry::{FakeRegistry, document_path};
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
