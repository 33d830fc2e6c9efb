//! The heads of good answers. Pure: where the body comes from is another's business.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderName};
use http::{HeaderValue, StatusCode};

use super::name::{Arch, PackageName, Spec, Version};
use crate::base::digest::Digest;
use crate::base::http::Reply;
use crate::mirror::Found;
use crate::registries::replies::{self, OCTETS, entity_tag, tagged};

/// Which version a body is of: what `latest` came to. Source: contract niso §3.
const PACKAGE_VERSION: HeaderName = HeaderName::from_static("x-package-version");
/// What the publisher of an archive signed it with, passed on unread. Source: contract niso §3.
pub const SIGNATURE: &str = "x-niso-signature";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Where a tag points may be another version at any time.
const MOVES: HeaderValue = HeaderValue::from_static("no-cache");

/// What upstream's documents say may change; with `Age`, clients ask again before long.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// Answers with what was made of a document.
pub fn document(body: impl Into<Bytes>) -> Reply {
    let mut reply = tagged("application/json", body);
    reply.set(CACHE_CONTROL, SHORT);
    reply
}

/// Answers with the chunks of an archive that was asked for as `spec`. Source: contract niso §5.
pub fn chunks(body: Vec<u8>, spec: &Spec) -> Reply {
    let mut reply = tagged("application/json", body);
    reply.set(CACHE_CONTROL, cache_control(spec));
    reply
}

/// Begins the answer with an archive that was asked for as `spec`. Source: contract niso §3.
pub fn archive(name: &PackageName, version: &Version, arch: &Arch, spec: &Spec) -> Reply {
    let mut reply = replies::whole(OCTETS);
    replies::save_as(&mut reply, &name.archive_file(version, arch));
    // Versions are letters, digits and a few signs.
    reply.headers.extend(HeaderValue::from_str(version.as_str()).ok().map(|version| (PACKAGE_VERSION, version)));
    reply.set(CACHE_CONTROL, cache_control(spec));
    reply
}

/// Begins the answer with a chunk. Source: contract niso §5.
pub fn chunk(hash: &Digest) -> Reply {
    let mut reply = replies::whole(OCTETS);
    reply.set(CACHE_CONTROL, FOR_EVER);
    reply.headers.extend(entity_tag(format_args!("sha256-{hash}")).map(|etag| (ETAG, etag)));
    reply
}

/// Answers with the manifest of an archive that was asked for as `spec`. Source: contract niso §3.
pub fn manifest(text: Bytes, spec: &Spec) -> Reply {
    let mut reply = tagged("text/plain; charset=utf-8", text);
    reply.set(CACHE_CONTROL, cache_control(spec));
    reply
}

/// `GET /health`: upstream is not asked. Source: contract niso §1.
pub fn health() -> Reply {
    Reply::bytes(StatusCode::OK, "application/json", r#"{"status":"ok"}"#)
}

/// Answers with what was found, and what its publisher signed it with.
pub fn with_found(reply: Reply, mut found: Found) -> Reply {
    let signature = found.beside.take().and_then(|mut beside| beside.remove(SIGNATURE));
    let mut reply = replies::with_found(reply, found);
    reply.headers.extend(signature.map(|signature| (HeaderName::from_static(SIGNATURE), signature)));
    reply
}

fn cache_control(spec: &Spec) -> HeaderValue {
    match spec {
        Spec::Version(_) => FOR_EVER,
        Spec::Tag(_) => MOVES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(reply: &Reply) -> Vec<String> {
        let mut lines: Vec<_> =
            reply.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    fn archive_head(spec: &str) -> Vec<String> {
        let (version, arch) = (Version::parse("1.1.0").unwrap(), Arch::parse("x86_64-linux").unwrap());
        head(&archive(&PackageName::parse("@acme/app").unwrap(), &version, &arch, &Spec::parse(spec).unwrap()))
    }

    #[test]
    fn an_archive_says_its_file_and_version_and_how_long_it_stays() {
        let exact = [
            "accept-ranges: bytes",
            "cache-control: public, max-age=31536000, immutable",
            "content-disposition: attachment; filename=\"app-1.1.0-x86_64-linux.niso\"",
            "content-type: application/octet-stream",
            "x-package-version: 1.1.0",
        ];
        assert_eq!(archive_head("1.1.0"), exact);
        for moving in ["latest", "stable"] {
            assert_eq!(archive_head(moving)[1], "cache-control: no-cache", "{moving}");
            assert_eq!(archive_head(moving)[4], "x-package-version: 1.1.0", "{moving}");
        }
    }

    #[test]
    fn a_chunk_stays_for_ever_under_its_hash() {
        let hash = Digest::of(b"chunk");
        let lines = head(&chunk(&hash));
        assert!(lines.contains(&format!("etag: \"sha256-{hash}\"")), "{lines:?}");
        assert!(lines.contains(&"cache-control: public, max-age=31536000, immutable".to_owned()), "{lines:?}");
    }

    #[test]
    fn a_manifest_is_plain_text() {
        let text = Bytes::from_static(b"[package]");
        let etag = format!("etag: \"{}\"", &Digest::of(&text).to_hex()[..32]);
        let lines = head(&manifest(text, &Spec::parse("latest").unwrap()));
        assert_eq!(lines, ["cache-control: no-cache", "content-type: text/plain; charset=utf-8", etag.as_str()]);
        assert_eq!(head(&health()), ["content-type: application/json"]);
    }
}
