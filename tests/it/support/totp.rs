//! Codes of a second factor, as an authenticator computes them. Source: RFC 6238.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;

/// What a test's user has on their telephone.
pub struct Authenticator {
    secret: Vec<u8>,
    /// The next step whose code is shown: each code counts once.
    step: u64,
}

impl Authenticator {
    /// Scans a link. Two codes are shown before half a minute must pass: that of now, and the next.
    pub fn scan(link: &str) -> Self {
        let secret =
            link.split("secret=").nth(1).and_then(|rest| rest.split('&').next()).expect("a secret in the link");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        Self { secret: unbase32(secret), step: since.as_secs() / 30 }
    }

    pub fn code(&mut self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &self.step.to_be_bytes());
        self.step += 1;
        let bytes = tag.as_ref();
        let offset = usize::from(bytes[19] & 0xf);
        let number = u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

fn unbase32(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for character in text.bytes() {
        let value = alphabet.iter().position(|known| *known == character).expect("base32");
        held = held << 5 | u32::try_from(value).expect("five bits");
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
