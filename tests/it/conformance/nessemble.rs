//! The row of nessemble: the description of a package is its document, an archive its artifact.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Provided, Releases, Row, Wanted, Wish};
use crate::support::heliostat::Builder;
use crate::support::http::Answer;
use crate::support::nessemble::{FakeNessemble, Library, Oddity};
use crate::support::random::fingerprint;
use crate::support::upstream::FakeUpstream;

/// The longest archive made: the old client takes no more than twice of it unpacked.
const LONGEST: usize = 30_000;

/// The nessemble registry.
pub struct Nessemble(FakeNessemble);

impl Nessemble {
    /// Gives a document the validators that the registry has none of.
    fn validate(&self, path: &str) {
        let document = self.0.upstream.resource(path).expect("a document that was published");
        let tag = format!("\"{}\"", fingerprint(&document.body));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        self.0.upstream.put(path, document.etag(&tag).last_modified(modified));
    }
}

/// Prints a package of one version, in the order that the mirror has. Source: contract nessemble §5.4.
fn print(title: &str, shasum: &str, mirror: &str) -> String {
    let (date, own) = ("2024-03-01T12:30:45.000Z", format!("{mirror}/nessemble/package/{title}"));
    format!(
        r#"{{"title":"{title}","description":"Made for a test","version":"1.0.0","versions":{{"1.0.0":"{date}"}},"author":"joe","license":"MIT","date":"{date}","readme":"{own}/README","resource":"{own}/data","shasum":"{shasum}","tags":["test"]}}"#
    )
}

impl Row for Nessemble {
    const PATH: &str = "/nessemble";

    fn start() -> Self {
        Self(FakeNessemble::start(Oddity::None))
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.0.upstream
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        let mount = format!("requests_per_minute = 1000000\n{mount}");
        builder.dialect("nessemble", &self.0.upstream.url(), &mount, upstream)
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        let library = Library::new(&Self::package(name))
            .with("1.0.0", wish.artifact_size.min(LONGEST))
            .cache_control(wish.cache_control);
        self.0.publish(&library);
        let (title, release) = (library.title.clone(), &library.versions[0]);
        let (archive, shasum) = (release.archive.clone(), release.shasum());
        let upstream_path = format!("/package/{title}");
        let path = format!("{upstream_path}/1.0.0/data");
        self.validate(&upstream_path);
        Provided {
            document: Wanted {
                path: format!("/nessemble{upstream_path}"),
                upstream_path,
                bytes: Box::new(move |mirror| print(&title, &shasum, mirror).into()),
            },
            artifact: Wanted {
                path: format!("/nessemble{path}"),
                upstream_path: path,
                bytes: Box::new(move |_| Bytes::clone(&archive)),
            },
        }
    }

    fn missing(&self, name: &str) -> (String, String) {
        let path = format!("/package/{name}");
        (format!("/nessemble{path}"), path)
    }

    /// What no package can be called is not found, which clients understand better: nonsense is what no path can be.
    fn nonsense(&self) -> Vec<String> {
        let paths = [
            "?page=x",
            "?per_page=1.5",
            "/package//data",
            "/package/a%00b",
            "/package/a%0ab",
            "/package/%2e%2e/b",
            "/package/..%2f..%2fetc%2fpasswd",
            "/package/a%2e/..%2fb",
            "/package/%ff%fe",
            "/search/a%5c..%5cb",
            "/reference/a/%2E%2e",
            "/v1/reference/a//b",
        ];
        paths.map(|path| format!("/nessemble{path}")).to_vec()
    }

    fn package(name: &str) -> String {
        format!("conformance-{name}")
    }

    /// Source: contract nessemble §4.
    fn is_error(&self, answer: &Answer) -> bool {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return false };
        let members = body.as_object().map(serde_json::Map::len);
        let filled = body["error"].as_str().is_some_and(|text| !text.is_empty());
        members == Some(2) && body["status"] == answer.status && filled
    }
}

impl Releases for Nessemble {}
