//! Tarballs for tests.

use std::io::Read;

use flate2::Compression;
use flate2::read::GzEncoder;

use crate::base::http::Body;

const BLOCK: usize = 512;

/// Packs files by their whole paths.
pub fn pack(files: &[(&str, &str)]) -> Body {
    let mut packed = Vec::new();
    GzEncoder::new(&archive(files)[..], Compression::fast()).read_to_end(&mut packed).expect("memory");
    Body::Bytes(packed.into())
}

/// Source: POSIX pax(1), "ustar Interchange Format".
pub fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, text) in files {
        archive.extend_from_slice(&header(path, text.len()));
        archive.extend_from_slice(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(path: &str, length: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(124, &format!("{length:011o}\0"));
    put(136, "00000000007\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}
