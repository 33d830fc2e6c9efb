//! Every spelling that clients send, and every one that must not get through.

use super::*;
use crate::registries::hex::error::{Shape, reply};

fn get(target: &str) -> Result<Action, Error> {
    send("GET", target)
}

fn send(method: &str, target: &str) -> Result<Action, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&method.parse().unwrap(), path, query)
}

fn status(answer: Result<Action, Error>) -> u16 {
    answer.map_or_else(|error| reply(&error, "r", Shape::Text).status.as_u16(), |_| 200)
}

/// Returns the action's name and its one path.
fn told(target: &str) -> (&'static str, String) {
    let action = get(target).unwrap_or_else(|error| panic!("{target}: {error}"));
    (action.name(), action.path())
}

#[test]
fn every_endpoint_has_its_action_and_one_path() {
    for (target, name) in [
        ("names", "names"),
        ("versions", "versions"),
        ("packages/jason", "package"),
        ("packages/addressBook", "package"),
        ("tarballs/jason-1.4.1.tar", "tarball"),
        ("tarballs/foo-1.0.0-0.3.tar", "tarball"),
        ("docs/jason-1.4.1.tar.gz", "docs"),
        ("policies/no-gpl", "policy"),
        ("public_key", "public_key"),
        ("repos/acme/names", "names"),
        ("repos/acme/versions", "versions"),
        ("repos/acme/packages/secret", "package"),
        ("repos/acme/tarballs/secret-0.1.0.tar", "tarball"),
        ("repos/acme/docs/secret-0.1.0.tar.gz", "docs"),
        ("repos/acme/policies/block", "policy"),
        ("repos/acme/public_key", "public_key"),
        ("installs/hex-1.x.csv", "installs"),
        ("installs/hex-1.x.csv.signed", "installs"),
        ("installs/1.14.0/hex-2.0.6.ez", "installs"),
        ("installs/1.19.0/rebar3-3.25.1-otp-28", "installs"),
        ("registry.ets.gz", "registry_v1"),
        ("registry.ets.gz.signed", "registry_v1_signature"),
    ] {
        assert_eq!(told(&format!("/{target}")), (name, target.to_owned()));
    }
}

#[test]
fn every_spelling_of_a_path_is_the_same_action() {
    for (expected, targets) in [
        (
            "/packages/jason",
            &["//packages/jason", "/packages//jason/", "/%70ackages/%6aason", "/packages/jason?x=1"][..],
        ),
        ("/tarballs/jason-1.4.1.tar", &["//tarballs/jason-1.4.1.tar", "/tarballs/jason%2d1.4.1%2Etar"]),
        ("/repos/acme/names", &["///repos//acme///names//", "/repos/%61cme/names"]),
        ("/installs/hex.csv", &["//installs/hex.csv"]),
        ("/registry.ets.gz", &["//registry.ets.gz/"]),
    ] {
        for target in targets {
            assert_eq!(get(target).unwrap(), get(expected).unwrap(), "{target}");
        }
    }
}

#[test]
fn a_named_repository_is_another_root() {
    let main = get("/packages/jason").unwrap();
    let named = get("/repos/acme/packages/jason").unwrap();
    assert_ne!(main, named);
    let Action::Package { root: Root::Named(root), .. } = named else { panic!("{named:?}") };
    assert_eq!(root.as_str(), "acme");
}

#[test]
fn names_and_versions_are_judged_before_anybody_is_asked() {
    for target in [
        "/packages/Jason",
        "/packages/a",
        "/packages/a-b",
        "/packages/a.b",
        "/packages/a%00b",
        "/packages/a%0ab",
        "/packages/%2e%2e",
        "/packages/..",
        "/packages/./jason",
        "/packages/ja%2fson",
        "/packages/ja%5cson",
        "/packages/ja\\son",
        "/packages/%ff%fe",
        "/packages/jason%",
        "/packages/jason%zz",
        "/packages/jason%2",
        "/tarballs/jason.tar",
        "/tarballs/jason-.tar",
        "/tarballs/jason-1.0.tar",
        "/tarballs/jason-1.0.0+build.tar",
        "/tarballs/jason-..%2f..%2fetc.tar",
        "/tarballs/Jason-1.0.0.tar",
        "/docs/jason-v1.0.0.tar.gz",
        "/policies/ab",
        "/policies/%2e%2e",
        "/repos/Acme/names",
        "/repos/a:b/names",
        "/repos/../names",
        "/repos/%2e%2e/names",
        "/api/../names",
        "/api/%2e%2e/names",
        "/api/packages/%2fetc%2f..%2f",
        "/api/%00",
        "/api/%",
    ] {
        assert_eq!(status(get(target)), 400, "{target}");
    }
    let long = format!("/packages/{}", "a".repeat(256));
    assert_eq!(status(get(&long)), 400);
}

#[test]
fn what_no_repository_has_is_not_found() {
    for target in [
        "/",
        "",
        "//",
        "/name",
        "/names/x",
        "/packages",
        "/packages/",
        "/packages/jason/releases",
        "/tarballs",
        "/tarballs/jason-1.4.1",
        "/tarballs/jason-1.4.1.tar.gz.sig",
        "/tarballs/jason-1.4.1.tgz",
        "/docs/jason-1.4.1.tar",
        "/repos",
        "/repos/acme",
        "/repos/acme/repos/other/names",
        "/repos/acme/installs/hex.csv",
        "/repos/acme/registry.ets.gz",
        "/repos/acme/api/packages",
        "/installs",
        "/installs/",
        "/installs/other.csv",
        "/installs/hex.csv.signed",
        "/installs/1.14.0/hex-2.0.6.exe",
        "/installs/1.14.0/x/hex-2.0.6.ez",
        "/registry.ets",
        "/apis/packages",
        "/a/a/a/a/a/a/a/a/a/a/a/a/a",
    ] {
        assert_eq!(status(get(target)), 404, "{target}");
    }
    assert_eq!(status(get(&"/a".repeat(100_000))), 404);
}

#[test]
fn a_repository_is_only_read() {
    for target in ["/names", "/packages/jason", "/tarballs/jason-1.4.1.tar", "/repos/acme/names", "/installs/hex.csv"] {
        assert_eq!(send("HEAD", target).unwrap(), get(target).unwrap());
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let error = send(method, target).unwrap_err();
            assert!(
                matches!(&error, Error::MethodNotAllowed { allow } if allow == "GET, HEAD"),
                "{method} {target}: {error:?}"
            );
        }
        assert_eq!(status(send("BREW", target)), 501);
    }
}

#[test]
fn the_api_is_passed_on_as_it_came() {
    for (target, expected) in [
        ("/api", ""),
        ("/api/", ""),
        ("/api/packages/jason", "packages/jason"),
        ("/api//packages//jason", "packages/jason"),
        ("/%61pi/packages/jason", "packages/jason"),
        ("/api/repos/acme/packages/jason/releases/1.4.1", "repos/acme/packages/jason/releases/1.4.1"),
        ("/api/packages?search=a%20b&page=2", "packages?search=a%20b&page=2"),
        ("/api/packages/jason/owners/a%2540b.example", "packages/jason/owners/a%2540b.example"),
        ("/api/keys/my%20key%2F2", "keys/my%20key%2F2"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(send(method, target).unwrap(), Action::Api { target: expected.into() }, "{method} {target}");
        }
        assert_eq!(status(send("BREW", target)), 501);
    }
}

#[test]
fn the_api_is_told_from_the_repository_whatever_the_path_is_worth() {
    for path in ["/api", "/api/x", "//api/%zz", "/%61pi/..", "/api/packages"] {
        assert!(is_api(path), "{path}");
    }
    for path in ["", "/", "/apis", "/packages/api", "/repos/api/names", "/%ff"] {
        assert!(!is_api(path), "{path}");
    }
}
