//! The row of files: a checksum file is its document, a file that is listed there its artifact.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha256};

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
    fn start() -> Self {
        Self(FakeUpstream::start())
    }

    fn upstream(&self) -> &FakeUpstream {
        &self.0
    }

    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder {
        let url = self.0.url();
        let upstream = format!("[[mount.upstream]]\nurl = \"{url}/tree\"\nallow_private = true\n{upstream}\n");
        builder.mount(&format!("dialect = \"files\"\nname = \"t\"\nchecksums = \"{SUMS}\"\n{mount}\n{upstream}"))
    }

    fn provide(&self, name: &str, wish: &Wish) -> Provided {
        // Names tell the bytes apart.
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let body = Bytes::from(Random::new(seed).bytes(wish.artifact_size));
        let comment = "# sums of this directory, so long that it can be cut in two\n".repeat(4);
        let sums = Bytes::from(format!("{comment}{}  file.bin\n", hex(&Sha256::digest(&body))));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let document = Resource::new("text/plain", sums.clone())
            .etag(&format!("\"{}\"", fingerprint(&sums)))
            .last_modified(modified)
            .cache_control(wish.cache_control);
        let (sums_path, path) = (format!("/{name}/{SUMS}"), format!("/{name}/file.bin"));
        self.0.put(&format!("/tree{sums_path}"), document);
        self.0.put(&format!("/tree{path}"), Resource::artifact(body.clone()));
        let wanted = |path: &str, bytes: Bytes| Wanted {
            path: format!("/files/t{path}"),
            upstream_path: format!("/tree{path}"),
            bytes: Box::new(move |_| bytes.clone()),
        };
        Provided { document: wanted(&sums_path, sums), artifact: wanted(&path, body) }
    }

    fn missing(&self, name: &str) -> (String, String) {
        (format!("/files/t/{name}/{SUMS}"), format!("/tree/{name}/{SUMS}"))
    }

    fn nonsense(&self) -> Vec<String> {
        let paths = [
            "/files/t/..",
            "/files/t/../x",
            "/files/t/a/../b",
            "/files/t/a/./b",
            "/files/t/%2e%2e/x",
            "/files/t/a/%2E%2e",
            "/files/t/a%2fb",
            "/files/t/a%5cb",
            "/files/t/a%00b",
            "/files/t/a%0ab",
            "/files/t/a%zzb",
            "/files/t/a%",
            "/files/t/a//b",
        ];
        let long = format!("/files/t/{}", "x".repeat(5_000));
        paths.map(str::to_owned).into_iter().chain([long]).collect()
    }

    fn is_error(&self, answer: &Answer) -> bool {
        let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        plain && answer.text().lines().count() == 1
    }
}
