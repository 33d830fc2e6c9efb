//! Hex's archives: what is read of a tarball is what another reader finds there, and no documentation leaves its place.
#![no_main]

use heliostat::base::digest::Digest;
use heliostat::registries::hex::proofs;
use heliostat::registries::hex::wire::{Tarball, check_docs};
use heliostat_fuzz::archives::{assert_inside, find, gzip, mend, pack, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Both as it is, and as one who writes headers with care would send it.
    for tar in [input.to_vec(), mend(input)] {
        check_tarball(&tar);
        check_documentation(&tar);
    }
    let _ = check_docs(input);
});

fn check_tarball(body: &[u8]) {
    let Ok(tarball) = Tarball::parse(body) else { return };
    let members = unpack(body).expect("what we can read, others can");
    assert_eq!(find(&members, "VERSION"), Some(&b"3"[..]));
    assert_eq!(find(&members, "metadata.config"), Some(&*tarball.metadata));
    assert_eq!(find(&members, "contents.tar.gz"), Some(&*tarball.contents));
    let checksum = tarball.checksum.to_hex();
    let files: [(&str, &[u8]); 4] = [
        ("VERSION", b"3"),
        ("CHECKSUM", checksum.as_bytes()),
        ("metadata.config", &tarball.metadata),
        ("contents.tar.gz", &tarball.contents),
    ];
    assert_eq!(Tarball::parse(&pack(&files)).ok().as_ref(), Some(&tarball), "packed again, it is the same");
    let inner = tarball.inner_checksum();
    assert_eq!(inner, Digest::of(&[b"3", &*tarball.metadata, &*tarball.contents].concat()));
    assert_eq!(proofs::tarball(body, &inner).is_ok(), inner == tarball.checksum);
}

fn check_documentation(tar: &[u8]) {
    let body = gzip(tar);
    if check_docs(&body).is_err() {
        return;
    }
    let members = unpack(tar).expect("what we can read, others can");
    assert_inside(&members);
    assert!(check_docs(&[&body[..], b"x"].concat()).is_err(), "something follows");
}
