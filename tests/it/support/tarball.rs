//! Package tarballs: a minimal ustar writer under gzip, byte for byte the same for the same files.
//!
//! Source: POSIX pax(1), "ustar Interchange Format"; RFC 1952 §2.3 for the extra field that pads to a length.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::random::Random;

const BLOCK: usize = 512;

/// Packs files, which land below `package/` as npm wants them.
pub fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    compress(&archive(files), None)
}

/// Packs files and filler to exactly `size` bytes, which must be at least 1,500 more than the files.
pub fn pack_to(files: &[(String, Vec<u8>)], size: usize, seed: u64) -> Vec<u8> {
    let mut filler = Random::new(seed).bytes(size);
    let mut packed = None;
    for _ in 0..64 {
        let mut files = files.to_vec();
        files.push(("filler.bin".into(), filler.clone()));
        let archive = archive(&files);
        let bare = compress(&archive, None).len();
        // The extra field costs two bytes for its length, and holds at most 65,535.
        if let Some(room) = size.checked_sub(bare + 2).filter(|room| *room <= 65_535) {
            packed = Some(compress(&archive, Some(vec![b'.'; room])));
            break;
        }
        filler.truncate(filler.len().saturating_sub(bare.saturating_sub(size).max(BLOCK / 2)));
    }
    packed.expect("a size that holds these files")
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        archive.extend_from_slice(&header(&format!("package/{name}"), bytes.len()));
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    // npm's own constant time stamp, 1985-10-26T08:15:00Z.
    put(136, "03561705444\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn compress(archive: &[u8], extra: Option<Vec<u8>>) -> Vec<u8> {
    let builder = GzBuilder::new().mtime(0);
    let builder = match extra {
        Some(extra) => builder.extra(extra),
        None => builder,
    };
    let mut encoder = builder.write(Vec::new(), Compression::fast());
    encoder.write_all(archive).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}
