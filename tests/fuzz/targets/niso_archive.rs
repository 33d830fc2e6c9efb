//! niso's archives: what is read of one is what another reader finds there, and a sum that is given holds.
#![no_main]

use std::collections::HashSet;

use heliostat::base::digest::Digest;
use heliostat::registries::niso::name::{PackageName, Version};
use heliostat::registries::niso::proofs;
use heliostat::registries::niso::wire::{self, Limits, parse_manifest};
use heliostat_fuzz::archives::{assert_inside, find, mend, unpack};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { members: 64, paths_bytes: 4096, unpacked_bytes: 1 << 20 };

fuzz_target!(|input: &[u8]| {
    let _ = wire::open(input, &LIMITS);
    check_chunks(input);
    // Both as it is, and as one who writes headers with care would send it.
    for tar in [input.to_vec(), mend(input)] {
        let archive = zstd::encode_all(&*tar, 1).expect("memory takes it");
        check(&tar, &archive);
    }
});

fn check(tar: &[u8], archive: &[u8]) {
    let Ok(opened) = wire::open(archive, &LIMITS) else { return };
    let members = unpack(tar).expect("what we can read, others can");
    assert!(members.len() <= LIMITS.members);
    assert_inside(&members);
    let mut paths = HashSet::new();
    // Of two signatures neither is looked at.
    for member in members.iter().filter(|member| member.is_file && member.path != "signature.ed25519") {
        assert!(paths.insert(&member.path), "{} is there twice", member.path);
    }
    let manifest = find(&members, "manifest.toml").expect("there is a manifest");
    assert_eq!(opened.manifest, manifest);
    assert_eq!(parse_manifest(manifest).ok().as_ref(), Some(&opened.package));
    assert_eq!(opened.has_sums, find(&members, "checksums.sha256").is_some());
    let (Ok(name), Ok(version)) = (PackageName::parse(&opened.package.name), Version::parse(&opened.package.version))
    else {
        return;
    };
    let is_named = opened.package.version == version.as_str();
    assert_eq!(proofs::check_archive(archive, &name, &version, &LIMITS).is_ok(), is_named);
    let other = Version::parse("9.9.9-other").expect("a version");
    assert!(version == other || proofs::check_archive(archive, &name, &other, &LIMITS).is_err());
}

/// Holds that chunks are the archive, in order and without gaps.
fn check_chunks(archive: &[u8]) {
    let chunks = proofs::cut_proved(archive, &Digest::of(archive)).expect("memory can be read, and the sum is right");
    let mut at = 0;
    for chunk in &chunks {
        assert_eq!(chunk.offset as usize, at);
        assert!(chunk.size > 0);
        let end = at + chunk.size as usize;
        assert_eq!(chunk.hash, Digest::of(&archive[at..end]));
        at = end;
    }
    assert_eq!(at, archive.len());
}
