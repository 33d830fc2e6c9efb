//! Request targets: what is taken apart is what came, in three parts, of which the host is one.
#![no_main]

use heliostat::front::target::{host_of, parse};
use heliostat_fuzz::cut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (raw, host) = cut(input);
    let Ok(target) = parse(raw, Some(host)) else { return };
    let rest =
        if target.query.is_empty() { target.path.to_owned() } else { format!("{}?{}", target.path, target.query) };
    assert!(target.path.starts_with('/') && !target.path.contains('?'));
    // A host without a path has the path `/`, a query that is empty is none.
    let text = str::from_utf8(raw).expect("a target is text");
    let is_end = text.strip_suffix('?').unwrap_or(text).ends_with(&rest);
    assert!(is_end || text.ends_with(rest.trim_start_matches('/')), "{text:?}: {rest:?}");
    let name = host_of(target.authority);
    assert!(!name.is_empty() && target.authority.starts_with(name));
    assert!(!target.authority.contains(['/', '?', '#', '@', '%', '\\', '"', '<', '>', ' ']), "{:?}", target.authority);
    assert_eq!(parse(rest.as_bytes(), Some(target.authority.as_bytes())), Ok(target));
    let absolute = format!("http://{}{rest}", target.authority);
    assert_eq!(parse(absolute.as_bytes(), Some(b"other.example")), Ok(target));
});
