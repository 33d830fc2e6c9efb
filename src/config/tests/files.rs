//! Mounts of files.

use super::*;

const TREE: &str = "[[mount]]\ndialect = \"files\"\nname = \"node\"\n";
const UPSTREAM: &str = "[[mount.upstream]]\nurl = \"https://files.example/dist\"\n";

fn files(text: &str) -> (Mount, Files) {
    let mount = read(text).unwrap().mounts.remove(0);
    let Dialect::Files(files) = mount.dialect.clone() else { panic!("a mount of files") };
    (mount, files)
}

#[test]
fn a_tree_has_its_own_place_and_defaults() {
    let (mount, keys) = files(&format!("{TREE}{UPSTREAM}"));
    assert_eq!((mount.name.as_str(), mount.path.as_str()), ("node", "/files/node"));
    assert_eq!((mount.min_ttl, mount.max_ttl), (std::time::Duration::ZERO, Files::MAX_TTL));
    assert_eq!(keys, Files::default());
}

#[test]
fn every_key_of_a_tree_is_read_and_printed() {
    let keys = "methods = [\"GET\", \"PUT\"]\nrequest_headers = [\"X-A\", \"*\"]\nredirects = \"follow\"\n\
                checksums = \"SHASUMS256.txt\"\nchecksums_required = true\npath = \"/dist\"\n";
    let text = format!("{TREE}{keys}{UPSTREAM}");
    let (mount, files) = files(&text);
    let expected = Files {
        methods: vec!["GET".into(), "PUT".into()],
        request_headers: vec!["x-a".into(), "*".into()],
        redirects: Redirects::Follow,
        checksums: Some("SHASUMS256.txt".into()),
        checksums_required: true,
    };
    assert_eq!((mount.path.as_str(), files), ("/dist", expected));
    let config = read(&text).unwrap();
    assert_eq!(read(&config.to_string()), Ok(config));
}

#[test]
fn a_tree_says_what_it_mirrors() {
    for text in [TREE.to_owned(), format!("{TREE}{UPSTREAM}scopes = [\"@a\"]\n")] {
        let missing = mistakes(&text);
        assert!(missing.len() == 1 && missing[0].contains("is missing: a mount of files says what it"), "{missing:?}");
    }
    let two = mistakes(&format!("{TREE}{UPSTREAM}{UPSTREAM}scopes = [\"@a\"]\n"));
    assert!(two[0].contains("must be one: a mount of files has no scopes"), "{two:?}");
}

#[test]
fn keys_that_make_no_sense_are_mistakes() {
    for (line, expected) in [
        ("methods = []", "methods (test.toml:4): must name one at least"),
        ("methods = [\"get\"]", "methods[0] (test.toml:4): must be a method"),
        ("methods = [\"CONNECT\"]", "methods[0] (test.toml:4): must be a method"),
        ("request_headers = [\"Cookie\"]", "must not be \"cookie\", which is for this server alone"),
        ("request_headers = [\"a b\"]", "must be a header name"),
        ("redirects = \"maybe\"", "redirects (test.toml:4): must be one of \"pass\", \"follow\""),
        ("checksums = \"a/b\"", "checksums (test.toml:4): must be a file name"),
        ("checksums_required = true", "checksums_required (test.toml:4): needs the key checksums"),
        ("signatures = \"off\"", "signatures (test.toml:4): unknown key"),
    ] {
        let found = mistakes(&format!("{TREE}{line}\n{UPSTREAM}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{line}: {found:?}");
    }
}
