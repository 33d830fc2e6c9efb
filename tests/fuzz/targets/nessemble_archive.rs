//! nessemble's archives: what is read of one is what another reader finds there, within the room the old client has.
#![no_main]

use heliostat::registries::nessemble::name::Version;
use heliostat::registries::nessemble::proofs;
use heliostat::registries::nessemble::wire::{MAX_ARCHIVE, open};
use heliostat_fuzz::archives::{Member, assert_inside, gzip, mend, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = open(input);
    // Both as it is, and as one who writes headers with care would send it.
    for tar in [input.to_vec(), mend(input)] {
        check(&tar, &gzip(&tar));
    }
});

fn check(tar: &[u8], archive: &[u8]) {
    let Ok(opened) = open(archive) else { return };
    assert!(archive.len() as u64 <= MAX_ARCHIVE && tar.len() as u64 <= MAX_ARCHIVE);
    let members = unpack(tar).expect("what we can read, others can");
    for name in ["lib.asm", "README.md", "package.json"] {
        let is_named = |member: &&Member| member.is_file && member.path.rsplit('/').next() == Some(name);
        let found: Vec<_> = members.iter().filter(is_named).collect();
        assert_eq!(found.len(), 1, "{name} is there once");
        assert!(name != "README.md" || found[0].body == opened.readme);
    }
    assert_inside(&members);
    assert_eq!(proofs::check_archive(archive, &opened.title, &opened.version).ok().as_ref(), Some(&opened));
    let other = Version::parse("9.9.9-other").expect("a version");
    assert!(opened.version == other || proofs::check_archive(archive, &opened.title, &other).is_err());
    assert!(open(&[archive, b"x"].concat()).is_err(), "something follows");
}
