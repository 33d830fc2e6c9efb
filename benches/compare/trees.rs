//! What the origin has beside npm's packages, under the same paths as every cache: a Hex repository and plain files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heliostat::base::digest::Digest;
use heliostat::registries::hex::keys::PublicKey;
use heliostat::registries::hex::wire::messages::{Dependency, Timestamp};
use heliostat::registries::hex::wire::{Package, Release, Signed};
use prost::Message;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA512};
use tar::{Builder, EntryType, Header};

use crate::fixtures::{self, Noise};

/// Where the repository lies, and the name that it signs for.
pub const HEX: &str = "/hex";
pub const REPOSITORY: &str = "measured";
/// A signed document of about 3 KB.
pub const HEX_PACKAGE: &str = "/hex/packages/measured";
/// A tarball of about 50 KB.
pub const HEX_TARBALL: &str = "/hex/tarballs/measured-1.0.0.tar";

/// Where the files lie.
pub const FILES: &str = "/files";
/// Files of 2 KB and 10 MB.
pub const SMALL_FILE: &str = "/files/small/index.json";
pub const LARGE_FILE: &str = "/files/large/archive.tar.xz";

/// Releases of the package; real ones have some 40.
const RELEASES: u32 = 40;
/// Long past: what was published lately may still be replaced.
const PUBLISHED: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 0 };

/// Makes what lies at a path, with its content type; `None` where nothing does.
///
/// # Errors
/// None in practice: the output is memory.
pub fn find(path: &str) -> Result<Option<(&'static str, Vec<u8>)>> {
    Ok(Some(match path {
        HEX_PACKAGE => ("application/octet-stream", package()?),
        HEX_TARBALL => ("application/octet-stream", tarball()?),
        SMALL_FILE => ("application/json", Noise::named(path).bytes(2_000)),
        LARGE_FILE => ("application/octet-stream", Noise::named(path).bytes(10_000_000)),
        _ => return Ok(None),
    }))
}

/// Writes the repository's public key into a directory, for who mirrors it.
///
/// # Errors
/// The file system's.
pub fn write_public_key(directory: &Path) -> Result<PathBuf> {
    let key = STANDARD.encode(key()?.public_key().as_ref());
    let text = format!("-----BEGIN RSA PUBLIC KEY-----\n{key}\n-----END RSA PUBLIC KEY-----\n");
    let file = directory.join("measured.pem");
    std::fs::write(&file, PublicKey::parse(text.as_bytes())?.to_pem())?;
    Ok(file)
}

/// A key that guards nothing: the one of the tests.
fn key() -> Result<KeyPair> {
    let key = include_bytes!("../../src/registries/hex/fixtures/repository.pk8");
    KeyPair::from_pkcs8(key).ok().context("the fixture is no key")
}

fn package() -> Result<Vec<u8>> {
    let mut noise = Noise::named(HEX_PACKAGE);
    let tarball = tarball()?;
    let mut releases = vec![release("1.0.0", inner(&contents()), Digest::of(&tarball))];
    releases.extend((1..RELEASES).map(|index| {
        let [inner, outer] = [noise.bytes(32), noise.bytes(32)].map(|bytes| Digest::of(&bytes));
        release(&format!("1.{}.{}", index / 10 + 1, index % 10), inner, outer)
    }));
    let package =
        Package { releases, name: "measured".to_owned(), repository: REPOSITORY.to_owned(), advisories: Vec::new() };
    let (key, payload) = (key()?, package.encode_to_vec());
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), &payload, &mut signature).ok().context("signing")?;
    fixtures::gzip(&Signed { payload: payload.into(), signature: Some(signature.into()) }.encode_to_vec())
}

fn release(version: &str, inner: Digest, outer: Digest) -> Release {
    let dependency = |(package, requirement): (&str, &str)| Dependency {
        package: package.to_owned(),
        requirement: requirement.to_owned(),
        ..Dependency::default()
    };
    Release {
        version: version.to_owned(),
        inner_checksum: inner.as_bytes().to_vec().into(),
        dependencies: [("decimal", "~> 1.0 or ~> 2.0"), ("telemetry", "~> 1.2")].map(dependency).to_vec(),
        outer_checksum: Some(outer.as_bytes().to_vec().into()),
        published_at: Some(PUBLISHED),
        ..Release::default()
    }
}

const METADATA: &[u8] = b"{<<\"name\">>,<<\"measured\">>}.\n{<<\"version\">>,<<\"1.0.0\">>}.\n";

fn contents() -> Vec<u8> {
    Noise::named(HEX_TARBALL).bytes(46_000)
}

/// The checksum of what lies in the tarball. Source: contract hex §3.1.
fn inner(contents: &[u8]) -> Digest {
    Digest::of(&[b"3", METADATA, contents].concat())
}

fn tarball() -> Result<Vec<u8>> {
    let contents = contents();
    let checksum = inner(&contents).to_hex().to_ascii_uppercase();
    let mut builder = Builder::new(Vec::new());
    for (path, body) in [
        ("VERSION", &b"3"[..]),
        ("CHECKSUM", checksum.as_bytes()),
        ("metadata.config", METADATA),
        ("contents.tar.gz", &contents),
    ] {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, body)?;
    }
    Ok(builder.into_inner()?)
}
