//! The row of files: a checksum file is its document, a file that is listed there its artifact.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha512};

use super::{Provided, Row, Wanted, Wish};
use crate::support::heliostat::Builder;
use crate::support::http::Answer;
use crate::support::random::{Random, fingerprint, hex};
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

/// The name of checksum files.
const SUMS: &str = "SHASUMS256.txt";

/// A tree of files.
pub struct Files(FakeUpstream);

impl Row for Files {
    const PATH: &str = "/files/files";

    fn start() -> Self {
        Self(FakeUpstream::start())
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.0
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        let mount = format!("checksums = \"{SUMS}\"\n{mount}");
        builder.dialect("files", &format!("{}/tree", self.0.url()), &mount, upstream)
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        // Names tell the bytes apart.
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let body = Bytes::from(Random::new(seed).bytes(wish.artifact_size));
        // One line, so that no part of it vouches for anything, and long enough to be cut in two.
        let sums = Bytes::from(format!("{}  file.bin\n", hex(&Sha512::digest(&body))));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let document = Resource::new("text/plain", sums.clone())
            .etag(&format!("\"{}\"", fingerprint(&sums)))
            .last_modified(modified)
            .cache_control(wish.cache_control);
        let (sums_path, path) = (format!("/{name}/{SUMS}"), format!("/{name}/file.bin"));
        self.0.put(&format!("/tree{sums_path}"), document);
        self.0.put(&format!("/tree{path}"), Resource::artifact(body.clone()));
        let wanted = |path: &str, bytes: Bytes| Wanted {
            path: format!("/files/files{path}"),
            upstream_path: format!("/tree{path}"),
            bytes: Box::new(move |_| bytes.clone()),
        };
        Provided { document: wanted(&sums_path, sums), artifact: wanted(&path, body) }
    }

    fn missing(&self, name: &str) -> (String, String) {
        (format!("/files/files/{name}/{SUMS}"), format!("/tree/{name}/{SUMS}"))
    }

    fn nonsense(&self) -> Vec<String> {
        let paths = [
            "/files/files/..",
            "/files/files/../x",
            "/files/files/a/../b",
            "/files/files/a/./b",
            "/files/files/%2e%2e/x",
            "/files/files/a/%2E%2e",
            "/files/files/a%2fb",
            "/files/files/a%5cb",
            "/files/files/a%00b",
            "/files/files/a%0ab",
            "/files/files/a%zzb",
            "/files/files/a%",
            "/files/files/a//b",
        ];
        let long = format!("/files/files/{}", "x".repeat(5_000));
        paths.map(str::to_owned).into_iter().chain([long]).collect()
    }
    fn package(name: &str) -> String {
        format!("{name}/*")
    }

    fn is_error(&self, answer: &Answer) -> bool {
        let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        plain && answer.text().lines().count() == 1
    }
}
