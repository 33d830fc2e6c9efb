//! Every spelling that clients send, and every one that must not get through.

use super::*;
use crate::registries::niso::error::reply;

fn get(target: &str) -> Result<Action, Error> {
    send("GET", target)
}

fn send(method: &str, target: &str) -> Result<Action, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&method.parse().unwrap(), path, query)
}

fn status(answer: Result<Action, Error>) -> u16 {
    answer.map_or_else(|error| reply(&error, "r").status.as_u16(), |_| 200)
}

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

fn spec(text: &str) -> Spec {
    Spec::parse(text).unwrap()
}

fn arch(text: &str) -> Arch {
    Arch::parse(text).unwrap()
}

#[test]
fn every_spelling_of_a_name_is_the_same_package() {
    for (expected, targets) in [
        (
            "@acme/app",
            &[
                "/v1/packages/@acme/app/versions",
                "/v1/packages/@acme%2Fapp/versions",
                "/v1/packages/@acme%2fapp/versions",
                "/v1/packages/%40acme%2fapp/versions",
                "/v1/packages/%40acme/app/versions",
                "/v1/packages/@ACME/App/versions",
                "/v1/packages/@acme/%61pp/versions/",
                "/v1/packages/@acme/app/versions?x=1",
            ][..],
        ),
        ("app", &["/v1/packages/app/versions", "/v1/packages/APP/versions/", "/v1/packages/%61pp/versions"]),
        ("versions", &["/v1/packages/versions/versions"]),
        ("@acme/versions", &["/v1/packages/@acme/versions/versions"]),
    ] {
        for target in targets {
            assert_eq!(get(target).ok(), Some(Action::Versions { name: name(expected) }), "{target}");
        }
    }
}

#[test]
fn every_route_is_found_by_its_path() {
    let app = || name("app");
    for (target, expected) in [
        ("/health", Action::Health),
        ("/health/", Action::Health),
        ("/v1/packages/app/tags", Action::Tags { name: app() }),
        ("/v1/packages/app/1.0.0/manifest", Action::Manifest { name: app(), spec: spec("1.0.0"), arch: None }),
        (
            "/v1/packages/app/latest/manifest?arch=x86_64-linux",
            Action::Manifest { name: app(), spec: spec("latest"), arch: Some(arch("x86_64-linux")) },
        ),
        (
            "/v1/packages/app/1.0.0/x86_64-linux",
            Action::Archive { name: app(), spec: spec("1.0.0"), arch: arch("x86_64-linux") },
        ),
        (
            "/v1/packages/@acme/app/latest/x86_64-linux",
            Action::Archive { name: name("@acme/app"), spec: spec("latest"), arch: arch("x86_64-linux") },
        ),
        (
            "/v1/packages/app/1.0.0-rc.1%2Bb/x86_64",
            Action::Archive { name: app(), spec: spec("1.0.0-rc.1+b"), arch: arch("x86_64") },
        ),
        (
            "/v1/packages/@acme%2Fapp/stable/x86_64/chunks",
            Action::Chunks { name: name("@acme/app"), spec: spec("stable"), arch: arch("x86_64") },
        ),
    ] {
        assert_eq!(get(target).ok(), Some(expected.clone()), "{target}");
        assert_eq!(send("HEAD", target).ok(), Some(expected), "{target}");
    }
    let hash = Digest::of(b"chunk");
    for text in [hash.to_hex(), hash.to_hex().to_uppercase()] {
        assert_eq!(get(&format!("/v1/chunks/{text}")).ok(), Some(Action::Chunk { hash }), "{text}");
    }
}

#[test]
fn a_list_says_what_of_it_is_wanted() {
    let filter = |text: &str, limit, offset| Action::List(Filter { text: text.to_owned(), limit, offset });
    for (target, expected) in [
        ("/v1/packages", filter("", None, 0)),
        ("/v1/packages/", filter("", None, 0)),
        ("/v1/packages?q=", filter("", None, 0)),
        ("/v1/packages?q=%40Acme%2Fa+b", filter("@acme/a b", None, 0)),
        ("/v1/packages?limit=10&offset=20&q=x&q=y", filter("x", Some(10), 20)),
        ("/v1/packages?limit=&more=1", filter("", None, 0)),
    ] {
        assert_eq!(get(target).ok(), Some(expected), "{target}");
    }
    for target in ["/v1/packages?limit=x", "/v1/packages?offset=-1", "/v1/packages?limit=99999999999999999999999"] {
        assert_eq!(status(get(target)), 400, "{target}");
    }
}

#[test]
fn absurd_paths_are_bad_requests() {
    let (long, short) = (format!("/v1/packages/{}/versions", "a".repeat(65)), format!("/v1/chunks/{}", "a".repeat(63)));
    let targets = "/v1/packages//versions //v1/packages /v1//packages /v1/packages/app//1.0.0 /v1/packages/app/versions// \
        /v1/packages/@acme%252Fapp/versions /v1/packages/@acme/..%2fapp/versions /v1/packages/@acme/../app \
        /v1/packages/../auth/me /v1/packages/%2e%2e/versions /v1/packages/./versions /v1/packages/@acme%2f../versions \
        /v1/packages/a%2fb/versions /v1/packages/@acme%2fapp%2fx/versions /v1/packages/@acme%2f/versions \
        /v1/packages/app%00/versions /v1/packages/app%0a/versions /v1/packages/a%5cb/versions /v1/packages/a\\b/tags \
        /v1/packages/%/versions /v1/packages/%4/versions /v1/packages/%zz/versions /v1/packages/%ff/versions \
        /v1/packages/_app/versions /v1/packages/@_acme/app/versions /v1/packages/a%20b/versions /v1/packages/é/versions \
        /v1/packages/app/1.0/x86_64 /v1/packages/app/01.0.0/x86_64 /v1/packages/app/1.0.0/-x \
        /v1/packages/app/1.0.0/a%2fb /v1/packages/app/1.0.0/versions /v1/packages/app/1.0.0/tags \
        /v1/packages/app/manifest/x86_64 /v1/packages/app/1.0.0/chunks /v1/packages/app/1.0.0/manifest/chunks \
        /v1/packages/app/1.0.0/manifest?arch=a%2fb /v1/packages/app/1.0.0/manifest?arch= /v1/chunks/xyz \
        /v1/chunks/..%2fx /v1%2fpackages /v1/packages/app/1.0.0%2fx86_64";
    for target in targets.split_whitespace().chain([long.as_str(), short.as_str()]) {
        assert_eq!(status(get(target)), 400, "{target}");
    }
}

#[test]
fn unknown_paths_are_not_found() {
    let deep = format!("/v1/packages/app{}", "/a".repeat(10_000));
    let targets = "/ /v1 /v2/packages /packages /v1/package /health/live /v1/packages/app /v1/packages/@acme \
        /v1/packages/@acme/app /v1/packages/@acme/1.0.0/x86_64-linux /v1/packages/app/versions/x /v1/packages/app/1.0.0 \
        /v1/packages/app/1.0.0/x86_64/manifest /v1/packages/app/1.0.0/x86_64/chunks/x /v1/chunks /v1/auth /v1/auth/x \
        /v1/namespaces/@acme /v1/namespaces/acme /v1/namespaces/@acme/x";
    for target in targets.split_whitespace().chain([deep.as_str()]) {
        assert_eq!(status(get(target)), 404, "{target}");
    }
    assert_eq!(status(get("")), 404);
}

#[test]
fn writes_are_refused_with_what_is_allowed() {
    let chunk = format!("/v1/chunks/{}", Digest::of(b""));
    for (method, target, expected) in [
        ("POST", "/v1/packages/app/1.0.0/x86_64", ALLOW_READ),
        ("DELETE", "/v1/packages/@acme/app/1.0.0/x86_64", ALLOW_READ),
        ("POST", "/v1/packages/app/tags", ALLOW_READ),
        ("PUT", &chunk, ALLOW_READ),
        ("OPTIONS", "/health", ALLOW_READ),
        ("TRACE", "/v1/packages", ALLOW_READ),
        ("DELETE", "/v1/packages/app/tags/stable", ALLOW_NONE),
        ("GET", "/v1/packages/app/tags/stable", ALLOW_NONE),
        ("POST", "/v1/auth/login", ALLOW_NONE),
        ("PATCH", "/v1/auth/me", ALLOW_NONE),
        ("DELETE", "/v1/auth/keys/7", ALLOW_NONE),
        ("POST", "/v1/namespaces", ALLOW_NONE),
        ("DELETE", "/v1/namespaces/%40acme/members/joe", ALLOW_NONE),
    ] {
        let Err(Error::MethodNotAllowed { allow }) = send(method, target) else { panic!("{method} {target}") };
        assert_eq!(allow, expected, "{method} {target}");
    }
    assert_eq!(status(send("POST", "/v1/packages/_app/1.0.0/x86_64")), 400);
}

#[test]
fn what_needs_a_key_has_none_that_opens_it() {
    for target in ["/v1/auth/me", "/v1/auth/keys", "/v1/auth/me/"] {
        assert_eq!(status(get(target)), 401, "{target}");
    }
}
