use std::time::Duration;

use super::*;
use crate::config::listen::leads_to;

#[test]
fn mounts_may_not_overlap() {
    let text = |name: &str, path: &str| format!("[[mount]]\n[[mount]]\nname = \"{name}\"\npath = \"{path}\"\n");
    assert!(read(&text("two", "/two/")).is_ok_and(|config| config.mounts[1].path == "/two"));
    assert!(read(&text("two", "/npm2")).is_ok());
    for (name, path, key) in [("npm", "/two", "name"), ("two", "/npm/", "path"), ("two", "/npm/inner", "path")] {
        let found = mistakes(&text(name, path));
        assert!(found.len() == 1 && found[0].starts_with(&format!("mount[1].{key} ")), "{found:?}");
    }
    let hosts = "[[mount]]\nhost = \"A.example\"\n[[mount]]\nname = \"two\"\nhost = \"a.example\"\n";
    assert_eq!(mistakes(hosts), ["mount[1].host (test.toml:5): mount[0] answers on \"a.example\" already"]);
}

#[test]
fn a_mounts_own_port_is_nobody_elses() {
    let text = |listen: &str| {
        format!("[[mount]]\nlisten = \"127.0.0.1:4871\"\n[[mount]]\nname = \"two\"\nlisten = [{listen}]\n")
    };
    assert!(read(&text("\"127.0.0.1:4872\", \"[::1]:4872\"")).is_ok());
    for taken in ["127.0.0.1:4870", "[::1]:4871", "127.0.0.1:0"] {
        let found = mistakes(&text(&format!("\"{taken}\"")));
        assert!(found.len() == 1 && found[0].starts_with("mount[1].listen "), "{found:?}");
    }
}

#[test]
fn paths_that_the_server_needs_or_cannot_match_are_refused() {
    for path in ["", "npm", "/", "//", "/metrics", "/-/x", "/healthz/", "/a//b", "/a/../b", "/a b", "/a%2fb", "/é"] {
        assert_eq!(mistakes(&format!("[[mount]]\npath = \"{path}\"\n")).len(), 1, "{path}");
    }
    assert!(read("[[mount]]\npath = \"/registries/npm-1.0\"\n").is_ok());
}

#[test]
fn a_scope_has_one_upstream_and_the_rest_has_one() {
    let upstream = |scopes: &str| format!("[[mount.upstream]]\nurl = \"https://a.example\"\nscopes = [{scopes}]\n");
    let with = |first: &str, second: &str| format!("[[mount]]\n{}{}", upstream(first), upstream(second));
    assert!(read(&with("\"@a\"", "")).is_ok());
    for (first, second) in [("\"@a\"", "\"@b\", \"@a\""), ("\"@b\"", "\"@a\", \"@a\""), ("", "")] {
        let found = mistakes(&with(first, second));
        assert!(found.len() == 1 && found[0].starts_with("mount[0].upstream[1].scopes "), "{found:?}");
    }
}

#[test]
fn credentials_are_a_token_or_a_user_and_password_or_a_header() {
    let found = |keys: &str| {
        let text = format!("[[mount]]\n[[mount.upstream]]\nurl = \"https://a.example\"\n{keys}");
        let variables = [("GOOD", "hunter2"), ("EMPTY", ""), ("BAD", "hunter2\n")];
        match read_with(&text, &variables) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>(),
        }
    };
    let good = ["", "token = \"\"", "token = \"a\"", "token_env = \"GOOD\"", "username = \"a\"\npassword = \"b\""];
    for keys in good.into_iter().chain([
        "authorization = \"a\"",
        "authorization_env = \"GOOD\"",
        "username = \"a\"\npassword = \"\"\npassword_env = \"GOOD\"",
    ]) {
        assert_eq!(found(keys), [""; 0], "{keys}");
    }
    for (keys, key) in [
        ("token = \"a\"\ntoken_env = \"GOOD\"", "token_env"),
        ("token_env = \"hunter2\"", "token_env"),
        ("token_env = \"EMPTY\"", "token_env"),
        ("token_env = \"BAD\"", "token_env"),
        ("token = 5", "token"),
        ("token = \"a\"\nusername = \"b\"\npassword = \"c\"", "token"),
        ("token = \"a\"\npassword = \"c\"", "token"),
        ("authorization = \"a\"\nauthorization_env = \"GOOD\"", "authorization_env"),
        ("authorization = \"a\"\ntoken = \"b\"", "authorization"),
        ("authorization_env = \"BAD\"", "authorization_env"),
        ("username = \"a\"", "username"),
        ("password_env = \"GOOD\"", "password"),
        ("username = \"a\"\npassword_env = \"NONE\"", "password_env"),
        ("username = \"a:b\"\npassword = \"c\"", "username"),
    ] {
        let found = found(keys);
        assert_eq!(found.len(), 1, "{keys}: {found:?}");
        assert!(found[0].starts_with(&format!("mount[0].upstream[0].{key} ")), "{found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn an_upstream_that_is_ourselves_is_refused() {
    let with = |url: &str| {
        format!(
            "public_url = \"https://mirror.example/base\"\n[[mount]]\nhost = \"npm.example\"\n\
             [[mount.upstream]]\nurl = \"{url}\"\n"
        )
    };
    for ours in [
        "http://127.0.0.1:4870/npm/",
        "http://localhost:4870/other/",
        "https://mirror.example/base/npm",
        "https://npm.example",
    ] {
        assert_eq!(mistakes(&with(ours)).len(), 1, "{ours}");
    }
    for theirs in ["http://127.0.0.1:4873/", "https://mirror.example/other/", "https://registry.example/npm/"] {
        assert!(read(&with(theirs)).is_ok(), "{theirs}");
    }
}

#[test]
fn listening_everywhere_is_found_by_asking_which_addresses_are_local() {
    let everywhere = ["0.0.0.0:4870".parse().unwrap()];
    let leads_here = |text: &str| leads_to(&everywhere, url(text).as_url(), &|host| host.to_string() == "192.0.2.1");
    assert!(leads_here("http://localhost:4870/"));
    assert!(leads_here("http://[::1]:4870/"));
    assert!(leads_here("http://192.0.2.1:4870/"));
    assert!(!leads_here("http://192.0.2.2:4870/"));
    assert!(!leads_here("http://192.0.2.1/"));
}

#[test]
fn a_mount_knows_where_clients_reach_it() {
    let config = read("public_url = \"https://mirror.example/base\"\n").unwrap();
    let base = |mount: &Mount, listen: &Listen| mount.public_base(listen).map(|url| url.to_string());
    assert_eq!(base(&config.mounts[0], &config.listen).as_deref(), Some("https://mirror.example/base/npm/"));
    assert_eq!(base(&config.mounts[0], &Listen::default()), None);
    let own = Mount { public_url: Some(url("https://npm.example/")), ..Mount::default() };
    assert_eq!(base(&own, &config.listen).as_deref(), Some("https://npm.example/"));
}

#[test]
fn a_mount_with_a_name_alone_is_at_that_name() {
    let config = read("[[mount]]\nname = \"tools\"\nmax_ttl = \"1h\"\n").unwrap();
    assert_eq!(config.mounts[0].path, "/tools");
    assert_eq!(config.mounts[0].max_ttl, Duration::from_secs(3600));
}
