//! What is held is served as HTTP has it: hits, conditions, HEAD and ranges.

use super::{FRESH, Provided, Row, World};
use crate::support::http::Ask;

pub async fn a_miss_is_fetched_once_and_then_hit<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("miss", &FRESH);
    for wanted in [&document, &artifact] {
        let first = world.get_right(wanted).await;
        assert!(first.cache_says("fwd=uri-miss"), "{:?}", first.headers);
        let mut second = world.get_right(wanted).await;
        // The last bytes leave while the fill is being committed; until it is, the next client joins it.
        for _ in 0..100 {
            if second.cache_says("hit") {
                break;
            }
            assert!(second.cache_says("collapsed"), "{:?}", second.headers);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            second = world.get_right(wanted).await;
        }
        assert!(second.cache_says("hit"), "{:?}", second.headers);
        assert_eq!(world.count(wanted), 1, "{}", wanted.path);
        assert!(second.headers.has("x-request-id"));
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    }
}

pub async fn a_client_that_has_it_gets_304<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("unchanged", &FRESH);
    for wanted in [&document, &artifact] {
        let first = world.get_right(wanted).await;
        let tag = first.header("etag").expect("an entity tag").to_owned();
        let strong = tag.trim_start_matches("W/");
        for known in [&tag, &format!("\"other\", {tag}"), "*", &format!("W/{strong}")] {
            let answer = world.ask(wanted, &[("if-none-match", known)]).await;
            assert!(answer.status == 304 && answer.body.is_empty(), "{known}: {}", answer.summary());
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
        }
        assert!(world.ask(wanted, &[("if-none-match", "\"other\"")]).await.is(&world.bytes(wanted)));
    }
    let modified = world.get(&document).await.header("last-modified").expect("a time of change").to_owned();
    assert_eq!(world.ask(&document, &[("if-modified-since", &modified)]).await.status, 304);
    let earlier = "Thu, 01 Jan 2015 00:00:00 GMT";
    assert_eq!(world.ask(&document, &[("if-modified-since", earlier)]).await.status, 200);
    // The tag decides alone where both are sent. Source: RFC 9110 §13.2.2.
    let both = [("if-none-match", "\"other\""), ("if-modified-since", modified.as_str())];
    assert_eq!(world.ask(&document, &both).await.status, 200);
}

pub async fn head_tells_what_get_would_send<R: Row>(world: &World<R>) {
    let Provided { document, artifact } = world.row.provide("head", &FRESH);
    for wanted in [&document, &artifact] {
        let cold = world.heliostat.ask(&Ask::head(&wanted.path)).await;
        assert!(cold.status == 200 && cold.completed() && cold.body.is_empty(), "{}", cold.summary());
        let get = world.get_right(wanted).await;
        let head = world.heliostat.ask(&Ask::head(&wanted.path)).await;
        for name in
            ["content-length", "content-type", "etag", "last-modified", "accept-ranges", "vary", "cache-control"]
        {
            assert_eq!(head.header(name), get.header(name), "{name} of {}", wanted.path);
        }
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    }
}

pub async fn a_range_gets_its_bytes<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("range", &FRESH).artifact;
    let bytes = world.bytes(&artifact);
    let length = bytes.len();
    for warm in [false, true] {
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=100-199", 100, 199),
            ("bytes=19000-", 19_000, length - 1),
            ("bytes=-10", length - 10, length - 1),
            ("bytes=100-999999", 100, length - 1),
        ] {
            let answer = world.ask(&artifact, &[("range", range)]).await;
            assert!(answer.status == 206 && answer.completed(), "warm {warm}, {range}: {}", answer.summary());
            assert_eq!(answer.header("content-range"), Some(format!("bytes {first}-{last}/{length}").as_str()));
            assert_eq!(answer.body, bytes[first..=last], "{range}");
        }
    }
    assert_eq!(world.count(&artifact), 1);
}

pub async fn several_ranges_come_as_parts<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("ranges", &FRESH).artifact;
    let bytes = world.get_right(&artifact).await.body;
    let answer = world.ask(&artifact, &[("range", "bytes=0-99, 5000-5099, -50")]).await;
    assert!(answer.status == 206 && answer.completed(), "{}", answer.summary());
    assert!(answer.header("content-type").is_some_and(|value| value.starts_with("multipart/byteranges")));
    let length = bytes.len();
    let expected = [(0, 99), (5000, 5099), (length - 50, length - 1)];
    let expected =
        expected.map(|(first, last)| (format!("bytes {first}-{last}/{length}"), bytes[first..=last].to_vec()));
    assert_eq!(answer.parts(), expected);
}

pub async fn a_range_of_something_else_gets_the_whole<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("if-range", &FRESH).artifact;
    let tag = world.get_right(&artifact).await.header("etag").expect("an entity tag").to_owned();
    assert!(!tag.starts_with("W/"), "an artifact's tag is strong: {tag}");
    let asked = |condition| [("range", "bytes=0-9"), ("if-range", condition)];
    assert_eq!(world.ask(&artifact, &asked(&tag)).await.status, 206);
    for other in ["\"other\"", &format!("W/{tag}"), "Thu, 01 Jan 2015 00:00:00 GMT"] {
        let answer = world.ask(&artifact, &asked(other)).await;
        assert!(answer.is(&world.bytes(&artifact)), "{other}: {}", answer.summary());
    }
}

pub async fn a_range_past_the_end_gets_416<R: Row>(world: &World<R>) {
    let artifact = world.row.provide("past-the-end", &FRESH).artifact;
    let length = world.get_right(&artifact).await.body.len();
    for range in [format!("bytes={length}-"), "bytes=999999-".into(), "bytes=-0".into()] {
        let answer = world.ask(&artifact, &[("range", &range)]).await;
        assert!(answer.status == 416 && answer.completed(), "{range}: {}", answer.summary());
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{length}").as_str()));
    }
    // What is no byte range is passed over. Source: RFC 9110 §14.2.
    for range in ["lines=1-2", "bytes=x-y", "bytes=9-1"] {
        let answer = world.ask(&artifact, &[("range", range)]).await;
        assert!(answer.is(&world.bytes(&artifact)), "{range}: {}", answer.summary());
    }
}
