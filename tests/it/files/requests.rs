//! What clients may ask of a cache: directives, conditions, ranges, HEAD. Source: RFC 9111 §5.2.1, §4.3.2; RFC 9110 §13, §14.

use super::table::From::{Cache, Origin, Refused, Validated};
use super::table::{Case, case, date, run};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const ETAG: (&str, &str) = ("etag", "\"a\"");

#[tokio::test]
async fn what_clients_ask_of_caches() {
    let mut cases = directives();
    cases.extend(lenience());
    run("5.2.1: request directives", "stale_if_error = \"0s\"", cases).await;
}

#[tokio::test]
async fn conditions_and_parts() {
    let mut cases = conditions();
    cases.extend(parts());
    run("4.3.2: conditions and ranges of clients", "", cases).await;
}

/// Stored and fresh, then asked for with a header.
fn then(section: &'static str, what: &str, header: (&str, &str), from: super::table::From) -> Case {
    case(section, what).says(&[FRESH]).says(&[FRESH]).get(Origin(1)).get_with(&[header], from)
}

fn directives() -> Vec<Case> {
    let cache_control = |value| ("cache-control", value);
    let aged = |section, what: &str, value, from| {
        let said = [FRESH, ("age", "30")];
        case(section, what).says(&said).says(&said).get(Origin(1)).get_with(&[("cache-control", value)], from)
    };
    vec![
        then("5.2.1.4", "no-cache is asked for anew", cache_control("no-cache"), Origin(2)),
        then("5.2.1.4", "No-Cache is asked for anew, whatever its case", cache_control("No-Cache"), Origin(2)),
        then("5.4", "Pragma: no-cache is no-cache", ("pragma", "no-cache"), Origin(2)),
        case("5.4", "Pragma counts only where there is no Cache-Control")
            .says(&[FRESH])
            .get(Origin(1))
            .get_with(&[("pragma", "no-cache"), ("cache-control", "max-age=60")], Cache(1)),
        case("5.2.1.4", "what is asked for anew is asked for with conditions, and is stored")
            .says(&[FRESH, ETAG])
            .answers(304, &[FRESH, ETAG])
            .get(Origin(1))
            .get_with(&[("cache-control", "no-cache")], Validated(1))
            .asked("if-none-match", Some("\"a\""))
            .get(Cache(1)),
        aged("5.2.1.1", "max-age that is older than the answer", "max-age=40", Cache(1)),
        aged("5.2.1.1", "max-age that is younger than the answer", "max-age=20", Origin(2)),
        then("5.2.1.1", "max-age=0 is asked for anew", cache_control("max-age=0"), Origin(2)),
        aged("5.2.1.3", "min-fresh that is left", "min-fresh=20", Cache(1)),
        aged("5.2.1.3", "min-fresh that is not left", "min-fresh=40", Origin(2)),
        then("5.2.1.7", "only-if-cached is answered from the cache", cache_control("only-if-cached"), Cache(1)),
        case("5.2.1.7", "only-if-cached is 504 where nothing is stored")
            .says(&[FRESH])
            .get_with(&[("cache-control", "only-if-cached")], Refused(504)),
        case("5.2.1.7", "only-if-cached is 504 where it is stale")
            .says(&[("cache-control", "max-age=0")])
            .get(Origin(1))
            .get_with(&[("cache-control", "only-if-cached")], Refused(504)),
        then("5.2.1.5", "no-store may be answered from what is stored", cache_control("no-store"), Cache(1)),
        case("5.2", "directives of a request are handed on")
            .says(&[FRESH])
            .get_with(&[("cache-control", "max-age=5, no-transform")], Origin(1))
            .asked("cache-control", Some("max-age=5, no-transform")),
        then("5.2.3", "an unknown directive is passed over", cache_control("frob, x=\"no-cache\""), Cache(1)),
    ]
}

fn lenience() -> Vec<Case> {
    let stale = |what: &str, said: &str, asked: &str, from| {
        let said = [("cache-control", said), ("age", "30")];
        case("5.2.1.2", what).says(&said).says(&said).get(Origin(1)).get_with(&[("cache-control", asked)], from)
    };
    vec![
        stale("max-stale takes what has not been stale for longer", "max-age=20", "max-stale=30", Cache(1)),
        stale("max-stale refuses what has been stale for longer", "max-age=20", "max-stale=5", Origin(2)),
        stale("max-stale without a time takes anything", "max-age=0", "max-stale", Cache(1)),
        stale("max-stale that is no number takes nothing", "max-age=0", "max-stale=x", Origin(2)),
        stale("max-stale takes no must-revalidate", "max-age=0, must-revalidate", "max-stale", Origin(2)),
        stale("max-stale takes no proxy-revalidate", "max-age=0, proxy-revalidate", "max-stale", Origin(2)),
        stale("max-stale takes no s-maxage", "s-maxage=0", "max-stale", Origin(2)),
        stale("max-stale takes no no-cache", "no-cache", "max-stale", Origin(2)),
        stale("max-age counts beside max-stale", "max-age=20", "max-stale=60, max-age=10", Origin(2)),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn conditions() -> Vec<Case> {
    let modified = date(-1_000);
    let stored = |what: &str| case("4.3.2", what).says(&[FRESH, ETAG, ("last-modified", &modified)]).get(Origin(1));
    let earlier = date(-2_000);
    vec![
        stored("If-None-Match that matches is 304").get_with(&[("if-none-match", "\"a\"")], Cache(1)).status(304),
        stored("If-None-Match compares weakly").get_with(&[("if-none-match", "W/\"a\"")], Cache(1)).status(304),
        stored("If-None-Match takes a list").get_with(&[("if-none-match", "\"x,\", \"a\"")], Cache(1)).status(304),
        stored("If-None-Match: * matches").get_with(&[("if-none-match", "*")], Cache(1)).status(304),
        stored("If-None-Match that does not match is 200")
            .get_with(&[("if-none-match", "\"b\"")], Cache(1))
            .status(200),
        stored("If-Modified-Since that holds is 304")
            .get_with(&[("if-modified-since", &modified)], Cache(1))
            .status(304),
        stored("If-Modified-Since that is earlier is 200")
            .get_with(&[("if-modified-since", &earlier)], Cache(1))
            .status(200),
        stored("If-Modified-Since that is no date is passed over")
            .get_with(&[("if-modified-since", "yesterday")], Cache(1))
            .status(200),
        stored("If-None-Match goes before If-Modified-Since")
            .get_with(&[("if-none-match", "\"b\""), ("if-modified-since", &modified)], Cache(1))
            .status(200),
        stored("a 304 has the headers that a 200 would have")
            .get_with(&[("if-none-match", "\"a\"")], Cache(1))
            .header("etag", Some("\"a\""))
            .header("cache-control", Some("max-age=60"))
            .header("content-length", None),
        case("4.3.2", "If-Modified-Since is measured by Date without Last-Modified")
            .says(&[FRESH])
            .get(Origin(1))
            .get_with(&[("if-modified-since", &date(60))], Cache(1))
            .status(304)
            .get_with(&[("if-modified-since", &date(-60))], Cache(1))
            .status(200),
        case("4.3.2", "conditions are not held against an error that is stored")
            .answers(404, &[FRESH, ETAG])
            .get(Origin(1))
            .get_with(&[("if-none-match", "*")], Cache(1))
            .status(404),
        case("4.3.2", "a condition of a client is not the origin's to judge: all of it is fetched, and stored")
            .says(&[FRESH, ETAG])
            .get_with(&[("if-none-match", "\"a\"")], Origin(1))
            .status(304)
            .asked("if-none-match", None)
            .get(Cache(1))
            .status(200),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn parts() -> Vec<Case> {
    let stored = |section, what: &str| case(section, what).says(&[FRESH, ETAG]).get(Origin(1));
    let body = |wanted: &'static str| {
        move |answer: &crate::support::http::Answer, _: Option<&crate::support::resource::Seen>| {
            (answer.text() != wanted).then(|| format!("{:?}, not {wanted:?}", answer.text()))
        }
    };
    vec![
        stored("9110 14.2", "a part is cut from what is stored")
            .get_with(&[("range", "bytes=0-5")], Cache(1))
            .status(206)
            .header("content-range", Some("bytes 0-5/22"))
            .check(body("answer")),
        stored("9110 14.2", "a part from the end").get_with(&[("range", "bytes=-6")], Cache(1)).check(body("origin")),
        stored("9110 14.2", "a part that starts beyond the end is 416")
            .get_with(&[("range", "bytes=22-")], Refused(416))
            .header("content-range", Some("bytes */22")),
        stored("9110 14.2", "an unknown unit is passed over").get_with(&[("range", "lines=1-2")], Cache(1)).status(200),
        stored("9110 13.1.5", "If-Range that matches")
            .get_with(&[("range", "bytes=0-5"), ("if-range", "\"a\"")], Cache(1))
            .status(206),
        stored("9110 13.1.5", "If-Range that does not match is answered with the whole")
            .get_with(&[("range", "bytes=0-5"), ("if-range", "\"b\"")], Cache(1))
            .status(200),
        case("3.4", "a part of what is not stored is fetched whole, and stored")
            .says(&[FRESH, ETAG])
            .get_with(&[("range", "bytes=0-5")], Origin(1))
            .status(206)
            .asked("range", None)
            .check(body("answer"))
            .get(Cache(1))
            .status(200),
        case("9110 14.2", "a part of what may not be stored is answered with the whole")
            .says(&[("cache-control", "no-store")])
            .get_with(&[("range", "bytes=0-5")], Origin(1))
            .status(200),
        stored("4", "HEAD is answered from what a GET has stored")
            .ask("HEAD", "", &[], Cache(1))
            .status(200)
            .header("content-length", Some("22"))
            .check(|answer, _| (!answer.body.is_empty()).then(|| "a body".to_owned())),
        case("4.3.5", "HEAD of what is not stored is asked for by GET, which stores it")
            .says(&[FRESH, ETAG])
            .ask("HEAD", "", &[], Origin(1))
            .check(|_, seen| seen.is_none_or(|seen| seen.method != "GET").then(|| "no GET".to_owned()))
            .get(Cache(1)),
    ]
}
