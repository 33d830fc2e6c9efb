//! Repositories made on the spot, signed with keys that guard nothing; and real bytes of hex.pm.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA512};

use super::keys::PublicKey;
use super::name::{PackageName, PolicyName, RepositoryName, Version};
use super::proofs::Trusted;
use super::wire::messages::{NamesPackage, RepositoryPolicy, VersionsPackage};
use super::wire::{Names, Package, Policy, Release, Signed, Versions};
use crate::base::digest::Digest;

/// `packages/exfmt` of hex.pm. Its origin stands beside it.
pub const EXFMT: &[u8] = include_bytes!("fixtures/exfmt.package");

/// Who signs.
pub struct Signer(KeyPair);

/// A tarball's entries, for each test to spoil.
#[derive(Clone)]
pub struct Parts {
    pub entries: Vec<(&'static str, Vec<u8>)>,
    pub inner: Digest,
}

// === impl Signer ===

impl Signer {
    /// The one whose repository is trusted.
    pub fn repository() -> Self {
        Self::read(include_bytes!("fixtures/repository.pk8"))
    }

    /// One whom nobody knows.
    pub fn stranger() -> Self {
        Self::read(include_bytes!("fixtures/stranger.pk8"))
    }

    fn read(key: &[u8]) -> Self {
        Self(KeyPair::from_pkcs8(key).unwrap())
    }

    pub fn public_key(&self) -> PublicKey {
        let key = STANDARD.encode(self.0.public_key().as_ref());
        let text = format!("-----BEGIN RSA PUBLIC KEY-----\n{key}\n-----END RSA PUBLIC KEY-----\n");
        PublicKey::parse(text.as_bytes()).unwrap()
    }

    /// Returns this signer as one whose word is taken for a repository.
    pub fn trusted_for(&self, repository: &str) -> Arc<Trusted> {
        Arc::new(Trusted { repository: RepositoryName::parse(repository).unwrap(), key: self.public_key() })
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// Returns a message's envelope, not compressed yet.
    pub fn envelope(&self, message: &impl Message) -> Vec<u8> {
        let payload = message.encode_to_vec();
        let signature = self.sign(&payload);
        Signed { payload: payload.into(), signature: Some(signature.into()) }.encode_to_vec()
    }

    /// Returns a message as a repository serves it.
    pub fn seal(&self, message: &impl Message) -> Vec<u8> {
        gzip(&self.envelope(message))
    }
}

// === impl Parts ===

impl Parts {
    /// Returns the parts of a good tarball.
    pub fn of(name: &str, version: &str) -> Self {
        let metadata = format!("{{<<\"name\">>,<<\"{name}\">>}}.\n{{<<\"version\">>,<<\"{version}\">>}}.\n");
        let contents = gzip(&archive(&[("mix.exs", format!("# {name} {version}").into_bytes())]));
        let inner = Digest::of(&[b"3", metadata.as_bytes(), &contents].concat());
        let checksum = inner.to_hex().to_uppercase().into_bytes();
        let entries = vec![
            ("VERSION", b"3".to_vec()),
            ("CHECKSUM", checksum),
            ("metadata.config", metadata.into_bytes()),
            ("contents.tar.gz", contents),
        ];
        Self { entries, inner }
    }

    /// Replaces an entry.
    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let entry = self.entries.iter_mut().find(|(known, _)| *known == name);
        entry.unwrap().1 = bytes.into();
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.entries.retain(|(known, _)| *known != name);
        self
    }

    pub fn pack(&self) -> Vec<u8> {
        archive(&self.entries)
    }

    /// Returns the release that a package's document has of this tarball.
    pub fn release(&self, version: &str) -> Release {
        Release {
            version: version.into(),
            inner_checksum: self.inner.as_bytes().to_vec().into(),
            outer_checksum: Some(Digest::of(&self.pack()).as_bytes().to_vec().into()),
            ..Release::default()
        }
    }
}

pub fn package_name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

pub fn policy_name(text: &str) -> PolicyName {
    PolicyName::parse(text).unwrap()
}

pub fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Returns a document of two releases.
pub fn package(repository: &str, name: &str) -> Package {
    let releases = ["1.0.0", "1.1.0-rc.1"].map(|version| Parts::of(name, version).release(version));
    Package { name: name.into(), repository: repository.into(), releases: releases.into(), ..Package::default() }
}

pub fn names(repository: &str, names: &[&str]) -> Names {
    let packages = names.iter().map(|name| NamesPackage { name: (*name).into(), ..NamesPackage::default() });
    Names { packages: packages.collect(), repository: repository.into() }
}

pub fn versions(repository: &str, packages: &[(&str, &[&str])]) -> Versions {
    let package = |(name, versions): &(&str, &[&str])| VersionsPackage {
        name: (*name).into(),
        versions: versions.iter().map(|version| (*version).into()).collect(),
        ..VersionsPackage::default()
    };
    Versions { packages: packages.iter().map(package).collect(), repository: repository.into() }
}

pub fn policy(repository: &str, name: &str) -> Policy {
    let entry = RepositoryPolicy { repository: "hexpm".into(), ..RepositoryPolicy::default() };
    Policy { repository: repository.into(), name: name.into(), repositories: vec![entry], ..Policy::default() }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Packs a plain tar.
pub fn archive(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}
