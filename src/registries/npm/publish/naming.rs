//! What names may be made here: names that are there are never judged by this. Pure. Source: contract npm §1.1.

use crate::config::NewNames;
use crate::registries::npm::name::PackageName;

/// What Node.js has built in: a package of such a name could not be required. Source: Node.js 22, `module.builtinModules`.
const BUILT_IN: [&str; 42] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

/// Judges a name that is to be made.
///
/// # Errors
/// What is wrong with it, for who publishes.
pub fn judge(name: &PackageName, rule: NewNames) -> Result<(), &'static str> {
    match rule {
        NewNames::Old => Ok(()),
        NewNames::Seed if is_seed(name) => Ok(()),
        NewNames::Seed => Err("new names here are of a-z, 0-9, -, ., _ and ~, and begin with none of . and _"),
        NewNames::New if name.as_str().chars().any(|sign| sign.is_ascii_uppercase()) => {
            Err("new names have no capital letters")
        }
        NewNames::New if name.unscoped().contains(['~', '\'', '!', '(', ')', '*']) => {
            Err("new names have none of ~'!()*")
        }
        NewNames::New if BUILT_IN.contains(&name.as_str()) => Err("this is the name of a module of Node.js itself"),
        NewNames::New => Ok(()),
    }
}

/// Tells whether a name is `^(@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~][a-z0-9-._~]*$`.
fn is_seed(name: &PackageName) -> bool {
    let starts = |sign: u8| sign.is_ascii_lowercase() || sign.is_ascii_digit() || matches!(sign, b'-' | b'~');
    let goes_on = |sign: u8| starts(sign) || matches!(sign, b'.' | b'_');
    let fits = |part: &str| part.bytes().next().is_some_and(starts) && part.bytes().all(goes_on);
    let scope = name.scope().and_then(|scope| scope.strip_prefix('@'));
    scope.is_none_or(fits) && fits(name.unscoped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_takes_its_own_names() {
        use NewNames::{New, Old, Seed};
        for (name, taken) in [
            ("left-pad", &[Old, Seed, New][..]),
            ("@acme/tool.js_2", &[Old, Seed, New]),
            ("JSONStream", &[Old]),
            ("@acme/_private", &[Old, New]),
            ("-x", &[Old, Seed, New]),
            ("a~b", &[Old, Seed]),
            ("it's", &[Old]),
            ("fs", &[Old, Seed]),
            ("@acme/fs", &[Old, Seed, New]),
        ] {
            let name = PackageName::parse(name).unwrap();
            for rule in [Old, Seed, New] {
                assert_eq!(judge(&name, rule).is_ok(), taken.contains(&rule), "{name} by {rule:?}");
            }
        }
    }
}
