//! Integrity values and hexadecimal sums: what is read prints as it is meant, and holds for its own bytes only.
#![no_main]

use heliostat::base::digest::{Algorithm, Digest, Hasher, Integrity, Promise, hex, unhex};
use heliostat_fuzz::cut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (text, body) = cut(input);
    let Ok(text) = str::from_utf8(text) else { return };
    check_hex(text);
    let Ok(integrity) = Integrity::parse(text) else { return };
    let printed = integrity.to_string();
    assert_eq!(Integrity::parse(&printed), Ok(integrity.clone()), "{printed}");
    assert_eq!(integrity.agrees_with(&integrity), Some(true));
    let holds = |integrity: &Integrity| {
        let mut hasher = Hasher::new(Some(integrity));
        body.chunks(7).for_each(|piece| hasher.update(piece));
        let hashed = hasher.finish();
        assert_eq!((hashed.digest, hashed.length), (Digest::of(body), body.len() as u64));
        hashed.promise_holds.expect("something was promised")
    };
    let own: Integrity = Promise::from_hex(Algorithm::Sha256, &Digest::of(body).to_hex()).expect("a sum").into();
    assert!(holds(&own));
    // Where both name SHA-256, they agree exactly if it is the body's.
    let names = |algorithm: &str| printed.split(' ').any(|word| word.starts_with(algorithm));
    if names("sha256-") {
        let has_own = printed.split(' ').any(|word| word == own.to_string());
        let is_strongest = !names("sha384-") && !names("sha512-");
        assert_eq!(own.agrees_with(&integrity), Some(has_own), "{printed}");
        assert!(!is_strongest || holds(&integrity) == has_own, "{printed}");
    }
    assert!(!names("sha512-") || !holds(&integrity) || printed.contains(&of_sha512(body)), "{printed}");
});

fn check_hex(text: &str) {
    let Some(bytes) = unhex(text) else { return };
    assert_eq!(hex(&bytes), text.to_ascii_lowercase());
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_hex(), text.to_ascii_lowercase());
        assert!(Integrity::parse(&digest.to_sri()).is_ok());
    }
}

fn of_sha512(body: &[u8]) -> String {
    let sum = ring::digest::digest(&ring::digest::SHA512, body);
    let promise = Promise::from_hex(Algorithm::Sha512, &hex(sum.as_ref())).expect("a sum");
    Integrity::from(promise).to_string()
}
