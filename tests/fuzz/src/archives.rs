//! Archives: packed from parts, and mended so that a change in a header is not refused for its sum alone.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

const BLOCK: usize = 512;
/// Where a header has its size and its sum, in bytes.
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;

/// Packs files as they are given.
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, body) in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *body).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

/// Returns a tar file with the sum of each header as it should be.
pub fn mend(tar: &[u8]) -> Vec<u8> {
    let (mut tar, mut at) = (tar.to_vec(), 0);
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        header[SUM].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = str::from_utf8(&header[SIZE]).unwrap_or_default().trim_matches([' ', '\0']);
        let size = usize::from_str_radix(size, 8).unwrap_or_default();
        at = at.saturating_add(BLOCK).saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    tar
}

/// Compresses bytes as one gzip stream.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// One member, as another reader sees it.
pub struct Member {
    /// Without `./`.
    pub path: String,
    pub is_file: bool,
    pub body: Vec<u8>,
}

/// Returns what another reader finds in a tar file; `None` when it finds no end.
pub fn unpack(tar: impl Read) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for entry in tar::Archive::new(tar).entries().ok()? {
        let mut entry = entry.ok()?;
        let path = String::from_utf8(entry.path_bytes().into_owned()).ok()?;
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        // Before there was a kind for directories, a slash at the end told them.
        let is_file = match entry.header().entry_type() {
            EntryType::Regular => !path.ends_with('/'),
            kind => kind == EntryType::Continuous,
        };
        let mut member = Member { path: parts.join("/"), is_file, body: Vec::new() };
        entry.read_to_end(&mut member.body).ok()?;
        members.push(member);
    }
    Some(members)
}

/// Returns the last file of this path.
pub fn find<'a>(members: &'a [Member], path: &str) -> Option<&'a [u8]> {
    members.iter().rev().find(|member| member.is_file && member.path == path).map(|member| &*member.body)
}

/// Holds that no member lies elsewhere than in its archive.
///
/// # Panics
/// One does.
pub fn assert_inside(members: &[Member]) {
    for Member { path, .. } in members {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
    }
}
