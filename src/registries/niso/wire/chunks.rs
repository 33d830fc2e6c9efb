//! An archive cut into chunks where its content says, so that two that share bytes share chunks. A chunk's name is the
//! SHA-256 of its bytes, and all of them in order are the archive. Source: contract niso §5.

use std::io::{self, Read, Write};

use fastcdc::v2020::{Normalization, StreamCDC};

use super::Error;
use crate::base::digest::Digest;
use crate::registries::niso::name::{Arch, PackageName, Version};

/// Sizes of chunks in bytes: the least, the average, the most.
const SIZES: [usize; 3] = [16 << 10, 64 << 10, 256 << 10];

/// One chunk of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub hash: Digest,
    /// Where it begins in the archive, in bytes.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
}

/// The archive that chunks are of.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    pub name: &'a PackageName,
    pub version: &'a Version,
    pub arch: &'a Arch,
    pub checksum: &'a Digest,
}

/// Cuts an archive, holding one chunk at a time, and tells the whole's digest.
///
/// # Errors
/// [`Error::Cut`]: it cannot be read to its end.
pub fn cut(archive: impl Read) -> Result<(Digest, Vec<Chunk>), Error> {
    let [least, average, most] = SIZES;
    let mut whole = <sha2::Sha256 as sha2::Digest>::new();
    let mut chunks = Vec::new();
    for piece in StreamCDC::with_level(archive, least, average, most, Normalization::Level1) {
        let piece = piece.map_err(|error| Error::Cut(io::Error::other(error)))?;
        sha2::Digest::update(&mut whole, &piece.data);
        chunks.push(Chunk { hash: Digest::of(&piece.data), offset: piece.offset, size: piece.data.len() as u64 });
    }
    Ok((Digest::from_bytes(sha2::Digest::finalize(whole).into()), chunks))
}

/// Prints the chunk manifest of an archive.
///
/// # Errors
/// The sink's.
pub fn print_chunks(whole: &Whole<'_>, chunks: &[Chunk], out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let Whole { name, version, arch, checksum } = whole;
    let size: u64 = chunks.iter().map(|chunk| chunk.size).sum();
    write!(out, r#"{{"name":"{name}","version":"{version}","arch":"{arch}","size":{size}"#)?;
    write!(out, r#","checksum":"{checksum}","chunks":["#)?;
    for (index, Chunk { hash, offset, size }) in chunks.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"hash":"{hash}","offset":{offset},"size":{size}}}"#)?;
    }
    out.write_all(b"]}")
}
