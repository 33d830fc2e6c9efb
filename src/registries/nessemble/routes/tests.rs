//! Every spelling that clients send, and every one that must not get through.

use super::*;
use crate::registries::nessemble::error::reply;

fn get(target: &str) -> Result<Action, Error> {
    send("GET", target)
}

fn send(method: &str, target: &str) -> Result<Action, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&method.parse().unwrap(), path, query, None)
}

fn status(answer: Result<Action, Error>) -> u16 {
    answer.map_or_else(|error| reply(&error, "r").status.as_u16(), |_| 200)
}

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn version(text: &str) -> Option<Version> {
    Some(Version::parse(text).unwrap())
}

#[test]
fn every_route_is_found_with_and_without_v1() {
    let foo = || title("foo");
    let reference = |path: &[&str]| Action::Reference { path: path.iter().map(|term| (*term).to_owned()).collect() };
    for (path, expected) in [
        ("", Action::List(Page::default())),
        ("/", Action::List(Page::default())),
        ("/status", Action::Status),
        ("/search", Action::Search { term: None }),
        ("/search/", Action::Search { term: None }),
        ("/search/foo", Action::Search { term: Some("foo".into()) }),
        ("/package/foo", Action::Package { title: foo(), version: None }),
        ("/package/foo/", Action::Package { title: foo(), version: None }),
        ("/package/%66oo", Action::Package { title: foo(), version: None }),
        ("/package/foo/1.0.1", Action::Package { title: foo(), version: version("1.0.1") }),
        ("/package/foo/1.0.1-rc.1%2Bb", Action::Package { title: foo(), version: version("1.0.1-rc.1+b") }),
        ("/package/foo/README", Action::Readme { title: foo(), version: None }),
        ("/package/foo/1.0.1/README", Action::Readme { title: foo(), version: version("1.0.1") }),
        ("/package/foo/data", Action::Data { title: foo(), version: None }),
        ("/package/foo/1.0.1/data", Action::Data { title: foo(), version: version("1.0.1") }),
        ("/package/data/data", Action::Data { title: title("data"), version: None }),
        ("/package/v1", Action::Package { title: title("v1"), version: None }),
        ("/reference", reference(&[])),
        ("/reference/", reference(&[])),
        ("/reference/registers/PPUCTRL", reference(&["registers", "PPUCTRL"])),
        ("/reference/a/b/c", reference(&["a", "b", "c"])),
    ] {
        for target in [path.to_owned(), format!("/v1{path}"), format!("{path}?more=1")] {
            assert_eq!(get(&target).ok(), Some(expected.clone()), "{target}");
            assert_eq!(send("HEAD", &target).ok(), Some(expected.clone()), "{target}");
        }
    }
}

#[test]
fn graphql_is_refused_with_its_reason() {
    for (method, path) in
        [("GET", "/graphql?query=x"), ("POST", "/graphql"), ("GET", "/v1/graphql"), ("GET", "/graphql/x")]
    {
        let refused = send(method, path).unwrap_err();
        assert_eq!(refused.to_string(), "GraphQL is not spoken here: this path not found", "{method} {path}");
        assert_eq!(reply(&refused, "r").status, 404);
    }
}

#[test]
fn what_is_no_escape_is_text() {
    for (target, term) in [
        ("/search/100%", "100%"),
        ("/search/%zz", "%zz"),
        ("/search/%4", "%4"),
        ("/search/%25", "%"),
        ("/search/a%20b", "a b"),
        ("/search/a+b", "a+b"),
        ("/search/a%2Fb", "a/b"),
        ("/search/%C3%A9", "é"),
        ("/search/_%_", "_%_"),
    ] {
        assert_eq!(get(target).ok(), Some(Action::Search { term: Some(term.to_owned()) }), "{target}");
    }
}

#[test]
fn a_list_says_what_of_it_is_wanted() {
    let page = |number, size, sort, order| Action::List(Page { number, size, sort, order });
    let plain = |number, size| page(number, size, Sort::Title, Order::Ascending);
    for (query, expected) in [
        ("page=2", plain(2, 10)),
        ("page=0&per_page=0", plain(1, 1)),
        ("page=-7&per_page=-1", plain(1, 1)),
        ("per_page=1001", plain(1, 1_000)),
        ("page=99999999999999999999999999999999999999999999", plain(u64::from(u32::MAX), 10)),
        ("page=-99999999999999999999999999999999999999999999", plain(1, 10)),
        ("page=3&page=x", plain(3, 10)),
        ("sort_by=DESCRIPTION&order=Desc", page(1, 10, Sort::Description, Order::Descending)),
        ("sort_by=stars&order=up", plain(1, 10)),
        ("sort_by=&order=", plain(1, 10)),
    ] {
        assert_eq!(get(&format!("/?{query}")).ok(), Some(expected), "{query}");
    }
    for query in ["page=x", "page=", "per_page=1.5", "page=%00", "per_page=--1", "page=1%20"] {
        assert_eq!(status(get(&format!("/?{query}"))), 400, "{query}");
    }
}

#[test]
fn only_another_version_of_the_protocol_is_not_acceptable() {
    let accepted = |accept: &str| status(parse(&Method::GET, "/package/foo", "", Some(accept)));
    for accept in [
        "*/*",
        "application/json",
        "application/json;version=1",
        "application/json; Version = \"1\"",
        "application/json;version=one",
        "application/json;version=",
        "application/json;version",
        "application/json;q=0.5;version=1",
        "text/html, application/json;version=2",
        "image/png",
        "",
        ",;=",
    ] {
        assert_eq!(accepted(accept), 200, "{accept}");
    }
    for accept in [
        "application/json;version=2",
        "application/json; version=0, */*",
        "*/*;version=-1",
        "application/json;version=99999999999999999999999999999999999999999999",
    ] {
        assert_eq!(accepted(accept), 406, "{accept}");
    }
}

#[test]
fn absurd_paths_are_bad_requests() {
    let targets = "//status /package//foo /package/foo//data /package/foo/data// /.. /package/.. /package/../status \
        /package/%2e%2e /package/foo/.. /reference/../x /reference/./x /reference/a%2f..%2fb /reference/a%5c..%5cb \
        /package/foo%00 /package/foo%0a /search/%7f /search/%0d%0aX:y /search/.. /%ff /package/%c3%28 /reference/a%2f";
    for target in targets.split_whitespace() {
        assert_eq!(status(get(target)), 400, "{target}");
    }
}

#[test]
fn unknown_paths_titles_and_versions_are_not_found() {
    let (deep, long) = ("/reference".to_owned() + &"/a".repeat(10_000), format!("/search/{}", "a".repeat(257)));
    let targets = "/v1/v1 /v2 /packages /status/x /search/a/b /package /package/foo/1.0.1/data/x /package/foo/1.0 \
        /package/foo/v1.0.0 /package/foo/readme /package/foo/1.0.0/x /package/-foo /package/a@1 /package/a%2fb \
        /package/a\\b /package/é /user /user/x /user/2FA /graphql /package/foo/README/data /reference/a%2fb";
    for target in targets.split_whitespace().chain([deep.as_str(), long.as_str()]) {
        assert_eq!(status(get(target)), 404, "{target}");
    }
}

#[test]
fn writes_are_refused_with_what_is_allowed() {
    for (method, target, expected) in [
        ("POST", "/", ALLOW_READ),
        ("DELETE", "/package/foo", ALLOW_READ),
        ("TRACE", "/status", ALLOW_READ),
        ("POST", "/package/publish", ALLOW_OPTIONS),
        ("PUT", "/v1/package/publish", ALLOW_OPTIONS),
        ("GET", "/package/publish", ALLOW_OPTIONS),
        ("POST", "/user/create", ALLOW_OPTIONS),
        ("POST", "/user/login", ALLOW_OPTIONS),
        ("POST", "/user/logout", ALLOW_OPTIONS),
        ("POST", "/user/forgotpassword", ALLOW_OPTIONS),
        ("POST", "/user/resetpassword", ALLOW_OPTIONS),
    ] {
        let Err(Error::MethodNotAllowed { allow }) = send(method, target) else { panic!("{method} {target}") };
        assert_eq!(allow, expected, "{method} {target}");
    }
    for target in ["/user/logout", "/user/2FA/abc"] {
        assert_eq!(status(get(target)), 401, "{target}");
    }
}

#[test]
fn a_browser_is_told_what_it_may_do() {
    assert_eq!(send("OPTIONS", "/package/foo").ok(), Some(Action::Preflight { allow: ALLOW_READ }));
    assert_eq!(send("OPTIONS", "/package/publish").ok(), Some(Action::Preflight { allow: ALLOW_OPTIONS }));
    assert_eq!(status(send("OPTIONS", "/nowhere")), 404);
}
