//! By what an endpoint knows that it is us who tell it. Source: contract npm §15, RFC 2104.

use ring::hmac;

use crate::base::digest::hex;
use crate::base::secret::Secret;

/// Returns `sha256=` and the HMAC of a body, in hex.
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, body).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_the_standard_says() {
        // Source: RFC 4231 §4.3, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(&Secret::new("Jefe"), b"what do ya want for nothing?"), expected);
    }
}
