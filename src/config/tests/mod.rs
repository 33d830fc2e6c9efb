mod binaries;
mod files;
mod hex;
mod sync;
mod upstreams;

use std::io::Write;
use std::path::Path;

use super::*;
use crate::base::secret::{SafeUrl, Secret};

const DOCUMENTED: &str = include_str!("../../../config/heliostat.toml");
const CORPORATE: &str = include_str!("../../../config/corporate.toml");

fn read(text: &str) -> Result<Config, Mistakes> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
    parse(Some(("test.toml", text)), &environment(variables), &Flags::default())
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Returns each mistake as a line.
fn mistakes(text: &str) -> Vec<String> {
    read(text).unwrap_err().iter().map(Mistake::to_string).collect()
}

fn url(text: &str) -> SafeUrl {
    SafeUrl::parse(text).unwrap()
}

/// Returns a configuration in which every key that may be absent is there.
fn full() -> Config {
    let mut config = Config::default();
    config.listen.tls = Some(Tls { certificate: "certificate.pem".into(), key: "key.pem".into() });
    let secret = || Secret::new("hunter2");
    let basic = Credentials::Basic { username: secret(), password: secret() };
    let with = |credentials| Upstream { credentials: Some(credentials), ..Upstream::open(url("https://a.example/")) };
    config.mounts[0].upstreams =
        vec![with(Credentials::Token(secret())), with(basic), with(Credentials::Raw(secret()))];
    config.mounts.push(Mount::of(Dialect::Files(Files::default())));
    config.binaries.push(Binary::of("node", Form::Index, "files"));
    config
}

#[test]
fn the_documented_file_is_the_default() {
    assert_eq!(read(DOCUMENTED), Ok(Config::default()));
    assert_eq!(read(""), Ok(Config::default()));
    assert_eq!(parse(None, &BTreeMap::new(), &Flags::default()), Ok(Config::default()));
}

#[test]
fn a_server_that_is_told_of_no_mount_has_one_of_each_dialect_that_finds_its_upstream() {
    let mounts = Config::default().mounts;
    let places: Vec<_> = mounts.iter().map(|mount| (mount.name.as_str(), mount.path.as_str())).collect();
    assert_eq!(places, [("npm", "/npm"), ("hex", "/hex"), ("niso", "/niso"), ("nessemble", "/nessemble")]);
    assert!(mounts.iter().all(|mount| mount.upstreams.is_empty() && mount.dialect.as_str() == mount.name));
    assert_eq!(read("[[mount]]\ndialect = \"hex\"\n").unwrap().mounts, [Mount::of(Dialect::Hex(Hex::default()))]);
}

#[test]
fn the_documented_file_names_every_key_and_its_default() {
    let keys: Vec<_> = DOCUMENTED
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    let all = full().to_string();
    let printed = all.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    for key in printed.chain(["token_env", "password_env", "authorization_env"]) {
        assert!(keys.contains(&key), "{key} is not documented");
    }
    let defaults = Config::default().to_string();
    for (key, _) in defaults.lines().filter_map(|line| line.split_once(" = ")) {
        let start = format!("{key} = ");
        assert!(DOCUMENTED.lines().any(|line| line.starts_with(&start)), "{key} is not shown at its default");
    }
}

#[test]
fn the_examples_of_the_documented_file_hold_only_keys_that_exist() {
    // Examples start with `#` and no blank, prose with `# `.
    let switch_on = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
    let text: Vec<_> = DOCUMENTED.lines().map(switch_on).collect();
    let keys: Vec<_> = read(&text.join("\n")).unwrap_err().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["tls.certificate", "tls.key"], "only the files that do not exist are wrong");
}

#[test]
fn the_corporate_example_is_understood() {
    let secrets = [("ACME_REGISTRY_TOKEN", "one"), ("STAGING_PASSWORD", "two")];
    let config = read_with(CORPORATE, &secrets).unwrap();
    let [npm, staging, hex] = &config.mounts[..] else { panic!("three mounts") };
    assert_eq!(npm.upstreams[0].credentials, Some(Credentials::Token(Secret::new("one"))));
    assert_eq!(npm.public_base(&config.listen), Some(url("https://packages.corp.example/npm/")));
    assert_eq!(hex.dialect, Dialect::Hex(Hex { private: true, ..Hex::default() }));
    let basic = Credentials::Basic { username: Secret::new("mirror"), password: Secret::new("two") };
    assert_eq!(staging.upstreams[0].credentials, Some(basic));
    let missing: Vec<_> = read(CORPORATE).unwrap_err().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(missing, ["mount[0].upstream[0].token_env", "mount[1].upstream[0].password_env"]);
}

#[test]
fn what_is_printed_reads_back() {
    let secrets = [("ACME_REGISTRY_TOKEN", "****"), ("STAGING_PASSWORD", "****")];
    let mut config = read_with(CORPORATE, &secrets).unwrap();
    let Some(Credentials::Basic { username, .. }) = &mut config.mounts[1].upstreams[0].credentials else {
        panic!("a user and password")
    };
    *username = Secret::new("****");
    assert_eq!(read(&config.to_string()), Ok(config));
}

#[test]
fn secrets_are_printed_as_stars() {
    let mut config = full();
    config.fetch.proxy = Some(url("http://joe:hunter2@proxy.example:3128"));
    assert!(!format!("{config} {config:?}").contains("hunter2"));
    assert!(config.to_string().contains("token = \"****\"\n"));
    assert!(config.to_string().contains("password = \"****\"\n"));
    assert!(config.to_string().contains("proxy = \"http://****@proxy.example:3128/\"\n"));
}

#[test]
fn the_key_of_the_overlay_is_one_of_32_bytes_and_never_printed() {
    let digits = "0b".repeat(32);
    let config = read_with("[overlay]\nkey_env = \"KEY\"\n", &[("KEY", digits.as_str())]).unwrap();
    assert_eq!(config.overlay.key.as_ref().unwrap().reveal(), digits);
    assert!(config.to_string().contains("\nkey = \"****\"\n") && !format!("{config:?}").contains(&digits));
    let mistakes = read_with("[overlay]\nkey = \"hunter2\"\n", &[]).unwrap_err();
    let [mistake] = &mistakes[..] else { panic!("{mistakes:?}") };
    let told = mistake.to_string();
    assert!(told.starts_with("overlay.key") && told.contains("64 hex digits") && !told.contains("hunter2"), "{told}");
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let text = "listen = \"127.0.0.1:1\"\ndata = \"file\"\n[fetch]\nattempts = 2\nproxy = \"http://file.example\"\n";
    let variables = [
        ("HELIOSTAT_LISTEN", "127.0.0.1:2, 127.0.0.1:3"),
        ("HELIOSTAT_DATA", "environment"),
        ("HELIOSTAT_OFFLINE", "false"),
        ("HELIOSTAT_FETCH__ATTEMPTS", "7"),
    ];
    let merged = read_with(text, &variables).unwrap();
    assert_eq!(merged.listen.addresses, ["127.0.0.1:2".parse().unwrap(), "127.0.0.1:3".parse().unwrap()]);
    assert_eq!((merged.data.to_str(), merged.fetch.attempts), (Some("environment"), 7));
    assert_eq!(merged.fetch.proxy, Some(url("http://file.example")));

    let flags = Flags { listen: vec!["[::1]:4".to_owned()], data: Some("flag".into()), offline: true };
    let merged = parse(Some(("test.toml", text)), &environment(&variables), &flags).unwrap();
    assert_eq!(merged.listen.addresses, ["[::1]:4".parse().unwrap()]);
    assert_eq!((merged.data.to_str(), merged.offline, merged.fetch.attempts), (Some("flag"), true, 7));
}

#[test]
fn the_environment_reaches_into_mounts_that_no_file_names() {
    let variables = [
        ("HELIOSTAT_MOUNT__0__SIGNATURES", "off"),
        ("HELIOSTAT_MOUNT__0__UPSTREAM__0__URL", "https://registry.example"),
        ("HELIOSTAT_MOUNT__0__UPSTREAM__0__SCOPES", "@a,@b"),
    ];
    let config = parse(None, &environment(&variables), &Flags::default()).unwrap();
    assert_eq!(
        (&config.mounts[0].dialect, config.mounts[0].name.as_str()),
        (&Dialect::Npm(Npm { signatures: Signatures::Off, ..Npm::default() }), "npm")
    );
    assert_eq!(config.mounts[0].upstreams[0].scopes, ["@a", "@b"]);
}

#[test]
fn variables_that_are_wrong_are_named() {
    let variables = [
        ("HELIOSTAT_FETCH__ATTEMPTS", "many"),
        ("HELIOSTAT_LISTEN__PORT", "1"),
        ("HELIOSTAT_MOUNT__1__NAME", "x"),
        ("HELIOSTAT_OFFLINE", "maybe"),
        ("HELIOSTAT_TYPO", "x"),
    ];
    let found: Vec<_> =
        read_with("listen = \"127.0.0.1:1\"\n", &variables).unwrap_err().iter().map(Mistake::to_string).collect();
    assert_eq!(
        found[..4],
        [
            "listen.port (HELIOSTAT_LISTEN__PORT): goes below a key that holds a value",
            "mount.1.name (HELIOSTAT_MOUNT__1__NAME): 1 leaves a gap: the list has 0",
            "offline (HELIOSTAT_OFFLINE): must be true or false, not \"maybe\"",
            "fetch.attempts (HELIOSTAT_FETCH__ATTEMPTS): must be a whole number, not \"many\"",
        ]
    );
    assert!(found[4].starts_with("typo (HELIOSTAT_TYPO): unknown key"), "{found:?}");
}

#[test]
fn variables_that_name_no_key_are_left_alone() {
    let variables = [
        ("HELIOSTAT_CONFIG", "x.toml"),
        ("HELIOSTAT_TEST_ABORT_AT", "proved"),
        ("HELIOSTAT_SERVICE_HOST", "10.0.0.1"),
        ("HELIOSTAT_PORT_4870_TCP_ADDR", "10.0.0.1"),
        ("HELIOSTATIC", "x"),
        ("PATH", "/bin"),
    ];
    assert_eq!(read_with("", &variables), Ok(Config::default()));
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[test]
fn every_mistake_is_listed_with_its_key_and_line() {
    let text = r#"
listen = ["127.0.0.1:1", "nonsense", "127.0.0.1:1"]
threads = "two"
colour = "red"
[log]
filter = "=debug="
format = "loud"
[store]
max_bytes = "20 apples"
hot_bytes = "1KiB"
[fetch]
connect_timeout = 5
attempts = 0
breaker_pause = "2m"
[fetch.retries]
count = 3
[limits]
in_flight = -1
stream_buffer_bytes = 1
request_head_bytes = "1MiB"
request_headers = 257
head_timeout = "0s"
[[mount]]
dialect = "gopher"
path = "npm"
min_ttl = "1h"
artifact_hosts = ["a.example", "b.example:80"]
[[mount.upstream]]
scopes = ["acme"]
token = "hunter2"
password = "hunter2"
"#;
    let found = mistakes(text);
    let expected = [
        "listen[1] (test.toml:2): must be an address and port",
        "listen (test.toml:2): 127.0.0.1:1 is given twice",
        "threads (test.toml:3): must be a whole number, not text",
        "log.format (test.toml:7): must be one of \"auto\", \"human\", \"json\", not \"loud\"",
        "log.filter (test.toml:6): must be directives",
        "store.max_bytes (test.toml:9): must be a size",
        "store.hot_object_bytes (test.toml:8): must not be more than hot_bytes",
        "fetch.connect_timeout (test.toml:12): must be a duration",
        "fetch.attempts (test.toml:13): must be more than zero",
        "fetch.breaker_pause (test.toml:14): must not be more than breaker_pause_max",
        "fetch.retries (test.toml:15): unknown key",
        "limits.in_flight (test.toml:18): must not be negative",
        "limits.stream_buffer_bytes (test.toml:19): must be at least",
        "limits.request_head_bytes (test.toml:20): must be at least \"1KiB\" and at most",
        "limits.request_headers (test.toml:21): must not be more than 256",
        "limits.head_timeout (test.toml:22): must be more than zero",
        "mount[0].dialect (test.toml:24): must be one of \"npm\", \"hex\", \"files\", \"niso\", \"nessemble\", not \"gopher\"",
        "mount[0].path (test.toml:25): must start with \"/\"",
        "mount[0].min_ttl (test.toml:26): must not be more than max_ttl",
        "mount[0].artifact_hosts[1] (test.toml:27): must be a host name without port",
        "mount[0].upstream[0].url (test.toml:28): is missing",
        "mount[0].upstream[0].scopes[0] (test.toml:29): must be a scope",
        "mount[0].upstream[0].token (test.toml:30): must not stand beside username and password",
        "colour (test.toml:4): unknown key",
    ];
    for start in expected {
        assert!(found.iter().any(|line| line.starts_with(start)), "missing: {start}\nfound: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(!found.concat().contains("hunter2"));
}

#[test]
fn one_mistake_does_not_cause_another() {
    for text in [
        "listen = \"nowhere\"",
        "[[mount]]\nmin_ttl = \"10m\"\nmax_ttl = \"ten minutes\"",
        "[store]\nhot_bytes = 1.5\nhot_object_bytes = \"128MiB\"",
        "[[mount]]\n[[mount]]\nname = \"Two\"",
        "[[mount]]\n[[mount]]\nname = \"two\"\npath = \"two\"",
        "[[mount]]\n[[mount]]\nname = \"npm\"",
        "[[mount]]\n[[mount.upstream]]\nurl = \"https://a.example\"\n\
         [[mount.upstream]]\nurl = \"https://b.example\"\nscopes = [\"b\"]",
    ] {
        assert_eq!(mistakes(text).len(), 1, "{text}\n{:?}", mistakes(text));
    }
}

#[test]
fn a_section_of_the_wrong_kind_is_one_mistake() {
    assert_eq!(mistakes("fetch = 5"), ["fetch (test.toml:1): must be a section, not a number"]);
    assert_eq!(
        mistakes("[mount]\nname = \"x\""),
        ["mount (test.toml:1): must be a list of sections, written `[[mount]]`"]
    );
    assert_eq!(mistakes("mount = [5]"), ["mount[0] (test.toml:1): must be a section, not a number"]);
}

#[test]
fn a_file_that_is_no_toml_names_its_lines_and_quotes_none() {
    for broken in [
        "[[mount.upstream]]\ntoken = hunter2\n",
        "token = \"hunter2\n",
        "token = 'hunter2",
        "token = \"hunter2\"\ntoken = \"hunter2\"\n",
        "token = \"hunter2\\q\"\n",
        "token hunter2\n",
        "token = [\"hunter2\"\n",
        "token = \"\"\"hunter2",
        "token = hunter2hunter2 = 5",
        "token = \"a\" hunter2",
        "token = 2020-hunter2",
        "token = 0xhunter2",
    ] {
        let found = mistakes(broken);
        assert!(found[0].starts_with("test.toml:"), "{found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
    let two = mistakes("a = \n[log]\nfilter = nonsense\nb = = 1\n");
    assert!(two.len() >= 2, "{two:?}");
}

#[test]
fn files_that_cannot_be_used_are_mistakes() {
    let pem = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let (good, empty) = (pem("-----BEGIN CERTIFICATE-----\nAA==\n"), pem("nothing"));
    let read_ca = |path: &Path| read(&format!("[fetch]\nca_file = \"{}\"\n", path.display()));
    assert!(read_ca(good.path()).unwrap().fetch.extra_roots.starts_with(b"-----BEGIN"));
    assert!(read_ca(empty.path()).unwrap_err()[0].what.contains("holds no PEM block of kind CERTIFICATE"));
    assert!(read_ca(Path::new("/nonexistent/ca.pem")).unwrap_err()[0].what.starts_with("cannot read "));

    let tls = mistakes(&format!("[tls]\ncertificate = \"{}\"\n", good.path().display()));
    assert_eq!(tls, ["tls.key (test.toml:1): is missing"]);
}

#[test]
fn a_proxy_is_spoken_to_in_plain_http() {
    assert!(read("[fetch]\nproxy = \"http://proxy.example:3128\"\n").is_ok());
    assert!(mistakes("[fetch]\nproxy = \"https://proxy.example\"\n")[0].contains("must be an http URL"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let source = Source { file: Some("/nonexistent/heliostat.toml".into()), flags: Flags::default() };
    let error = load(&source).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /nonexistent/heliostat.toml");
    assert!(std::error::Error::source(&error).is_some());
}
