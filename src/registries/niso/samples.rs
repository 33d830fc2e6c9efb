//! Archives for tests, byte for byte the same each time.

use tar::{Builder, EntryType, Header};

use crate::base::digest::Digest;

/// A manifest of `@acme/app` 1.1.0.
pub const MANIFEST: &str = "[package]\nname = \"@acme/app\"\nversion = \"1.1.0\"\ndescription = \"An app\"\n\n\
    [binary]\npath = \"bin/app\"\n";

/// Packs files as they are given.
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, body) in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *body).unwrap();
    }
    zstd::encode_all(&builder.into_inner().unwrap()[..], 3).unwrap()
}

/// Packs `@acme/app` 1.1.0 with one file of this body, and the sums of both.
pub fn app(body: &[u8]) -> Vec<u8> {
    let sums = format!("{}  manifest.toml\n{} *./bin/app\n", Digest::of(MANIFEST.as_bytes()), Digest::of(body));
    pack(&[("./manifest.toml", MANIFEST.as_bytes()), ("checksums.sha256", sums.as_bytes()), ("bin/app", body)])
}

/// Returns bytes that do not compress, always the same for a length.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes
}
