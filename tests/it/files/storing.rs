//! What may be stored, and what of it is given out. Source: RFC 9111 §3.

use super::table::From::{Cache, Origin, Refused};
use super::table::{Case, case, date, run};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn what_may_be_stored() {
    let mut cases = by_status();
    cases.extend(by_directive());
    cases.extend(headers());
    run("3: storing responses", "", cases).await;
}

fn by_status() -> Vec<Case> {
    let old = date(-100_000);
    let guessed = [("last-modified", old.as_str())];
    let heuristic = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].map(|status| {
        case("3", format!("{status} is stored without being told so"))
            .answers(status, &guessed)
            .get(Origin(1))
            .get(Cache(1))
            .status(status)
    });
    let others = [201, 299, 302, 303, 307, 400, 401, 403, 418, 429, 499, 500, 502, 503, 504, 599];
    let untold = others.map(|status| {
        case("3", format!("{status} is not stored without being told so"))
            .answers(status, &guessed)
            .get(Origin(1))
            .status(status)
            .get(Origin(2))
    });
    let told = others.map(|status| {
        case("3", format!("{status} is stored when it says how long it is fresh"))
            .answers(status, &[FRESH])
            .get(Origin(1))
            .get(Cache(1))
            .status(status)
    });
    let untold = untold.map(|case| case.answers(200, &[]));
    heuristic.into_iter().chain(untold).chain(told).collect()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn by_directive() -> Vec<Case> {
    let twice = |section, what: &str, said: &[(&str, &str)]| {
        case(section, what).says(said).says(said).get(Origin(1)).get(Origin(2))
    };
    vec![
        twice("5.2.2.5", "no-store is not stored", &[("cache-control", "no-store, max-age=60")]),
        twice("5.2.2.5", "No-Store is not stored, whatever its case", &[("cache-control", "No-StOrE, max-age=60")]),
        twice("5.2.2.5", "no-store counts on a second line", &[FRESH, ("cache-control", "no-store")]),
        twice("5.2.2.7", "private is not stored", &[("cache-control", "private, max-age=60")]),
        twice("5.2.2.7", "private with names is not stored", &[("cache-control", "private=\"x-a\", max-age=60")]),
        case("5.2", "a directive within quotes is none")
            .says(&[("cache-control", "x=\"no-store\", max-age=60")])
            .get(Origin(1))
            .get(Cache(1)),
        case("5.2.3", "an unknown directive is passed over")
            .says(&[("cache-control", "frob=1, max-age=60, nonsense")])
            .get(Origin(1))
            .get(Cache(1)),
        case("5.2.2.3", "must-understand lifts no-store for a status that is understood")
            .says(&[("cache-control", "must-understand, no-store, max-age=60")])
            .get(Origin(1))
            .get(Cache(1)),
        case("5.2.2.3", "must-understand keeps an unknown status from being stored")
            .answers(299, &[("cache-control", "must-understand, max-age=60")])
            .says(&[])
            .get(Origin(1))
            .get(Origin(2)),
        case("5.2.2.9", "public lets a status be stored that is not otherwise")
            .answers(403, &[("cache-control", "public"), ("etag", "\"a\"")])
            .answers(200, &[])
            .get(Origin(1))
            .get(Origin(2)),
        case("5.2.1.5", "a request's no-store keeps its answer from being stored")
            .says(&[FRESH])
            .says(&[FRESH])
            .get_with(&[("cache-control", "no-store")], Origin(1))
            .get(Origin(2))
            .get(Cache(2)),
        case("3.3", "a part that nobody asked for is not stored")
            .answers(206, &[FRESH, ("content-range", "bytes 0-9/100")])
            .says(&[FRESH])
            .get(super::table::From::Passed)
            .status(502)
            .get(Origin(2)),
        case("3.5", "what came for a client with credentials was asked for without them, and is shared")
            .says(&[FRESH])
            .get_with(&[("authorization", "Bearer x"), ("cookie", "a=b")], Origin(1))
            .asked("authorization", None)
            .asked("cookie", None)
            .get(Cache(1)),
        case("5.2.1.7", "what is not stored cannot answer only-if-cached")
            .says(&[FRESH])
            .get_with(&[("cache-control", "only-if-cached")], Refused(504)),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn headers() -> Vec<Case> {
    let old = [FRESH, ("x-end", "to end"), ("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5")];
    vec![
        case("3.1", "end-to-end headers are stored")
            .says(&old)
            .get(Origin(1))
            .get(Cache(1))
            .header("x-end", Some("to end")),
        case("3.1", "headers of one hop are not, nor those that Connection names")
            .says(&old)
            .get(Origin(1))
            .header("x-hop", None)
            .get(Cache(1))
            .header("x-hop", None)
            .check(|answer, _| answer.headers.has("keep-alive").then(|| "keep-alive".to_owned())),
        case("3.1", "headers of a proxy are not")
            .says(&[FRESH, ("proxy-authenticate", "Basic"), ("proxy-authentication-info", "x")])
            .get(Origin(1))
            .get(Cache(1))
            .header("proxy-authenticate", None)
            .header("proxy-authentication-info", None),
        case("3.1", "all lines of a header are stored, in their order")
            .says(&[FRESH, ("x-many", "1"), ("x-many", "2, 3"), ("x-many", "1")])
            .get(Origin(1))
            .get(Cache(1))
            .check(|answer, _| {
                let lines: Vec<_> = answer.headers.all("x-many").collect();
                (lines != ["1", "2, 3", "1"]).then(|| format!("{lines:?}"))
            }),
        case("7.3", "a cookie of the origin is not given to others, nor stored")
            .says(&[FRESH, ("set-cookie", "a=b")])
            .get(Origin(1))
            .header("set-cookie", None)
            .get(Cache(1))
            .header("set-cookie", None),
        case("3", "a body is stored as it was coded")
            .says(&[FRESH, ("content-encoding", "x-frob")])
            .get(Origin(1))
            .get(Cache(1))
            .header("content-encoding", Some("x-frob")),
        case("9110 7.6.3", "answers name us in Via, beside who came before")
            .says(&[FRESH, ("via", "1.1 other")])
            .get(Origin(1))
            .get(Cache(1))
            .check(|answer, _| {
                let via: Vec<_> = answer.headers.all("via").collect();
                let right = via.len() == 2 && via[0] == "1.1 other" && via[1].starts_with("1.1 heliostat-");
                (!right).then(|| format!("{via:?}"))
            }),
        case("9211 2", "Cache-Status tells a hit, after what others have told")
            .says(&[FRESH, ("cache-status", "other; fwd=miss")])
            .get(Origin(1))
            .get(Cache(1))
            .check(|answer, _| {
                let told: Vec<_> = answer.headers.all("cache-status").collect();
                (told != ["other; fwd=miss", "heliostat; hit"]).then(|| format!("{told:?}"))
            }),
        case("9110 7.1", "a redirect into the tree leads through the mirror, and is stored")
            .answers(301, &[("location", "{origin}{case}/other")])
            .get(Origin(1))
            .check(|answer, _| {
                let location = answer.header("location").unwrap_or_default();
                (!location.starts_with("http://127.0.0.1:") || !location.contains("/files/t/case-"))
                    .then(|| location.to_owned())
            }),
        case("9110 7.1", "a redirect out of the tree is left alone")
            .answers(308, &[FRESH, ("location", "https://other.example/x")])
            .get(Origin(1))
            .get(Cache(1))
            .header("location", Some("https://other.example/x")),
    ]
}
