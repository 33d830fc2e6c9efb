//! Archives and documents for tests, byte for byte the same each time.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::name::{Title, Version};
pub use super::proofs::shasum;
use super::wire::{self, Package};

/// Packs files as they are given, under the gzip header that the old client installs from: a file name, and no NUL
/// before its end. Source: contract nessemble §6.1.
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, body) in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *body).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let builder = GzBuilder::new().filename("foo.tar").mtime(0x0101_0101).operating_system(255);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Packs a package with a file of this code.
pub fn archive(title: &str, version: &str, code: &[u8]) -> Vec<u8> {
    let package = json!({
        "title": title, "description": "From the archive", "version": version, "author": "joe.somebody",
        "license": "GPL-3.0", "tags": ["sound", "nes"],
    });
    let files: [(&str, &[u8]); 3] =
        [("lib/lib.asm", code), ("lib/package.json", &package.to_string().into_bytes()), ("lib/README.md", b"# foo\n")];
    pack(&files)
}

/// Prints the document of a version that has `archive`.
pub fn document(title: &str, version: &str, archive: &[u8]) -> String {
    json!({
        "title": title, "description": "A library", "version": version,
        "versions": {version: "2024-03-01T12:30:45.000Z"}, "author": "joe.somebody", "license": "MIT",
        "date": "2024-03-01T12:30:45.000Z", "readme": "http://registry.example/x/README",
        "resource": "http://registry.example/x/data", "shasum": shasum(archive), "tags": ["sound"],
    })
    .to_string()
}

/// Reads the document of a version that has `archive`.
pub fn package(title: &str, version: &str, archive: &[u8]) -> Package {
    let (parsed, asked) = (Title::parse(title).unwrap(), Version::parse(version).unwrap());
    wire::parse_package(document(title, version, archive).as_bytes(), &parsed, Some(&asked)).unwrap()
}
