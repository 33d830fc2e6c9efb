//! Methods that a mount forwards: what the upstream reads of them, and what the client reads of its answer.

use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

/// What is for whoever answers.
const THROUGH: [(&str, &str); 14] = [
    ("cache-control", "no-transform"),
    ("content-digest", "sha-256=:AA==:"),
    ("content-disposition", "attachment"),
    ("content-language", "de"),
    ("content-length", "3"),
    ("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
    ("content-range", "bytes 0-2/9"),
    ("depth", "infinity"),
    ("destination", "/tree/b"),
    ("if-match", "\"x\""),
    ("if-none-match", "*"),
    ("if-unmodified-since", "Sat, 01 Jan 2022 00:00:00 GMT"),
    ("prefer", "return=minimal"),
    ("x-anything", "1"),
];

/// What is not.
const FOR_US: [(&str, &str); 10] = [
    ("authorization", "Bearer ours"),
    ("connection", "X-Hop"),
    ("cookie", "a=b"),
    ("forwarded", "for=192.0.2.1"),
    ("keep-alive", "timeout=5"),
    ("proxy-authorization", "Basic b3Vycw=="),
    ("te", "trailers"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-proto", "https"),
    ("x-hop", "1"),
];

async fn start() -> (FakeUpstream, Heliostat) {
    let upstream = FakeUpstream::start();
    let methods = "methods = [\"GET\", \"HEAD\", \"PUT\", \"POST\", \"OPTIONS\"]";
    let url = format!("url = \"{}/tree\"\nallow_private = true", upstream.url());
    let mount = format!("dialect = \"files\"\nname = \"t\"\n{methods}\n[[mount.upstream]]\n{url}\n");
    (upstream, Heliostat::builder().mount(&mount).start().await)
}

#[tokio::test]
async fn an_upstream_reads_all_that_a_client_says_but_what_is_for_us() {
    let (upstream, heliostat) = start().await;
    upstream.put("/tree/a", Resource::new("text/plain", "kept"));
    let put = Ask::new("PUT", "/files/t/a").body("abc");
    let put = THROUGH.iter().chain(&FOR_US).fold(put, |put, (name, value)| put.header(name, value));
    let answer = heliostat.ask(&put).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let seen = upstream.seen("/tree/a").pop().expect("the upstream is asked");
    assert_eq!((seen.method.as_str(), &seen.body[..]), ("PUT", &b"abc"[..]));
    for (name, value) in THROUGH {
        assert_eq!(seen.headers.get(name), Some(value), "{name}");
    }
    for (name, value) in FOR_US {
        assert_ne!(seen.headers.get(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn links_of_an_answer_into_the_tree_lead_through_the_mirror() {
    let (upstream, heliostat) = start().await;
    let (tree, here) = (format!("{}/tree", upstream.url()), format!("{}/files/t", heliostat.url()));
    let told = |answer: &Answer, name| answer.header(name).map(str::to_owned);
    for (method, status) in [("PUT", 201), ("POST", 303), ("OPTIONS", 200)] {
        let links = Resource::new("text/plain", "").status(status);
        upstream.put(
            "/tree/v1/a",
            links.header("location", &format!("{tree}/v1/b")).header("content-location", "/tree/v1/c"),
        );
        let asked = Ask::new(method, "/files/t/v1/a").header("content-length", "0");
        let answer = heliostat.ask(&asked).await;
        assert_eq!(answer.status, status, "{}", answer.summary());
        assert_eq!(told(&answer, "location"), Some(format!("{here}/v1/b")), "{method}");
        assert_eq!(told(&answer, "content-location"), Some(format!("{here}/v1/c")), "{method}");
    }
    upstream.put("/tree/a", Resource::new("text/plain", "").status(201).header("location", "https://other.example/"));
    let answer = heliostat.ask(&Ask::new("PUT", "/files/t/a").header("content-length", "0")).await;
    assert_eq!(told(&answer, "location"), Some("https://other.example/".to_owned()), "what leads elsewhere does");
    assert_eq!(told(&answer, "content-location"), None);
}
