//! Codes of a second factor that change every half minute. Pure.
//!
//! Source: RFC 6238 (time), RFC 4226 §5.3 (code), RFC 4648 §6 (base32). It is twenty lines on the HMAC that is here
//! already: a crate for it would bring more than that. SHA-1 is what every authenticator takes, and no weakness in an HMAC.

use std::time::SystemTime;

use ring::hmac;

use super::passwords::is_equal;
use crate::base::clock::millis;

/// Bytes of a secret. Source: RFC 4226 §4, requirement R6.
const SECRET: usize = 20;
/// Milliseconds that a code lasts.
pub(super) const STEP: u64 = 30_000;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes a secret.
pub(super) fn random() -> [u8; SECRET] {
    rand::random()
}

/// Finds the step whose code this is: the one of now, or one beside it, since clocks differ; never one that is not after
/// `last`, since each code counts once.
pub(super) fn find_step(secret: &[u8], shown: &str, (now, last): (SystemTime, u64)) -> Option<u64> {
    let step = millis(now) / STEP;
    let steps = step.saturating_sub(1)..=step + 1;
    // All are looked at, so that the time does not tell which.
    let found = steps.filter(|step| is_equal(code(secret, *step).as_bytes(), shown.as_bytes()));
    found.filter(|step| *step > last).fold(None, |_, step| Some(step))
}

/// Computes the code of a step.
pub(super) fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[bytes.len() - 1] & 0xf);
    let number = bytes[offset..offset + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// Prints a secret as authenticators take it. 20 bytes are 32 characters, without padding.
pub(super) fn base32(secret: &[u8]) -> String {
    let group = |chunk: &[u8]| {
        let number = chunk.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (0..8).rev().map(move |place| char::from(BASE32[(number >> (5 * place) & 31) as usize]))
    };
    secret.chunks(5).flat_map(group).collect()
}

/// Reads what [`base32`] has printed.
pub(super) fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(8) {
        let mut number = 0_u64;
        for character in group {
            number = number << 5 | BASE32.iter().position(|known| known == character)? as u64;
        }
        bytes.extend_from_slice(&number.to_be_bytes()[3..]);
    }
    text.len().is_multiple_of(8).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    const RFC: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        // Source: RFC 6238, appendix B, SHA-1; the last six of its eight digits.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(RFC, seconds / 30), expected, "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_once_and_for_a_minute_or_so() {
        let at = |seconds: u64, last| find_step(RFC, "287082", (from_millis(seconds * 1000), last));
        assert_eq!(at(59, 0), Some(1));
        assert_eq!((at(29, 0), at(89, 0)), (Some(1), Some(1)), "clocks differ");
        assert_eq!(at(90, 0), None);
        assert_eq!(at(59, 1), None, "it was used");
        for wrong in ["", "28708", "2870820", "287083", "\u{ff12}87082"] {
            assert_eq!(find_step(RFC, wrong, (from_millis(59_000), 0)), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_printed_as_authenticators_take_it() {
        assert_eq!(base32(RFC), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(unbase32(&base32(RFC)).as_deref(), Some(RFC));
        let random = random();
        assert_eq!(unbase32(&base32(&random)).unwrap(), random);
        for wrong in ["A", "gezdgnbv", "GEZDGNB1"] {
            assert_eq!(unbase32(wrong), None, "{wrong}");
        }
    }
}
