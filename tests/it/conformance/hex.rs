//! The Hex repository's row: a package's document, and its tarball.

use std::time::{Duration, SystemTime};

use super::{Provided, Releases, Row, Wanted, Wish};
use crate::support::heliostat::Builder;
use crate::support::hex::{FakeHex, Package, PinnedKey, Release};
use crate::support::http::Answer;
use crate::support::upstream::FakeUpstream;

/// The Hex repository.
pub struct Hex {
    fake: FakeHex,
    key: PinnedKey,
}

impl Row for Hex {
    const PATH: &str = "/hex";
    /// So storage says it. Source: contract hex §1.1.
    const ABSENT: Option<u16> = Some(403);

    fn start() -> Self {
        let fake = FakeHex::start();
        Self { key: PinnedKey::of(fake.key()), fake }
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.fake.upstream
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        builder.dialect("hex", &self.fake.upstream.url(), &format!("{}{mount}", self.key.line()), upstream)
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        let name = Self::package(name);
        let package = Package::new(&name).with(Release::sized(&name, "1.0.0", wish.artifact_size));
        self.fake.publish(&package);
        let (path, upstream) = (format!("/packages/{name}"), &self.fake.upstream);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let document = upstream.resource(&path).expect("a document that was published");
        upstream.put(&path, document.last_modified(modified).cache_control(wish.cache_control));
        let wanted = |path: String, bytes: bytes::Bytes| Wanted {
            path: format!("/hex{path}"),
            upstream_path: path,
            bytes: Box::new(move |_| bytes.clone()),
        };
        Provided {
            document: wanted(path, self.fake.package_document(&package)),
            artifact: wanted(package.tarball_path("1.0.0"), package.release("1.0.0").tarball.clone()),
        }
    }

    fn missing(&self, name: &str) -> (String, String) {
        let path = format!("/packages/{}", name.replace('-', "_"));
        (format!("/hex{path}"), path)
    }

    fn nonsense(&self) -> Vec<String> {
        let paths = [
            "/hex/packages/Jason",
            "/hex/packages/a",
            "/hex/packages/a-b",
            "/hex/packages/a.b",
            "/hex/packages/%2e%2e",
            "/hex/packages/a%2fb",
            "/hex/packages/..%2f..%2fetc%2fpasswd",
            "/hex/packages/a%5cb",
            "/hex/packages/a%00b",
            "/hex/packages/a%0ab",
            "/hex/packages/a%zzb",
            "/hex/packages/%ff%fe",
            "/hex/tarballs/jason-1.0.tar",
            "/hex/tarballs/jason-1.0.0+b.tar",
            "/hex/tarballs/jason.tar",
            "/hex/docs/jason-v1.0.0.tar.gz",
            "/hex/policies/ab",
            "/hex/repos/Acme/names",
        ];
        let long = format!("/hex/packages/{}", "x".repeat(300));
        paths.map(str::to_owned).into_iter().chain([long]).collect()
    }

    fn package(name: &str) -> String {
        format!("conformance_{}", name.replace('-', "_"))
    }

    /// Source: contract hex §1.1.
    fn is_error(&self, answer: &Answer) -> bool {
        let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        plain && answer.text().lines().count() == 1
    }
}

impl Releases for Hex {}
