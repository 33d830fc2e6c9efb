//! A `.niso` archive, opened in one pass: a tar file under zstd, with its manifest and the sums of its members.
//! Nothing is unpacked to disk, and everything has an end. Source: contract niso §4.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use sha2::{Digest as _, Sha256};

use super::Error;
use super::manifest::{Manifest, parse_manifest};
use crate::base::digest::Digest;
use crate::registries::untar::{self, Kind, Member};

/// What every zstd file begins with. Source: RFC 8878 §3.1.1.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Unpacking takes at most 128 MiB for what may be referred back to.
const WINDOW_LOG: u32 = 27;
/// Longest manifest, in bytes.
const MAX_MANIFEST: u64 = 1 << 20;
/// Longest list of sums, in bytes.
const MAX_SUMS: u64 = 16 << 20;

const MANIFEST: &str = "manifest.toml";
const SUMS: &str = "checksums.sha256";
const SIGNATURE: &str = "signature.ed25519";

/// How much of an archive is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub members: usize,
    /// All paths together, in bytes: they are held while the sums are checked.
    pub paths_bytes: usize,
    pub unpacked_bytes: u64,
}

/// An archive that is whole, and whose sums hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub package: Manifest,
    /// `manifest.toml` as it stands.
    pub manifest: Vec<u8>,
    /// It brings the sums of its members.
    pub has_sums: bool,
}

/// What is gathered on the way through an archive.
#[derive(Default)]
struct Reading {
    manifest: Option<Vec<u8>>,
    sums: Option<Vec<u8>>,
    /// Of every file but those exempt.
    digests: HashMap<String, Digest>,
    paths_bytes: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { members: 100_000, paths_bytes: 16 << 20, unpacked_bytes: 4 << 30 }
    }
}

/// Opens an archive, reads it to its end, and checks its sums.
///
/// # Errors
/// [`Error::NotZstd`], [`Error::Unpack`], [`Error::Archive`], [`Error::Missing`], [`Error::Manifest`],
/// [`Error::Checksums`], [`Error::Mismatch`].
pub fn open(mut archive: impl BufRead, limits: &Limits) -> Result<Archive, Error> {
    let mut magic = [0; MAGIC.len()];
    archive.read_exact(&mut magic).map_err(|_| Error::NotZstd)?;
    if magic != MAGIC {
        return Err(Error::NotZstd);
    }
    let mut tar = zstd::Decoder::with_buffer((&magic[..]).chain(archive)).map_err(Error::Unpack)?;
    tar.window_log_max(WINDOW_LOG).map_err(Error::Unpack)?;
    let mut reading = Reading::default();
    let walked = untar::Limits { members: limits.members, unpacked_bytes: limits.unpacked_bytes };
    untar::walk(tar, walked, |member| reading.take(member, limits.paths_bytes))?;
    reading.finish()
}

// === impl Reading ===

impl Reading {
    fn take(&mut self, member: &mut Member<'_>, limit: usize) -> Result<(), untar::Error> {
        self.paths_bytes += member.path.len();
        if self.paths_bytes > limit {
            return Err(untar::Error::refuse("the paths of the archive are too long together"));
        }
        match (member.path, member.kind) {
            (MANIFEST, Kind::File) => {
                let text = member.read(MAX_MANIFEST)?;
                self.digest(MANIFEST, Digest::of(&text))?;
                self.manifest = Some(text);
                Ok(())
            }
            (SUMS, Kind::File) if self.sums.is_none() => {
                self.sums = Some(member.read(MAX_SUMS)?);
                Ok(())
            }
            (SIGNATURE, Kind::File) => Ok(()),
            (MANIFEST | SUMS | SIGNATURE, _) => {
                Err(untar::Error::refuse(format!("{} is no file of its own", member.path)))
            }
            (_, Kind::File) => {
                let mut hash = Hashing(Sha256::new());
                member.copy(&mut hash)?;
                self.digest(member.path, Digest::from_bytes(hash.0.finalize().into()))
            }
            (_, Kind::Special) => Err(untar::Error::Kind("a device or a pipe")),
            (_, Kind::Directory | Kind::Link) => Ok(()),
        }
    }

    fn digest(&mut self, path: &str, digest: Digest) -> Result<(), untar::Error> {
        match self.digests.insert(path.to_owned(), digest) {
            None => Ok(()),
            Some(_) => Err(untar::Error::refuse(format!("{path} is there twice"))),
        }
    }

    fn finish(self) -> Result<Archive, Error> {
        let manifest = self.manifest.ok_or(Error::Missing(MANIFEST))?;
        if let Some(sums) = &self.sums {
            check_sums(sums, &self.digests)?;
        }
        Ok(Archive { package: parse_manifest(&manifest)?, manifest, has_sums: self.sums.is_some() })
    }
}

/// Holds every line of `checksums.sha256` against its member; the manifest must be among them if any file is.
fn check_sums(sums: &[u8], digests: &HashMap<String, Digest>) -> Result<(), Error> {
    let text = str::from_utf8(sums).map_err(|_| Error::Checksums { line: 0 })?;
    let (mut listed, mut manifest_listed) = (false, false);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (digest, path) = parse_sum(line).ok_or(Error::Checksums { line: index + 1 })?;
        if path == SUMS || path == SIGNATURE {
            continue;
        }
        if digests.get(path) != Some(&digest) {
            return Err(Error::Mismatch { path: path.to_owned() });
        }
        (listed, manifest_listed) = (true, manifest_listed || path == MANIFEST);
    }
    if listed && !manifest_listed { Err(Error::Mismatch { path: MANIFEST.to_owned() }) } else { Ok(()) }
}

/// Reads `<64 hex>  <path>`, as sha256sum writes it: `*` before the path in binary mode, and perhaps `./`.
fn parse_sum(line: &str) -> Option<(Digest, &str)> {
    let (digest, path) = line.split_at_checked(64)?;
    let path = path.strip_prefix("  ").or_else(|| path.strip_prefix(" *"))?;
    Some((digest.parse().ok()?, path.strip_prefix("./").unwrap_or(path)))
}

/// Hashes what is written to it.
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
