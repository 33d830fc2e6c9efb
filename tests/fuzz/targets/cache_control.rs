//! `Cache-Control`: whatever stands in it, what is added behind counts too, and no time is without end.
#![no_main]

use heliostat::mirror::shared::directives::{Directives, MAX_DELTA, Seconds};
use heliostat_fuzz::cut;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const TIMES: [&str; 4] = ["max-age", "s-maxage", "min-fresh", "stale-if-error"];

fuzz_target!(|input: &[u8]| {
    let (one, other) = cut(input);
    let (Ok(one), Ok(other)) = (HeaderValue::from_bytes(one), HeaderValue::from_bytes(other)) else { return };
    let read = |lines: &[&HeaderValue]| {
        Directives::of(&lines.iter().map(|line| (CACHE_CONTROL, (*line).clone())).collect::<HeaderMap>())
    };
    let (first, both) = (read(&[&one]), read(&[&one, &other]));
    for name in TIMES {
        let (alone, together) = (first.seconds(name), both.seconds(name));
        assert!(alone.valid().is_none_or(|time| time <= MAX_DELTA));
        assert_eq!(alone == Seconds::Absent, !first.has(name));
        assert_eq!(read(&[&one, &one]).seconds(name), alone, "said twice, it says the same");
        // A second line may spoil what the first one says, and never outbids it.
        assert!(alone == Seconds::Absent || together == alone || together == Seconds::Invalid);
        assert!(!first.has(name) || both.has(name));
    }
    let forbidden = HeaderValue::from_static("No-Store");
    assert!(read(&[&one, &other, &forbidden]).has("no-store"), "no line hides another");
});
