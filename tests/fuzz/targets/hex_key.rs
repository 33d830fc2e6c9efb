//! Keys of Hex repositories: one that is read is printed in the form that every client takes, and reads as the same. An
//! input is PEM or a fingerprint, or what stands in base64 between the lines of PEM.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heliostat::registries::hex::keys::{Fingerprint, Pin, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    for label in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
        let body = STANDARD.encode(input);
        check(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").as_bytes());
    }
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse().ok(), Some(fingerprint));
    }
});

fn check(text: &[u8]) {
    let Ok(key) = PublicKey::parse(text) else { return };
    let pem = key.to_pem();
    assert_eq!(PublicKey::parse(pem.as_bytes()).ok().as_ref(), Some(&key), "{pem}");
    let pin = Pin::Fingerprint(key.fingerprint());
    assert_eq!(pin.admit(text).ok().as_ref(), Some(&key));
    assert!(!key.verifies(b"message", &[0; 256]), "zeros are a signature");
}
