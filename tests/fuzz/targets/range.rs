//! Ranges: whatever a client asks for, what it is due are parts of the whole, in order, none of them empty.
#![no_main]

use std::ops::Range;

use heliostat::base::conditional::{Due, decide, parse_range};
use http::header::{HeaderMap, HeaderValue, RANGE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((length, header)) = input.split_first_chunk() else { return };
    let (length, Ok(header)) = (u64::from_le_bytes(*length), str::from_utf8(header)) else { return };
    // Short bodies are as likely as long ones.
    for length in [length, length & 0xff] {
        let parts = parse_range(header, length);
        if let Some(parts) = &parts {
            check(header, length, parts);
        }
        let Ok(value) = HeaderValue::from_str(header) else { continue };
        let expected = match parts {
            _ if !header.is_ascii() => Due::Whole,
            None => Due::Whole,
            Some(parts) if parts.is_empty() => Due::Unsatisfiable,
            Some(parts) => Due::Parts(parts),
        };
        assert_eq!(decide(&HeaderMap::from_iter([(RANGE, value)]), &HeaderMap::new(), Some(length)), expected);
    }
});

fn check(header: &str, length: u64, parts: &[Range<u64>]) {
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= length), "{parts:?} of {length}");
    // Two that touch are one.
    assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start), "{parts:?}");
    let words: Vec<String> = parts.iter().map(|part| format!("{}-{}", part.start, part.end - 1)).collect();
    if !parts.is_empty() {
        assert_eq!(parse_range(&format!("bytes={}", words.join(",")), length).as_deref(), Some(parts));
    }
    let edges = parts.iter().flat_map(|part| [part.start, part.end - 1, part.end]).chain([0, length.saturating_sub(1)]);
    for byte in edges.filter(|byte| *byte < length) {
        let is_due = parts.iter().any(|part| part.contains(&byte));
        assert_eq!(is_due, is_asked(header, byte, length), "byte {byte} of {length}: {header}");
    }
}

/// Reads the header once more, for one byte of the body. Source: RFC 9110 §14.1.2.
fn is_asked(header: &str, byte: u64, length: u64) -> bool {
    let number = |digits: &str| digits.trim().parse::<u128>().unwrap_or(u128::MAX);
    let (byte, length) = (u128::from(byte), u128::from(length));
    let (_, list) = header.split_once('=').expect("what was understood has one");
    let mut words = list.split(',').filter_map(|word| word.split_once('-'));
    words.any(|(first, last)| match (first.trim(), last.trim()) {
        ("", suffix) => byte >= length.saturating_sub(number(suffix)),
        (first, "") => byte >= number(first),
        (first, last) => (number(first)..=number(last)).contains(&byte),
    })
}
