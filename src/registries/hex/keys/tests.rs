use super::*;

/// [`HEXPM`] as OpenSSL prints it in the other form.
const HEXPM_PKCS1: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEApqREcFDt5vV21JVe2QNBEdvzk6w36aNFhVGWN5toNJRjRJ6m4hIu
G4KaXtDWVLjnvct6MYMfqhC79HAGwyF+IqR6Q6a5bbFSsImgBJwz1oadoVKD6ZNe
tAuCIK84cjMrEFRkELtEIPNHblCzUkkM3rS9+DPlnfG8hBvGi6tvQIuZmXGCxF/7
3hU0/MyGhbmEjIKRtG6b0sJYKelRLTPWXgK7s5pESgiwf2YC/2MGDXjAJfpfCd0R
pLdvd4eRiXtVlE9qO9bND94E7PgQ/xqZJ1i2xWFndWa6nfFnRxZmCStCOZWYYPla
xr+FZceFbpMwzTNs4g3d4tLNUcbKAIH40wIDAQAB
-----END RSA PUBLIC KEY-----
";
/// What mix compares. Source: mix Hex, `test/mix/tasks/hex.repo_test.exs`.
const HEXPM_FINGERPRINT: &str = "SHA256:O1LOYhHFW4kcrblKAxROaDEzLD8bn1seWbe5tq8TRsk";

#[test]
fn a_key_is_the_same_in_either_form() {
    let key = PublicKey::hexpm();
    assert_eq!(PublicKey::parse(HEXPM_PKCS1.as_bytes()), Ok(key.clone()));
    assert_eq!(key.bits(), 2048);
    assert_eq!(key.to_pem(), HEXPM);
    let indented: String = HEXPM.lines().map(|line| format!("    {line}\r\n")).collect();
    assert_eq!(PublicKey::parse(format!("the key:\n{indented}").as_bytes()), Ok(key));
}

#[test]
fn a_fingerprint_is_the_one_that_mix_compares() {
    let fingerprint = PublicKey::hexpm().fingerprint();
    assert_eq!(fingerprint.to_string(), HEXPM_FINGERPRINT);
    assert_eq!(HEXPM_FINGERPRINT.parse(), Ok(fingerprint));
    for text in ["", "SHA256:", "SHA256:AAAA", &HEXPM_FINGERPRINT[7..], &format!("{HEXPM_FINGERPRINT}=")] {
        assert_eq!(text.parse::<Fingerprint>(), Err(Error::NotFingerprint), "{text}");
    }
}

#[test]
fn what_is_no_usable_key_is_refused() {
    let block = |label: &str, bytes: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
    };
    let sequence = |numbers: &[&[u8]]| {
        let numbers: Vec<u8> =
            numbers.iter().flat_map(|number| UintRef::new(number).unwrap().to_der().unwrap()).collect();
        AnyRef::new(Tag::Sequence, &numbers).unwrap().to_der().unwrap()
    };
    let short = block(PKCS1, &sequence(&[&[0xff; 128][..], &[1, 0, 1]]));
    assert_eq!(PublicKey::parse(short.as_bytes()), Err(Error::Size(1024)));
    let long = block(PKCS1, &sequence(&[&[0xff; 1025][..], &[1, 0, 1]]));
    assert_eq!(PublicKey::parse(long.as_bytes()), Err(Error::Size(8200)));
    let right = sequence(&[&[0xff; 256][..], &[1, 0, 1]]);
    assert!(PublicKey::parse(block(PKCS1, &right).as_bytes()).is_ok());
    for bytes in [&right[..200], &[&right[..], &[0]].concat(), &sequence(&[&[0xff; 256]]), &[], b"\x30\x00"] {
        for label in [PKCS1, SPKI] {
            let read = PublicKey::parse(block(label, bytes).as_bytes());
            assert!(matches!(read, Err(Error::NotRsa(_))), "{label} {bytes:?}");
        }
    }
    // The elliptic curve key of another registry: the right wrapping, the wrong kind.
    let curve = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+Ih\
        uteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==";
    let curve = block(SPKI, &STANDARD.decode(curve).unwrap());
    assert!(matches!(PublicKey::parse(curve.as_bytes()), Err(Error::NotRsa(_))));
    for text in [
        "",
        "-----BEGIN PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &format!("{}{HEXPM}", "\n".repeat(MAX_PEM)),
    ] {
        assert_eq!(PublicKey::parse(text.as_bytes()), Err(Error::NotPem));
    }
    assert_eq!(PublicKey::parse(b"\xff\xfe"), Err(Error::NotPem));
}

#[test]
fn a_pinned_fingerprint_lets_in_its_key_alone() {
    let other = STANDARD.encode([7; 32]);
    let pinned = |text: &str| text.parse().map(Pin::Fingerprint);
    for (pin, admits) in [
        (Pin::Key(PublicKey::parse(HEXPM.as_bytes()).unwrap()), true),
        (pinned(HEXPM_FINGERPRINT).unwrap(), true),
        (pinned(&format!("SHA256:{}", other.trim_end_matches('='))).unwrap(), false),
    ] {
        let found = PublicKey::hexpm().fingerprint();
        let expected = if admits { Ok(PublicKey::hexpm()) } else { Err(Error::Other { found }) };
        assert_eq!(pin.admit(HEXPM_PKCS1.as_bytes()), expected, "{pin:?}");
    }
    assert_eq!(pinned(HEXPM_FINGERPRINT).unwrap().admit(b"<html>"), Err(Error::NotPem));
    for text in ["", "hexpm", "SHA1:AAAA", "SHA256:AAAA"] {
        assert!(pinned(text).is_err(), "{text}");
    }
}
