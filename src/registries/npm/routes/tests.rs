//! Every spelling that clients send, and every one that must not get through.

use super::*;
use crate::base::secret::Secret;
use crate::registries::npm::error::reply;

fn get(target: &str) -> Result<Action, Error> {
    send("GET", target)
}

pub fn send(method: &str, target: &str) -> Result<Action, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&method.parse().unwrap(), path, query)
}

fn status(answer: Result<Action, Error>) -> u16 {
    answer.map_or_else(|error| reply(&error, "r").status.as_u16(), |_| 200)
}

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn every_spelling_of_a_name_is_the_same_packument() {
    for (expected, targets) in [
        ("n", &["/n", "/n/", "//n", "///n/", "/%6e", "/n?x=1"][..]),
        ("@s/n", &["/@s/n", "/@s%2fn", "/@s%2Fn", "/%40s%2fn", "/%40s/n", "/@s/n/", "/@s%2fn/", "//@s%2fn"]),
        ("JSONStream", &["/JSONStream"]),
        ("-", &["/-"]),
        ("downloads", &["/downloads"]),
    ] {
        for target in targets {
            let packument = Action::Packument { name: name(expected), uncached: false };
            assert_eq!(get(target).ok(), Some(packument), "{target}");
        }
    }
}

#[test]
fn who_asks_for_fresh_bytes_gets_no_cached_ones() {
    for (target, expected) in [
        ("/n?write=true", true),
        ("/n?t=1&cache=0", true),
        ("/n?write=false", false),
        ("/n?cache=1", false),
        ("/n?meta", false),
    ] {
        assert_eq!(get(target).ok(), Some(Action::Packument { name: name("n"), uncached: expected }), "{target}");
    }
}

#[test]
fn every_spelling_of_a_tarball_is_the_same_tarball() {
    for (package, number, targets) in [
        ("n", "1.0.0", &["/n/-/n-1.0.0.tgz", "/n/download/n-1.0.0.tgz", "//n/-/n-1.0.0.tgz"][..]),
        ("n", "1.0.0+b", &["/n/-/n-1.0.0+b.tgz", "/n/-/n-1.0.0%2Bb.tgz"]),
        ("n-1", "2.0.0-rc.1", &["/n-1/-/n-1-2.0.0-rc.1.tgz"]),
        ("-", "1.0.0", &["/-/-/--1.0.0.tgz"]),
        (
            "@s/n",
            "1.0.0",
            &[
                "/@s/n/-/n-1.0.0.tgz",
                "/@s%2fn/-/n-1.0.0.tgz",
                "/@s%2Fn/-/n-1.0.0.tgz",
                "/%40s/n/-/n-1.0.0.tgz",
                "/@s/n/-/@s/n-1.0.0.tgz",
                "/@s/n/-/@s%2fn-1.0.0.tgz",
                "/@s/n/download/@s/n-1.0.0.tgz",
                "/@s/n/download/n-1.0.0.tgz",
            ],
        ),
    ] {
        for target in targets {
            let tarball = Action::Tarball { name: name(package), version: version(number) };
            assert_eq!(get(target).ok(), Some(tarball), "{target}");
        }
    }
}

#[test]
fn whatever_can_be_read_has_a_preflight() {
    for (target, is_tarball) in [("/@s/n/-/n-1.0.0.tgz", true), ("/n", false), ("/-/ping", false), ("/", false)] {
        assert_eq!(send("OPTIONS", target).ok(), Some(Action::Preflight { is_tarball }), "{target}");
    }
}

#[test]
fn a_manifest_is_asked_by_version_tag_or_range() {
    for (target, package, spec) in [
        ("/n/1.0.0", "n", "1.0.0"),
        ("/n/latest/", "n", "latest"),
        ("/n/%5E1", "n", "^1"),
        ("/n/1%20%7C%7C%202", "n", "1 || 2"),
        ("/@s/n/1.0.0", "@s/n", "1.0.0"),
        ("/@s%2fn/next", "@s/n", "next"),
        ("/downloads/1.0.0", "downloads", "1.0.0"),
    ] {
        let manifest = Action::Manifest { name: name(package), spec: Spec::parse(spec).unwrap() };
        assert_eq!(get(target).ok(), Some(manifest), "{target}");
    }
}

#[test]
fn apis_are_found_by_their_method_and_path() {
    let attestations = || Action::Attestations { name: name("@s/n"), version: version("1.0.0") };
    for (method, target, expected) in [
        ("GET", "", Action::Root),
        ("GET", "/", Action::Root),
        ("HEAD", "//", Action::Root),
        ("GET", "/-/ping?write=true", Action::Ping),
        ("GET", "/-/npm/v1/keys", Action::Keys),
        ("GET", "/-/npm/v1/keys/", Action::Keys),
        ("GET", "/-/npm/v1/attestations/@s/n@1.0.0", attestations()),
        ("GET", "/-/npm/v1/attestations/%40s%2fn@1.0.0", attestations()),
        ("GET", "/npm/-/npm/v1/attestations/@s%2fn@1.0.0", attestations()),
        ("GET", "/-/package/n/dist-tags", Action::DistTags { name: name("n") }),
        ("GET", "/-/package/@s%2fn/dist-tags", Action::DistTags { name: name("@s/n") }),
        ("HEAD", "/-/package/@s/n/dist-tags", Action::DistTags { name: name("@s/n") }),
        ("POST", "/-/npm/v1/security/advisories/bulk", Action::Audit(Audit::Bulk)),
        ("POST", "/-/npm/v1/security/audits/quick", Action::Audit(Audit::Quick)),
        ("POST", "/-/npm/v1/security/audits", Action::Audit(Audit::Full)),
    ] {
        assert_eq!(send(method, target).ok(), Some(expected), "{method} {target}");
    }
}

#[test]
fn absurd_paths_are_bad_requests() {
    let long = format!("/{}", "a".repeat(215));
    let targets = "/.. /../n /n/.. /n/. /./n /%2e%2e /%2e%2e%2fetc /n/%2e%2e /@s%2f.. /@s/.. /@s%2f. /n%00 /n%0a /%7f \
        /n%5cm /n\\m /% /n%2 /n%zz /%ff /%c3%28 /n%2fm /%2fn /@s%2f /@%2fn /@s%2fn%2fm /@s%2f%2fn /@s%252fn \
        /n//1.0.0 /@s//n /_x /.x /@x /x@y /é /n/a%20b /n/a%2fb /n/-/n-1.0.tgz /n/-/n-v1.0.0.tgz \
        /n/-/n-01.0.0.tgz /n/-/n-.tgz /favicon.ico /node_modules /-/npm/v1/attestations/n \
        /-/npm/v1/attestations/n@x /-/v1/search /-/v1/search?text= /-/package/_x/dist-tags /n/-/.. \
        /n/-/n-1.0.0-..%2f.tgz";
    for target in targets.split_whitespace().chain([long.as_str()]) {
        assert_eq!(status(get(target)), 400, "{target}");
    }
}

#[test]
fn unknown_paths_are_not_found_and_never_packages() {
    let deep = "/a".repeat(1_000);
    let targets = "/-/ /-/all/x /-/unknown /-/npm/v1/security /-/v1/login/x /-/user/joe /-/user/org.couchdb.user: /-/org/x/unknown /-/-/x \
        /-/package/n /-/package/n/unknown /-/package/n/dist-tags/a/b /n/-/ /n/-/m-1.0.0.tgz \
        /n/-/n-1.0.0.tar.gz /n/-/n-1.0.0.tgz/ /@s/n/-/@t/n-1.0.0.tgz /n/-/@s/n-1.0.0.tgz \
        /downloads/point/last-week /downloads/total/last-week/n";
    for target in targets.split_whitespace().chain([deep.as_str()]) {
        assert_eq!(status(get(target)), 404, "{target}");
    }
}

#[test]
fn files_are_found_by_their_path_in_a_version() {
    let files = |spec: &str, wish| Action::Files(Files { name: name("@s/n"), spec: Spec::parse(spec).unwrap(), wish });
    let file = |path: &str, is_listed| Wish::File { path: path.into(), is_listed };
    let directory = |path: &str| Wish::Directory { path: path.into() };
    for (method, target, spec, wish) in [
        ("GET", "/@s%2fn/1.0.0/files", "1.0.0", Wish::Main),
        ("HEAD", "/@s/n/latest/files", "latest", Wish::Main),
        ("GET", "/@s/n/1.0.0/files/", "1.0.0", directory("")),
        ("GET", "/@s/n/1.0.0/files?meta", "1.0.0", directory("")),
        ("GET", "/@s/n/1.0.0/files/lib/", "1.0.0", directory("lib")),
        ("GET", "/@s/n/%5E1/files/lib/a%20b.js", "^1", file("lib/a b.js", false)),
        ("GET", "/@s/n/1.0.0/files/a?meta&t=1", "1.0.0", file("a", true)),
        ("GET", "/@s/n/1.0.0/files/@x%2fy", "1.0.0", file("@x/y", false)),
        ("GET", "/@s/n/1.0.0/files/files/-/x", "1.0.0", file("files/-/x", false)),
        ("PUT", "/@s/n/1.0.0/files", "1.0.0", Wish::Unpack),
        ("PUT", "/@s/n/1.0.0/files/", "1.0.0", Wish::Unpack),
    ] {
        assert_eq!(send(method, target).ok(), Some(files(spec, wish.clone())), "{method} {target}");
    }
    assert_eq!(status(send("PUT", "/n/1.0.0/files/x")), 405);
    assert_eq!(status(get("/n/-/files/x")), 404);
    for target in ["/n/1.0.0/files/a%2fb", "/n/1.0.0/files/../x", "/n/1.0.0/files//x", "/n/1.0.0/files/a%00"] {
        assert_eq!(status(get(target)), 400, "{target}");
    }
    let deep = |depth| format!("/n/1.0.0/files{}", "/a".repeat(depth));
    assert_eq!((status(get(&deep(61))), status(get(&deep(62)))), (200, 404));
}

#[test]
fn what_writes_is_found_by_its_method_and_path() {
    let (n, scoped) = (|| name("n"), || name("@s/n"));
    let write = |name, expected| Write::Document { name, expected }.into();
    let tag = |name, tag: &str| Action::Write(Write::Tag { name, tag: tag.into() });
    for (method, target, expected) in [
        ("PUT", "/n", write(n(), None)),
        ("PUT", "/@s%2fn", write(scoped(), None)),
        ("PUT", "/n/-rev/12-abc", write(n(), Some(12))),
        ("PUT", "/@s%2Fn/-rev/x", write(scoped(), Some(0))),
        ("DELETE", "/@s/n/-rev/1-a", Write::Unpublish { name: scoped() }.into()),
        ("DELETE", "/n/-/n-1.0.0.tgz/-rev/1-a", Write::RemoveTarball { name: n(), version: version("1.0.0") }.into()),
        (
            "DELETE",
            "/@s/n/-/@s/n-1.0.0.tgz/-rev/1",
            Write::RemoveTarball { name: scoped(), version: version("1.0.0") }.into(),
        ),
        ("PUT", "/n/beta", tag(n(), "beta")),
        ("PUT", "/-/package/n/dist-tags/sync", tag(n(), "sync")),
        ("POST", "/-/package/@s%2fn/dist-tags/beta", tag(scoped(), "beta")),
        ("DELETE", "/-/package/@s/n/dist-tags/beta", Write::Untag { name: scoped(), tag: "beta".into() }.into()),
    ] {
        assert_eq!(send(method, target).ok(), Some(expected), "{method} {target}");
    }
}

#[test]
fn what_is_about_accounts_is_found_by_its_method_and_path() {
    for (method, target, expected) in [
        ("PUT", "/-/user/org.couchdb.user:joe", Account::LogIn { name: "joe".into() }),
        ("GET", "/-/user/org.couchdb.user:joe", Account::User { name: "joe".into(), is_edited: false }),
        ("GET", "/-/user/org.couchdb.user:joe?write=true", Account::User { name: "joe".into(), is_edited: true }),
        ("PUT", "/-/user/org.couchdb.user:joe/-rev/3-ab", Account::EditUser { name: "joe".into(), expected: 3 }),
        ("DELETE", "/-/user/token/a%2Bb", Account::LogOut { token: Secret::new("a+b") }),
        ("GET", "/-/whoami", Account::WhoAmI),
        ("GET", "/-/npm/v1/user", Account::Profile),
        ("POST", "/-/npm/v1/user", Account::EditProfile),
        ("GET", "/-/npm/v1/tokens", Account::Tokens),
        ("POST", "/-/npm/v1/tokens", Account::IssueToken),
        ("DELETE", "/-/npm/v1/tokens/token/ab", Account::RevokeToken { key: "ab".into() }),
        ("GET", "/-/npm/v1/tokens/gat", Account::BoundTokens),
        ("POST", "/-/npm/v1/tokens/gat", Account::IssueBoundToken),
        ("POST", "/-/v1/login", Account::Web(Web::Begin)),
        ("GET", "/-/v1/login/request/session/a1", Account::Web(Web::Page { id: Secret::new("a1") })),
        ("POST", "/-/v1/login/request/session/a1", Account::Web(Web::End { id: Secret::new("a1") })),
        ("GET", "/-/v1/login/done/session/a1", Account::Web(Web::Done { id: Secret::new("a1") })),
        ("DELETE", "/-/npm/v1/tokens/gat/ab", Account::RevokeToken { key: "ab".into() }),
    ] {
        assert_eq!(send(method, target).ok(), Some(Action::Account(expected)), "{method} {target}");
    }
}

#[test]
fn the_feed_and_lists_are_found_by_their_path_and_query() {
    use std::time::{Duration, SystemTime};
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let since = |number, limit, wait: Option<u64>| {
        Discover::Changes(Since { number, limit, wait: wait.map(Duration::from_millis) })
    };
    for (target, expected) in [
        ("/_changes", since(0, 1000, None)),
        ("/-/_changes?since=7&limit=5", since(7, 5, None)),
        ("/_changes?limit=0&feed=normal", since(0, 1, None)),
        ("/_changes?limit=9999&feed=longpoll", since(0, 1000, Some(25_000))),
        ("/_changes?feed=longpoll&timeout=999999", since(0, 1000, Some(55_000))),
        ("/-/all/changes?since=1000&cursorId=3", Discover::ChangesByTime { since: at(1), after: 3, limit: 1000 }),
        ("/-/all", Discover::All { since: None }),
        ("/-/all/since?stale=update_after&startkey=2000", Discover::All { since: Some(at(2)) }),
        ("/-/short?private_only=1", Discover::Names),
        ("/-/allversions?date=1970-01-02", Discover::Versions { from: at(86_400), to: at(172_800) }),
        ("/-/by-user/a|b", Discover::OfUsers { users: vec!["a".into(), "b".into()] }),
        ("/-/by-user/a%7Cb", Discover::OfUsers { users: vec!["a".into(), "b".into()] }),
        ("/-/users/a/packages", Discover::OfUser { user: "a".into() }),
        ("/-/package/@s%2fn/dependents", Discover::Dependents { name: name("@s/n") }),
    ] {
        assert_eq!(get(target).ok(), Some(expected.into()), "{target}");
    }
    assert!(matches!(get("/-/v1/search?text=x&size=20"), Ok(Action::Discover(Discover::Search(_)))));
    for (method, is_listed) in [("PUT", true), ("DELETE", false)] {
        let expected = Discover::SetListed { name: name("@s/n"), is_listed }.into();
        assert_eq!(send(method, "/-/v1/search/sync/@s%2fn").ok(), Some(expected));
    }
    for target in ["/_changes?since=x", "/_changes?limit=-1", "/-/_changes?feed=eventsource"] {
        assert_eq!(status(get(target)), 422, "{target}");
    }
    for target in
        ["/-/all/since", "/-/all/since?startkey=x", "/-/all/changes?since=x", "/-/allversions", "/-/by-user/|"]
    {
        assert_eq!(status(get(target)), 400, "{target}");
    }
}

#[test]
fn downloads_are_of_a_package_of_several_or_of_all() {
    let week = || Period::Last { word: "last-week", days: 7 };
    let day = || Period::Days { from: 1, to: 1 };
    for (target, form, period, of) in [
        ("/downloads/point/last-week/n", Form::Point, week(), Counted::Package(name("n"))),
        ("/downloads/range/last-week/@s/n", Form::Range, week(), Counted::Package(name("@s/n"))),
        ("/downloads/point/1970-01-02/@s%2fn", Form::Point, day(), Counted::Package(name("@s/n"))),
        (
            "/downloads/range/1970-01-02/n,@s/m,_",
            Form::Range,
            day(),
            Counted::Packages(["n", "@s/m", "_"].map(Into::into).into()),
        ),
        ("/downloads/total/point/1970-01-02", Form::Point, day(), Counted::All),
        ("/downloads/total/last-week", Form::Range, week(), Counted::All),
        ("/downloads/range/1970-01-02", Form::Range, day(), Counted::All),
        ("/downloads/@s/last-week", Form::Range, week(), Counted::Scope("@s".into())),
    ] {
        assert_eq!(get(target).ok(), Some(Downloads { form, period, of }.into()), "{target}");
    }
    let many = format!("/downloads/point/last-day/{}", vec!["n"; 129].join(","));
    for (target, expected) in [
        ("/downloads/point/last-decade/n", 422),
        ("/downloads/range/2020-01-01:2022-01-01/n", 422),
        ("/downloads/total/2020-13-01", 422),
        ("/downloads/point/last-day/_x", 400),
        ("/downloads/point/last-day/,", 400),
        (&many, 400),
    ] {
        assert_eq!(status(get(target)), expected, "{target}");
    }
}

#[test]
fn blocks_are_found_by_their_package_and_versions() {
    let (n, scoped) = (|| name("n"), || name("@s/n"));
    for (method, target, expected) in [
        ("GET", "/-/package/@s%2fn/blocks", Block::Show { name: scoped() }.into()),
        ("PUT", "/-/package/n/blocks", Block::Put { name: n(), versions: None }.into()),
        ("PUT", "/-/package/@s/n/blocks/%3C1", Block::Put { name: scoped(), versions: Some("<1".into()) }.into()),
        ("DELETE", "/-/package/n/blocks/1.0.0", Block::Remove { name: n(), versions: Some("1.0.0".into()) }.into()),
    ] {
        let expected: Action = expected;
        assert_eq!(send(method, target).ok(), Some(expected), "{method} {target}");
    }
}

#[test]
fn what_changes_or_belongs_to_somebody_is_for_who_is_logged_in() {
    for (method, target) in [
        ("PUT", "/n"),
        ("PUT", "/n/-rev/1-a"),
        ("DELETE", "/n/-rev/1-a"),
        ("DELETE", "/n/-/n-1.0.0.tgz/-rev/1-a"),
        ("PUT", "/n/beta"),
        ("POST", "/-/package/n/dist-tags/beta"),
        ("DELETE", "/-/package/n/dist-tags/beta"),
        ("DELETE", "/-/user/token/a"),
        ("GET", "/-/whoami"),
        ("GET", "/-/npm/v1/user"),
        ("POST", "/-/npm/v1/user"),
        ("GET", "/-/npm/v1/tokens"),
        ("POST", "/-/npm/v1/tokens"),
        ("DELETE", "/-/npm/v1/tokens/token/a"),
        ("GET", "/-/npm/v1/tokens/gat"),
        ("POST", "/-/npm/v1/tokens/gat"),
        ("GET", "/-/user/org.couchdb.user:joe?write=true"),
        ("PUT", "/-/user/org.couchdb.user:joe/-rev/1-a"),
    ] {
        assert_eq!(send(method, target).unwrap().access(), Access::Known, "{method} {target}");
    }
    for target in ["/n", "/n/1.0.0", "/n/-/n-1.0.0.tgz", "/-/package/n/dist-tags", "/-/npm/v1/attestations/n@1.0.0"] {
        assert_eq!(get(target).unwrap().access(), Access::Read("n"), "{target}");
    }
}

#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    for (method, target, expected) in [
        ("DELETE", "/n", "GET, HEAD, PUT, OPTIONS"),
        ("DELETE", "/-/package/n/dist-tags", "GET, HEAD, PUT, POST, OPTIONS"),
        ("PATCH", "/n/-/n-1.0.0.tgz", "GET, HEAD, OPTIONS"),
        ("GET", "/-/npm/v1/security/advisories/bulk", "POST"),
        ("POST", "/n/-rev/1-a", "PUT, DELETE"),
        ("GET", "/-/package/n/dist-tags/beta", "PUT, POST, DELETE"),
        ("OPTIONS", "/-/npm/v1/security/advisories/bulk", "POST"),
        ("PUT", "/-/proxy-cache", "GET, HEAD, DELETE, OPTIONS"),
    ] {
        let Err(Error::MethodNotAllowed { allow }) = send(method, target) else { panic!("{method} {target}") };
        assert_eq!(allow, expected, "{method} {target}");
    }
    assert_eq!(status(send("TRACE", "/n")), 501);
    assert_eq!(status(send("PROPFIND", "/n")), 501);
    assert_eq!(status(send("PUT", "/_x")), 400);
}
