//! Which of several stored responses a request selects. Source: RFC 9111 §4.1.

use super::table::From::{Cache, Origin, Validated};
use super::table::{Case, case, run};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn requests_select_by_their_headers() {
    let mut cases = one_header();
    cases.extend(several());
    cases.extend(changing());
    run("4.1: Vary", "", cases).await;
}

/// Stored for one request, then asked for by another.
fn then(what: &str, vary: &str, first: &[(&str, &str)], second: &[(&str, &str)], is_same: bool) -> Case {
    let said = [FRESH, ("vary", vary)];
    let case = case("4.1", what).says(&said).says(&said).get_with(first, Origin(1));
    case.get_with(second, if is_same { Cache(1) } else { Origin(2) })
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn one_header() -> Vec<Case> {
    let (one, two) = ([("x-a", "1")], [("x-a", "2")]);
    vec![
        then("the same value selects it", "x-a", &one, &one, true),
        then("another value does not", "x-a", &one, &two, false),
        then("none does not, where there was one", "x-a", &one, &[], false),
        then("one does not, where there was none", "x-a", &[], &one, false),
        then("none does, where there was none", "x-a", &[], &[], true),
        then("an empty value is not none", "x-a", &[("x-a", "")], &[], false),
        then(
            "what Vary does not name does not matter",
            "x-a",
            &[("x-a", "1"), ("x-b", "1")],
            &[("x-a", "1"), ("x-b", "2")],
            true,
        ),
        then("names have no case", "X-A", &one, &one, true),
        then("values have", "x-a", &[("x-a", "b")], &[("x-a", "B")], false),
        then("white space around members makes no difference", "x-a", &[("x-a", "1,2")], &[("x-a", " 1 , 2 ")], true),
        then("two lines are one list", "x-a", &[("x-a", "1"), ("x-a", "2")], &[("x-a", "1, 2")], true),
        then("the order of members makes one", "x-a", &[("x-a", "1, 2")], &[("x-a", "2, 1")], false),
        then(
            "codings have no case",
            "accept-encoding",
            &[("accept-encoding", "gzip;q=0.5, br")],
            &[("accept-encoding", "GZIP; q=0.5,BR")],
            true,
        ),
        then(
            "another language is another response",
            "accept-language",
            &[("accept-language", "en")],
            &[("accept-language", "de")],
            false,
        ),
        then("* is selected by nothing", "*", &one, &one, false),
        then("* is selected by nothing, whatever stands beside it", "x-a, *", &one, &one, false),
        then(
            "credentials never go upstream, so they select nothing",
            "cookie",
            &[("cookie", "a")],
            &[("cookie", "b")],
            true,
        ),
    ]
}

fn several() -> Vec<Case> {
    let both = [("x-a", "1"), ("x-b", "1")];
    vec![
        then("two headers must both be the same", "x-a, x-b", &both, &both, true),
        then("one of two is not enough", "x-a, x-b", &both, &[("x-a", "1"), ("x-b", "2")], false),
        then("one value cannot pass for two", "x-a, x-b", &both, &[("x-a", "1x-b: 1")], false),
        case("4.1", "a second line of Vary counts")
            .says(&[FRESH, ("vary", "x-a"), ("vary", "x-b")])
            .get_with(&both, Origin(1))
            .get_with(&both, Cache(1))
            .get_with(&[("x-a", "1"), ("x-b", "2")], Origin(2))
            .says(&[FRESH, ("vary", "x-a, x-b")]),
        case("4.1", "several are stored side by side")
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .get_with(&[("x-a", "1")], Origin(1))
            .get_with(&[("x-a", "2")], Origin(2))
            .get(Origin(3))
            .get_with(&[("x-a", "1")], Cache(1))
            .get_with(&[("x-a", "2")], Cache(2))
            .get(Cache(3)),
        case("4.3.1", "each is validated with its own tag")
            .says(&[("cache-control", "max-age=0"), ("vary", "x-a"), ("etag", "\"1\"")])
            .says(&[("cache-control", "max-age=0"), ("vary", "x-a"), ("etag", "\"2\"")])
            .answers(304, &[])
            .get_with(&[("x-a", "1")], Origin(1))
            .get_with(&[("x-a", "2")], Origin(2))
            .get_with(&[("x-a", "1")], Validated(1))
            .asked("if-none-match", Some("\"1\""))
            .get_with(&[("x-a", "2")], Validated(2))
            .asked("if-none-match", Some("\"2\"")),
        case("4.1", "a HEAD selects as a GET does")
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .get_with(&[("x-a", "1")], Origin(1))
            .ask("HEAD", "", &[("x-a", "1")], Cache(1))
            .ask("HEAD", "", &[("x-a", "2")], Origin(2)),
    ]
}

fn changing() -> Vec<Case> {
    vec![
        case("4.1", "what stops to vary is everybody's")
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH])
            .get_with(&[("x-a", "1")], Origin(1))
            .get_with(&[("x-a", "2")], Origin(2))
            .get_with(&[("x-a", "3")], Cache(2)),
        case("4.1", "what begins to vary is selected from then on")
            .says(&[("cache-control", "max-age=0")])
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a")])
            .get_with(&[("x-a", "1")], Origin(1))
            .get_with(&[("x-a", "1")], Origin(2))
            .get_with(&[("x-a", "1")], Cache(2))
            .get_with(&[("x-a", "2")], Origin(3)),
        case("4.1", "what varies by more is selected by more")
            .says(&[FRESH, ("vary", "x-a")])
            .says(&[FRESH, ("vary", "x-a, x-b")])
            .says(&[FRESH, ("vary", "x-a, x-b")])
            .get_with(&[("x-a", "1"), ("x-b", "1")], Origin(1))
            .get_with(&[("x-a", "2"), ("x-b", "1")], Origin(2))
            .get_with(&[("x-a", "2"), ("x-b", "2")], Origin(3))
            .get_with(&[("x-a", "2"), ("x-b", "1")], Cache(2)),
    ]
}
