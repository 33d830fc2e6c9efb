//! Mounts of Hex repositories.

use super::*;

const MOUNT: &str = "[[mount]]\ndialect = \"hex\"\n";
const UPSTREAM: &str = "[[mount.upstream]]\nurl = \"https://repo.example\"\n";

const PEM: &[u8] = b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n";

fn fingerprint() -> String {
    format!("SHA256:{}", "A".repeat(43))
}

#[test]
fn the_public_repository_needs_no_keys() {
    let config = read(MOUNT).unwrap();
    let mount = &config.mounts[0];
    assert_eq!((mount.name.as_str(), mount.path.as_str()), ("hex", "/hex"));
    assert_eq!(mount.dialect, Dialect::Hex(Hex::default()));
    assert_eq!(mount.max_ttl, std::time::Duration::from_secs(300));
}

#[test]
fn every_key_of_a_repository_is_read_and_printed() {
    let keys = "repository = \"acme_2\"\napi = \"https://hex.example/api\"\napi_writes = true\nprivate = true\n";
    let text = format!("{MOUNT}{keys}fingerprint = \"{}\"\n{UPSTREAM}", fingerprint());
    let config = read(&text).unwrap();
    let expected = Hex {
        repository: "acme_2".into(),
        public_key: None,
        fingerprint: Some(fingerprint()),
        api: Some(url("https://hex.example/api/")),
        api_writes: true,
        private: true,
    };
    assert_eq!(config.mounts[0].dialect, Dialect::Hex(expected));
    assert_eq!(read(&config.to_string()), Ok(config));
}

#[test]
fn a_key_file_is_read_with_the_configuration() {
    let file = key_file();
    let config = read(&format!("{MOUNT}public_key = {:?}\n", file.path())).unwrap();
    let Dialect::Hex(Hex { public_key: Some(key), .. }) = &config.mounts[0].dialect else { panic!("no key") };
    assert_eq!((key.file.as_path(), key.pem.as_slice()), (file.path(), PEM));
    assert_eq!(read(&config.to_string()), Ok(config));
}

#[test]
fn keys_that_make_no_sense_are_mistakes() {
    let file = key_file();
    let both = format!("public_key = {:?}\nfingerprint = \"{}\"", file.path(), fingerprint());
    for (line, expected) in [
        ("repository = \"Acme\"", "repository (test.toml:3): must be lower-case letters"),
        ("repository = \"hexpm:acme\"", "repository (test.toml:3): must be lower-case letters"),
        ("repository = \"acme\"", "public_key (test.toml:1): is missing: nothing of \"acme\" can be proved"),
        ("fingerprint = \"SHA256:short\"", "fingerprint (test.toml:3): must be \"SHA256:\" and 43"),
        ("public_key = \"/nowhere/key.pem\"", "public_key (test.toml:3): cannot read /nowhere/key.pem"),
        ("api = \"hex.example\"", "api (test.toml:3): must be"),
        ("signatures = \"off\"", "signatures (test.toml:3): unknown key"),
        (both.as_str(), "must not stand beside public_key"),
    ] {
        let found = mistakes(&format!("{MOUNT}{line}\n{UPSTREAM}"));
        assert!(found.iter().any(|mistake| mistake.contains(expected)) && found.len() == 1, "{line}: {found:?}");
    }
}

#[test]
fn another_repository_says_where_it_is_and_none_has_scopes() {
    let other = format!("{MOUNT}repository = \"acme\"\nfingerprint = \"{}\"\n", fingerprint());
    for (text, expected) in [
        (other, "is missing: a mount of hex says what it mirrors"),
        (format!("{MOUNT}{UPSTREAM}scopes = [\"@a\"]\n"), "is missing: a mount of hex says what it mirrors"),
        (format!("{MOUNT}{UPSTREAM}{UPSTREAM}scopes = [\"@a\"]\n"), "must be one: a mount of hex has no scopes"),
    ] {
        let found = mistakes(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
}

fn key_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(PEM).unwrap();
    file
}
