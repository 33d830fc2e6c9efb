//! How much memory a question takes once it is read: a short one, well packed, may hold millions of values. Pure.

/// The most that is read, in bytes as they are estimated: a lock tree of some ten thousand packages.
const MAX: usize = 32 << 20;
/// An object: the first node of its tree has room for eleven members.
const OBJECT: usize = 640;
/// An array: it has room for a few elements from the first on.
const ARRAY: usize = 128;
/// A member: its name, and its share of the nodes.
const MEMBER: usize = 128;
/// One more element, or member, beyond what the bytes of its text take.
const NEXT: usize = 64;

/// Tells whether JSON takes too much memory to be read. What is no JSON may be judged either way.
pub fn is_heavy(json: &[u8]) -> bool {
    weigh(json) > MAX
}

/// Estimates the bytes of memory that JSON takes as values: not less than it does.
fn weigh(json: &[u8]) -> usize {
    let (mut weight, mut is_text, mut is_escaped) = (json.len(), false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' => weight += OBJECT,
            b'[' => weight += ARRAY,
            b':' => weight += MEMBER,
            b',' => weight += NEXT,
            _ => {}
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_weigh_what_they_take_and_text_its_length() {
        for (json, weight) in [
            ("7", 1),
            ("{}", 2 + OBJECT),
            (r#"{"a":[0,0]}"#, 11 + OBJECT + MEMBER + ARRAY + NEXT),
            (r#""{[:,\"{[:,\\""#, 14),
            (r#"["\\",{}]"#, 9 + ARRAY + NEXT + OBJECT),
        ] {
            assert_eq!(weigh(json.as_bytes()), weight, "{json}");
        }
    }

    #[test]
    fn a_large_lock_tree_is_light_and_millions_of_values_are_not() {
        let hash = "x".repeat(88);
        let package = format!(
            r#""package":{{"version":"1.0.0","integrity":"sha512-{hash}","dev":true,"requires":{{"a":"1","b":"2","c":"3"}}}},"#
        );
        assert!(!is_heavy(package.repeat(10_000).as_bytes()));
        for many in ["0,", "\"\",", "{},", "[],", r#"{"":0},"#, r#""":0,"#] {
            assert!(is_heavy(many.repeat((8 << 20) / many.len()).as_bytes()), "{many}");
        }
    }
}
