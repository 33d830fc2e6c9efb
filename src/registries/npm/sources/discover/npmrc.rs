//! Reads npm's own settings out of an npmrc file. Credentials in it are none of our business and are not looked at.

use std::collections::BTreeMap;

/// Returns what a file says of `key`, variables put in; `None` when it says nothing. The last line wins.
///
/// Source: npm documentation, "npmrc": lines `key = value`, comments start with `;` or `#`.
pub fn find_setting(text: &str, key: &str, environment: &BTreeMap<String, String>) -> Option<String> {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let values = lines.filter(|line| !line.starts_with([';', '#'])).filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| unquote(value.trim()))
    });
    values.last().map(|value| expand(value, environment)).filter(|value| !value.is_empty())
}

/// Puts environment variables into a value: `${NAME}` stays as it is when there is no such variable, `${NAME?}` becomes
/// empty then, and `\${NAME}` is text.
///
/// Source: npm documentation, "npmrc", section "Environment variables".
pub fn expand(value: &str, environment: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        if let Some(text) = before.strip_suffix('\\') {
            expanded.extend([text, "${", name, "}"]);
        } else {
            let found = environment.get(name.trim_end_matches('?'));
            expanded.push_str(before);
            match found {
                Some(found) => expanded.push_str(found),
                None if name.ends_with('?') => {}
                None => expanded.extend(["${", name, "}"]),
            }
        }
        rest = tail;
    }
    expanded.push_str(rest);
    expanded
}

/// Takes the quotes off a quoted value, or the comment off a plain one.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split([';', '#']).next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [("HOST", "a.example"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn the_registry_line_is_found_in_every_spelling() {
        for (text, expected) in [
            ("registry=https://a.example/", Some("https://a.example/")),
            ("  registry  =  https://a.example/  \r\n", Some("https://a.example/")),
            ("registry=\"https://a.example/\" ; why", Some("https://a.example/")),
            ("registry='https://a.example/'", Some("https://a.example/")),
            ("registry=https://a.example/ # why", Some("https://a.example/")),
            ("registry=https://b.example/\nregistry=https://a.example/", Some("https://a.example/")),
            ("registry=https://${HOST}/", Some("https://a.example/")),
            ("; registry=https://a.example/", None),
            ("#registry=https://a.example/", None),
            ("@acme:registry=https://a.example/", None),
            ("registry2=https://a.example/", None),
            ("[section]\nregistry=https://a.example/", None),
            ("registry=", None),
            ("registry=${EMPTY}", None),
            ("registry", None),
            ("", None),
        ] {
            assert_eq!(find_setting(text, "registry", &environment()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn variables_are_put_in_as_npm_does() {
        for (value, expected) in [
            ("${HOST}", "a.example"),
            ("x${HOST}y${HOST}z", "xa.exampleya.examplez"),
            ("${NONE}", "${NONE}"),
            ("x${NONE?}y", "xy"),
            ("${HOST?}", "a.example"),
            ("\\${HOST}", "${HOST}"),
            ("${HOST", "${HOST"),
            ("$HOST", "$HOST"),
        ] {
            assert_eq!(expand(value, &environment()), expected, "{value}");
        }
    }
}
