//! What changes a resource makes caches forget it. Source: RFC 9111 §4.4.

use super::table::From::{Cache, Origin, Passed};
use super::table::{Case, case, run};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn what_is_changed_is_forgotten() {
    let mut cases = by_method();
    cases.extend(elsewhere());
    run("4.4: invalidation", "", cases).await;
}

/// Stored; then another method is answered with this status.
fn then(what: String, method: &'static str, status: u16, more: &[(&str, &str)]) -> Case {
    case("4.4", what)
        .says(&[FRESH])
        .answers(status, more)
        .says(&[FRESH])
        .get(Origin(1))
        .get(Cache(1))
        .ask(method, "", &[("content-length", "0")], Passed)
        .status(status)
        .check(move |_, seen| seen.is_none_or(|seen| seen.method != method).then(|| format!("no {method} went on")))
}

fn by_method() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in ["POST", "PUT", "DELETE", "FROB"] {
        for status in [200, 204, 303] {
            cases.push(
                then(format!("{method} answered with {status} makes it forgotten"), method, status, &[]).get(Origin(3)),
            );
        }
        cases.push(then(format!("{method} answered with 500 does not"), method, 500, &[]).get(Cache(1)));
        cases.push(then(format!("{method} answered with 403 does not"), method, 403, &[]).get(Cache(1)));
    }
    cases.push(then("OPTIONS is safe".to_owned(), "OPTIONS", 200, &[]).get(Cache(1)));
    cases.push(then("an answer to POST is not stored".to_owned(), "POST", 200, &[FRESH]).get(Origin(3)));
    cases
}

fn elsewhere() -> Vec<Case> {
    let location = |header: (&str, &str), last, what: &str| {
        // The second answer is that to the POST; the other path has a script of its own.
        case("4.4", what)
            .says(&[FRESH])
            .says(&[FRESH, header])
            .ask("GET", "/other", &[], Origin(1))
            .get(Origin(1))
            .ask("POST", "", &[("content-length", "0")], Passed)
            .ask("GET", "/other", &[], last)
    };
    vec![
        location(("location", "{case}/other"), Origin(2), "what Location names is forgotten"),
        location(("content-location", "{origin}{case}/other"), Origin(2), "what Content-Location names is forgotten"),
        location(("location", "https://other.example{case}/other"), Cache(1), "what another origin has is not"),
        case("4.4", "all variants are forgotten")
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[])
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .get_with(&[("x-a", "1")], Origin(1))
            .get_with(&[("x-a", "2")], Origin(2))
            .ask("PUT", "", &[("content-length", "0")], Passed)
            .get_with(&[("x-a", "1")], Origin(4))
            .get_with(&[("x-a", "2")], Origin(5)),
    ]
}
