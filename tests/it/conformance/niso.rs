//! The row of niso: the versions of a package are its document, an archive its artifact.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Provided, Releases, Row, Wanted, Wish};
use crate::support::heliostat::Builder;
use crate::support::http::Answer;
use crate::support::niso::{App, FakeNiso, Generation};
use crate::support::random::fingerprint;
use crate::support::upstream::FakeUpstream;

/// The niso registry.
pub struct Niso(FakeNiso);

impl Niso {
    /// Gives a document the validators that the registry has none of.
    fn validate(&self, path: &str) {
        let document = self.0.upstream.resource(path).expect("a document that was published");
        let tag = format!("\"{}\"", fingerprint(&document.body));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        self.0.upstream.put(path, document.etag(&tag).last_modified(modified));
    }
}

/// Prints a row of the list of versions, in the order that the mirror has. Source: contract niso §3.
fn row(app: &App, index: usize) -> String {
    let build = &app.builds[index];
    let (name, checksum) = (&app.name, build.checksum.as_deref().expect("a checksum"));
    format!(
        r#"{{"name":"{name}","version":"{}","arch":"{}","size":{},"checksum":"{checksum}","uploaded_at":"2024-03-01T12:30:45","download_count":7,"extra":{{"a":[2],"b":1}}}}"#,
        build.version,
        build.arch,
        build.archive.len(),
    )
}

impl Row for Niso {
    const PATH: &str = "/niso";

    fn start() -> Self {
        Self(FakeNiso::start(Generation::Present))
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.0.upstream
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        builder.dialect("niso", &self.0.upstream.url(), mount, upstream)
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        let app = App::new(&Self::package(name))
            .with("1.0.0", "x86_64", 2_000)
            .with("1.1.0", "x86_64", wish.artifact_size)
            .cache_control(wish.cache_control);
        self.0.publish(&app);
        let upstream_path = format!("/v1/packages/{}/versions", app.name);
        self.validate(&upstream_path);
        let rows = Bytes::from(format!("[{},{}]", row(&app, 1), row(&app, 0)));
        let build = &app.builds[1];
        let (archive, path) = (build.archive.clone(), app.path(build));
        Provided {
            document: Wanted {
                path: format!("/niso{upstream_path}"),
                upstream_path,
                bytes: Box::new(move |_| rows.clone()),
            },
            artifact: Wanted {
                path: format!("/niso{path}"),
                upstream_path: path,
                bytes: Box::new(move |_| archive.clone()),
            },
        }
    }

    fn missing(&self, name: &str) -> (String, String) {
        let path = format!("/v1/packages/{name}/versions");
        (format!("/niso{path}"), path)
    }

    fn nonsense(&self) -> Vec<String> {
        let long = format!("/niso/v1/packages/{}/versions", "x".repeat(300));
        let paths = [
            "_x/versions",
            ".x/tags",
            "a%00b/versions",
            "a%2e%2e%2fb/versions",
            "a%5cb/versions",
            "a%0ab/versions",
            "a%zzb/versions",
            "a%2fb/versions",
            "%ff%fe/versions",
            "@acme%252Fapp/versions",
            "@acme/..%2fapp/versions",
            "@s%2f../versions",
            "@s%2fn%2fo/versions",
            "app//versions",
            "app/1.0.0/versions",
            "app/1.0/x86_64",
            "app/1.0.0/a%20b",
            "app/1.0.0/manifest?arch=..",
        ];
        let below = paths.map(|path| format!("/niso/v1/packages/{path}"));
        let others = ["/niso/v1/packages?limit=x", "/niso/v1/chunks/abc"].map(str::to_owned);
        below.into_iter().chain(others).chain([long]).collect()
    }

    fn package(name: &str) -> String {
        format!("@conformance/{name}")
    }

    /// Source: contract niso §1.
    fn is_error(&self, answer: &Answer) -> bool {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return false };
        let members = body.as_object().map(serde_json::Map::len);
        members == Some(1) && body["error"].as_str().is_some_and(|text| !text.is_empty())
    }
}

impl Releases for Niso {}
