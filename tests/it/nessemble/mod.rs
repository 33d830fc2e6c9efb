//! What a nessemble mount does besides what all registries do: first of all, what the old client needs of every answer.

mod blocks;
mod client;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use self::client::{Token, ask, ask_with};
use crate::support::beside::command;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::nessemble::{FakeNessemble, Library, Oddity, readme};
use crate::support::random::hex;
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

/// Starts a registry that has two versions of `foo` and a reference, and a mirror of it.
async fn start(oddity: Oddity, keys: &str) -> (FakeNessemble, Library, Heliostat) {
    let registry = FakeNessemble::start(oddity);
    let library = Library::new("foo").with("1.0.0", 1_000).with("1.0.1", 5_000);
    registry.publish(&library);
    registry.publish(&Library::new("bar").with("0.1.0", 1_000));
    registry.explain("/reference", "  registers\n");
    registry.explain("/reference/registers", "  PPUCTRL\n");
    let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), keys, "").start().await;
    (registry, library, heliostat)
}

/// Returns path and query of a URL, as the client cuts it.
fn path_of(url: &str) -> &str {
    let rest = url.strip_prefix("http://").expect("the client speaks no TLS");
    &rest[rest.find('/').expect("a path")..]
}

/// Everything that the client asks for, and more: the verb, the path, the status.
const ALL: [(&str, &str, u16); 24] = [
    ("GET", "/", 200),
    ("GET", "/?page=2&per_page=1&order=desc", 200),
    ("GET", "/?page=x", 400),
    ("GET", "/status", 200),
    ("GET", "/search", 200),
    ("GET", "/search/fo", 200),
    ("GET", "/search/%", 200),
    ("GET", "/search/100%25%zz", 200),
    ("GET", "/package/foo", 200),
    ("GET", "/package/foo/1.0.0", 200),
    ("GET", "/package/foo/README", 200),
    ("GET", "/package/foo/1.0.0/README", 200),
    ("GET", "/package/foo/data", 200),
    ("GET", "/package/foo/1.0.0/data", 200),
    ("GET", "/package/none", 404),
    ("GET", "/package/foo/9.9.9/data", 404),
    ("GET", "/nowhere/%25d%25s", 404),
    ("GET", "/reference", 200),
    ("GET", "/reference/registers", 200),
    ("GET", "/reference/none", 404),
    ("GET", "/graphql?query=%7Bstatus%7D", 404),
    ("POST", "/graphql", 404),
    ("POST", "/user/login", 405),
    ("GET", "/user/logout", 401),
];

#[tokio::test]
async fn every_answer_holds_the_rules_of_the_old_client() {
    let (_registry, _, heliostat) = start(Oddity::None, "").await;
    for prefix in ["/nessemble", "/nessemble/v1"] {
        for (method, path, status) in ALL {
            let target = format!("{prefix}{path}");
            let answer = ask(heliostat.address(), method, &target).await;
            assert_eq!(answer.status, status, "{method} {target}: {}", String::from_utf8_lossy(&answer.body));
            says_what_all_say(&answer, &target);
            if status >= 400 {
                assert!(!answer.error().is_empty(), "{target}");
                assert!(answer.text().starts_with(&format!("{{\"status\":{status},")), "{}", answer.text());
            }
            if method == "GET" {
                let head = ask(heliostat.address(), "HEAD", &target).await;
                assert_eq!((head.status, head.header("Content-Type")), (status, answer.header("Content-Type")));
                assert_eq!(head.header("Content-Length"), answer.header("Content-Length"), "{target}");
                says_what_all_say(&head, &target);
            }
        }
    }
}

/// Source: contract nessemble §3: what the reference's own checks look for on every answer.
fn says_what_all_say(answer: &client::Answer, target: &str) {
    assert_eq!(answer.header("Server"), Some("Nessemble"), "{target}: {:?}", answer.headers);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    for name in ["X-Response-Time", "Date", "Cache-Control", "Expires"] {
        assert!(answer.header(name).is_some(), "{name} of {target}: {:?}", answer.headers);
    }
    let number = |name: &str| {
        let number = answer.header(name).and_then(|value| value.parse::<u64>().ok());
        assert!(number.is_some(), "{name} of {target}: {:?}", answer.headers);
        number.unwrap_or_default()
    };
    assert_eq!(number("X-RateLimit-Limit"), 1_000);
    assert!(number("X-RateLimit-Remaining") < 1_000 && number("Retry-After") <= 60);
    assert!(number("X-RateLimit-Reset") > 1_700_000_000);
}

#[tokio::test]
async fn media_types_are_compared_as_a_whole() {
    let (_registry, _, heliostat) = start(Oddity::None, "").await;
    for (path, kind) in [
        ("/", "application/json"),
        ("/package/foo", "application/json"),
        ("/package/none", "application/json"),
        ("/package/foo/README", "text/plain"),
        ("/package/foo/data", "application/tar+gzip"),
        ("/reference", "text/plain"),
        ("/status", "text/html"),
    ] {
        for accept in ["Accept: text/plain\r\n", "Accept: */*\r\n", "", "Accept: application/json;version=1\r\n"] {
            let answer = ask_with(heliostat.address(), "GET", &format!("/nessemble{path}"), accept).await;
            assert_eq!(answer.header("Content-Type"), Some(kind), "W8, {path} {accept}");
        }
    }
    for (accept, status) in [("application/json;version=2", 406), ("application/json;version=x", 200)] {
        let line = format!("Accept: {accept}\r\n");
        let answer = ask_with(heliostat.address(), "GET", "/nessemble/package/foo", &line).await;
        assert_eq!(answer.status, status, "{accept}");
    }
}

#[tokio::test]
async fn a_package_is_installed_by_its_links() {
    for oddity in [Oddity::None, Oddity::OldIntegrity, Oddity::Twice] {
        let (registry, library, heliostat) = start(oddity, "").await;
        for (path, release, prefix) in [
            ("/nessemble/package/foo", &library.versions[1], "/nessemble"),
            ("/nessemble/package/foo/1.0.0", &library.versions[0], "/nessemble"),
            ("/nessemble/v1/package/foo/1.0.1", &library.versions[1], "/nessemble/v1"),
        ] {
            let info = ask(heliostat.address(), "GET", path).await;
            assert_eq!(info.find("version"), release.version, "{oddity:?} {path}");
            assert_eq!(info.header("Vary"), Some("User-Agent"));
            assert!(info.header("ETag").is_some(), "{:?}", info.headers);
            let base = format!("{}{prefix}/package/foo", heliostat.url());
            let link = info.find("resource");
            assert!(link.starts_with(&base) && link.ends_with("/data") && !link.contains(['\\', '?']), "W10: {link}");
            let data = ask(heliostat.address(), "GET", path_of(&link)).await;
            assert!(data.body == release.archive, "{oddity:?} {link}");
            assert_eq!(data.header("X-Integrity"), Some(hex(&Sha1::digest(&data.body)).as_str()));
            assert_eq!(info.find("shasum"), release.shasum());
            let file = format!("attachment; filename=\"foo-{}.tar.gz\"", release.version);
            assert_eq!(data.header("Content-Disposition"), Some(file.as_str()));
            let text = ask(heliostat.address(), "GET", path_of(&info.find("readme"))).await;
            assert_eq!(text.text(), readme("foo"));
        }
        for release in &library.versions {
            assert_eq!(registry.upstream.count(&format!("/package/foo/{}/data", release.version)), 1);
        }
        for never in ["/package/foo/data", "/package/foo/README", "/package/foo/1.0.0/README"] {
            assert_eq!(registry.upstream.count(never), 0, "{never}");
        }
    }
}

#[tokio::test]
async fn an_archive_that_its_document_does_not_vouch_for_is_refused() {
    let (registry, library, heliostat) = start(Oddity::OldShasum, "").await;
    for path in ["/nessemble/package/foo/data", "/nessemble/package/foo/1.0.1/README"] {
        let answer = ask(heliostat.address(), "GET", path).await;
        assert_eq!(answer.status, 502, "{path}");
        assert!(answer.error().contains("does not prove"), "{}", answer.error());
    }
    assert!(registry.upstream.count("/package/foo/1.0.1/data") > 0);
    assert!(!heliostat.incidents(Some("foo")).await.is_empty());
    // The oldest is vouched for by its own sum.
    let oldest = ask(heliostat.address(), "GET", "/nessemble/package/foo/1.0.0/data").await;
    assert!(oldest.body == library.versions[0].archive);
}

#[tokio::test]
async fn every_document_of_a_version_tells_what_was_first_seen() {
    let registry = FakeNessemble::start(Oddity::None);
    let library = |size: usize| Library::new("held").with("1.0.1", size).cache_control("no-cache");
    let old = library(1_000);
    registry.publish(&old);
    let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), "", "").start().await;
    assert!(heliostat.get("/nessemble/package/held/data").await.is(&old.versions[0].archive));
    registry.publish(&library(2_000));
    // The archive would tell, and goes first.
    let (well, said) = command(&heliostat, "purge", &["nessemble", "held"]);
    assert!(well, "{said}");
    let start = Instant::now();
    while heliostat.incidents(Some("held")).await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "the rival is not listed");
        heliostat.get("/nessemble/package/held").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in ["/nessemble/package/held", "/nessemble/package/held/1.0.1"] {
        let shasum = heliostat.get(path).await.json()["shasum"].clone();
        assert_eq!(shasum, json!(old.versions[0].shasum()), "{path}");
    }
    assert_eq!(heliostat.incidents(Some("held")).await.len(), 1, "one rival, whichever document tells of it");
}

#[tokio::test]
async fn a_document_says_nothing_of_the_rivals_of_other_versions() {
    let registry = FakeNessemble::start(Oddity::None);
    let library =
        |size: usize| Library::new("alike").with("1.0.1", size).with("1.0.10", size).cache_control("no-cache");
    registry.publish(&library(1_000));
    let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), "", "").start().await;
    for version in ["1.0.1", "1.0.10"] {
        assert_eq!(heliostat.get(&format!("/nessemble/package/alike/{version}/data")).await.status, 200);
    }
    registry.publish(&library(2_000));
    for version in ["1.0.10", "1.0.1", "1.0.10", "1.0.1"] {
        assert_eq!(heliostat.get(&format!("/nessemble/package/alike/{version}")).await.status, 200);
    }
    let incidents = heliostat.incidents(Some("alike")).await;
    assert_eq!(incidents.len(), 2, "each rival is listed once: {incidents:?}");
}

#[tokio::test]
async fn a_list_is_no_longer_than_a_document_may_be() {
    let registry = FakeNessemble::start(Oddity::None);
    (0..1_001).for_each(|number| registry.publish(&Library::new(&format!("library-{number:04}")).with("1.0.0", 1_000)));
    let pages: usize = {
        let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), "", "").start().await;
        let list = heliostat.get("/nessemble/").await.json();
        assert_eq!((&list["pagination"]["total"], registry.upstream.count("/")), (&json!(1_001), 2));
        heliostat.contents().values().map(|path| std::fs::metadata(path).expect("a file").len() as usize).sum()
    };
    for (room, status) in [(pages, 200), (pages - 1, 502)] {
        let keys = format!("max_document_bytes = {room}");
        let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), &keys, "").start().await;
        assert_eq!(heliostat.get("/nessemble/search/library-1000").await.status, status, "{room} bytes");
    }
}

#[tokio::test]
async fn where_no_document_vouches_the_head_of_the_archive_does() {
    let (registry, library, heliostat) = start(Oddity::NoShasum, "").await;
    let release = &library.versions[1];
    for _ in 0..2 {
        let data = ask(heliostat.address(), "GET", "/nessemble/package/foo/1.0.1/data").await;
        assert!(data.status == 200 && data.body == release.archive, "{}", data.text());
        assert_eq!(data.header("X-Integrity"), Some(release.shasum().as_str()));
    }
    assert_eq!(registry.upstream.count("/package/foo/1.0.1/data"), 1);
    let info = ask(heliostat.address(), "GET", "/nessemble/package/foo/1.0.1").await;
    assert_eq!(info.find("shasum"), release.shasum(), "what was proved is told");
    // A head that speaks of another archive, and none at all.
    let path = "/package/foo/1.0.0/data";
    let bare = Resource::artifact(library.versions[0].archive.clone());
    for data in [bare.clone().header("X-Integrity", &release.shasum()), bare] {
        registry.upstream.put(path, data);
        let answer = ask(heliostat.address(), "GET", &format!("/nessemble{path}")).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.error().contains("does not prove"), "{}", answer.error());
    }
    assert_eq!(heliostat.incidents(Some("foo")).await.first().expect("an incident")["kind"], "digest");
}

#[tokio::test]
async fn the_old_client_is_told_as_much_as_it_can_hold() {
    let registry = FakeNessemble::start(Oddity::None);
    let many = (0..60).fold(Library::new("many"), |library, minor| library.with(&format!("1.{minor}.0"), 1_000));
    registry.publish(&many);
    for number in 0..30 {
        registry.publish(&Library::new(&format!("library-{number:02}")).with("1.0.0", 1_000));
    }
    let heliostat = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), "", "").start().await;
    let versions = |answer: &[u8]| -> usize {
        let document: Value = serde_json::from_slice(answer).expect("JSON");
        document["versions"].as_object().expect("versions").len()
    };
    for (path, shown) in [("/nessemble/package/many", "1.59.0"), ("/nessemble/package/many/1.0.0", "1.0.0")] {
        let old = ask(heliostat.address(), "GET", path).await;
        // One tag: 52 versions, which is 128 tokens.
        assert_eq!((versions(&old.body), old.tokens().len()), (52, 128), "W9, {path}");
        assert_eq!(old.find("version"), shown);
        assert!(old.tokens().contains(&Token::Text(shown.to_owned())));
        assert_eq!(versions(&heliostat.get(path).await.body), 60, "{path}");
    }
    let found = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON")["results"].as_array().map(Vec::len);
    let old = ask(heliostat.address(), "GET", "/nessemble/search/library").await;
    // Ten tokens each, and five for all.
    assert!(old.tokens().len() > 110 && found(&old.body) == Some(12), "W9, {:?}", found(&old.body));
    assert_eq!(found(&heliostat.get("/nessemble/search/library").await.body), Some(30));
}

#[tokio::test]
async fn the_list_is_paged_and_sorted_here() {
    let (registry, _, heliostat) = start(Oddity::None, "").await;
    let base = format!("{}/nessemble", heliostat.url());
    let list = heliostat.get("/nessemble/?per_page=1&order=desc").await.json();
    assert_eq!(list["packages"][0]["title"], "foo");
    assert_eq!(list["packages"][0]["url"], json!(format!("{base}/package/foo")));
    let next = format!("{base}/?page=2&per_page=1&order=desc");
    assert_eq!(list["pagination"], json!({"page": 1, "per_page": 1, "total": 2, "prev": null, "next": next}));
    let second = heliostat.get(path_of(&next)).await.json();
    assert_eq!((&second["packages"][0]["title"], &second["pagination"]["next"]), (&json!("bar"), &Value::Null));
    let search = heliostat.get("/nessemble/search/OO").await.json();
    assert_eq!((&search["term"], search["results"].as_array().map(Vec::len)), (&json!("OO"), Some(1)));
    assert_eq!(registry.upstream.count("/"), 1, "one list for all");
    let distinct: HashSet<_> = registry.upstream.seen("/").into_iter().map(|seen| seen.query).collect();
    assert_eq!(distinct, HashSet::from(["page=1&per_page=1000".to_owned()]));
}

#[tokio::test]
async fn a_number_for_a_date_makes_nothing_stale() {
    let (registry, _, heliostat) = start(Oddity::None, "").await;
    for (path, expires) in [("/package/foo", "1700003600"), ("/package/bar", "-1")] {
        let body = registry.upstream.resource(path).expect("a document").body;
        registry.upstream.put(path, Resource::new("application/json", body).header("Expires", expires));
        for _ in 0..2 {
            assert_eq!(heliostat.get(&format!("/nessemble{path}")).await.status, 200);
        }
        assert_eq!(registry.upstream.count(path), 1, "Expires: {expires}");
    }
}

/// Starts a registry whose list has two pages, the first of which says that no request is left for `wait` seconds: asked
/// again before that, it says 429.
async fn start_sparing(wait: u64) -> (FakeUpstream, Heliostat) {
    let upstream = FakeUpstream::start();
    let asked = Mutex::new(None::<Instant>);
    let url = upstream.url();
    upstream.answer_with(Arc::new(move |seen: &Seen| {
        let number = if seen.query.starts_with("page=1&") { 1 } else { 2 };
        let next = (number == 1).then(|| format!("{url}/?page=2&per_page=1000"));
        let package = json!({"title": format!("p{number}"), "description": "d", "tags": [], "url": url});
        let body = json!({"packages": [package], "pagination": {"page": number, "next": next}}).to_string();
        let mut last = asked.lock().expect("no panic");
        let page = Resource::new("application/json", body).cache_control("max-age=3600");
        let page = page.header("X-RateLimit-Remaining", "0").header("Retry-After", &wait.to_string());
        // The mirror counts from when the answer came: it may be early by as much as that took.
        let is_early = last.is_some_and(|last| last.elapsed() < Duration::from_secs(wait) * 9 / 10);
        *last = Some(Instant::now());
        Some(if is_early { Resource::new("application/json", "{}").status(429) } else { page })
    }));
    let heliostat = Heliostat::builder().set("fetch", "first_byte_timeout", "\"5s\"").set("fetch", "attempts", "3");
    let heliostat = heliostat.dialect("nessemble", &upstream.url(), "", "").start().await;
    (upstream, heliostat)
}

#[tokio::test]
async fn a_list_is_walked_no_faster_than_upstream_allows() {
    let (upstream, heliostat) = start_sparing(1).await;
    let list = heliostat.get("/nessemble/").await.json();
    assert_eq!(list["pagination"]["total"], 2, "{list}");
    assert_eq!(upstream.count("/"), 2, "and never refused");

    let (upstream, heliostat) = start_sparing(60).await;
    for _ in 0..2 {
        let answer = heliostat.get("/nessemble/").await;
        let wait: Option<u64> = answer.header("retry-after").and_then(|value| value.parse().ok());
        assert!(answer.status == 503 && wait.is_some_and(|wait| (1..=60).contains(&wait)), "{}", answer.summary());
    }
    assert_eq!(upstream.count("/"), 1, "what is known is not asked for again");
}

#[tokio::test]
async fn a_search_goes_on_over_the_list_that_is_held_while_upstream_is_down() {
    let (registry, _, heliostat) = start(Oddity::None, "max_ttl = \"0s\"").await;
    let titles = async || {
        let answer = heliostat.get("/nessemble/search/oo").await;
        assert_eq!(answer.status, 200, "{}", answer.summary());
        (answer.json()["results"][0]["title"].clone(), answer.cache_says("detail=stale"))
    };
    assert_eq!(titles().await, (json!("foo"), false));
    registry.upstream.vanish().await;
    assert_eq!(titles().await, (json!("foo"), true));
    registry.upstream.come_back().await;
}

#[tokio::test]
async fn who_obeys_the_figures_is_never_refused() {
    let (_registry, _, heliostat) = start(Oddity::None, "requests_per_minute = 3").await;
    let status = async || heliostat.get("/nessemble/status").await;
    for remaining in ["2", "1", "0"] {
        let answer = status().await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, Some(remaining)));
        assert_eq!(answer.header("x-ratelimit-limit"), Some("3"));
    }
    let refused = ask(heliostat.address(), "GET", "/nessemble/status").await;
    assert_eq!((refused.status, refused.header("X-RateLimit-Remaining")), (429, Some("0")));
    let wait: u64 = refused.header("Retry-After").and_then(|value| value.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(!refused.error().is_empty());
}

#[tokio::test]
async fn whom_the_server_refuses_nothing_is_left() {
    let (registry, allowed) = (FakeNessemble::start(Oddity::None), "requests_per_minute = 1000");
    let builder = Heliostat::builder().dialect("nessemble", &registry.upstream.url(), allowed, "");
    let heliostat = builder.set("limits", "requests_per_second", "2").start().await;
    let burst = join_all((0..30).map(|_| heliostat.get("/nessemble/status"))).await;
    for status in [200, 429] {
        assert!(burst.iter().any(|answer| answer.status == status), "{status}");
    }
    for answer in burst {
        let left = answer.header("x-ratelimit-remaining");
        assert_eq!(left == Some("0"), answer.status == 429, "{}", answer.summary());
    }
}

#[tokio::test]
async fn browsers_are_told_what_they_may_do() {
    let (_registry, _, heliostat) = start(Oddity::None, "").await;
    let answer = heliostat.ask(&Ask::new("OPTIONS", "/nessemble/package/foo")).await;
    assert_eq!(answer.status, 204, "{}", answer.summary());
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
}
