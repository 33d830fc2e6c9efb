//! How what is stale is asked for anew, and what comes of it. Source: RFC 9111 §3.2, §4.3.

use super::table::From::{Cache, Origin, Passed, Validated};
use super::table::{Case, case, date, run};

const STALE: (&str, &str) = ("cache-control", "max-age=0");
const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const ETAG: (&str, &str) = ("etag", "\"a\"");

#[tokio::test]
async fn what_is_stale_is_validated() {
    let mut cases = asking();
    cases.extend(confirmed());
    cases.extend(replaced());
    cases.extend(heads());
    run("4.3: validation", "stale_if_error = \"0s\"", cases).await;
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn asking() -> Vec<Case> {
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let conditions = |what: &str, said: &[(&str, &str)], etag: Option<&'static str>, since: Option<&'static str>| {
        case("4.3.1", what)
            .says(&[&[STALE], said].concat())
            .answers(304, &[])
            .get(Origin(1))
            .get(Validated(1))
            .asked("if-none-match", etag)
            .asked("if-modified-since", since)
    };
    vec![
        conditions("with an entity tag", &[ETAG], Some("\"a\""), None),
        conditions("with a weak one", &[("etag", "W/\"a\"")], Some("W/\"a\""), None),
        conditions("with a date", &[("last-modified", modified)], None, Some(modified)),
        conditions("with both", &[ETAG, ("last-modified", modified)], Some("\"a\""), Some(modified)),
        case("4.3.1", "without a validator all of it is asked for")
            .says(&[STALE])
            .says(&[STALE])
            .get(Origin(1))
            .get(Origin(2))
            .asked("if-none-match", None)
            .asked("if-modified-since", None),
        case("5.2.2.4", "no-cache is stored, and asked for each time")
            .says(&[("cache-control", "no-cache, max-age=60"), ETAG])
            .answers(304, &[])
            .get(Origin(1))
            .get(Validated(1))
            .get(Validated(1)),
        case("5.2.2.4", "no-cache with names is as good as without")
            .says(&[("cache-control", "no-cache=\"x-a\", max-age=60"), ETAG])
            .answers(304, &[])
            .get(Origin(1))
            .get(Validated(1)),
        case("5.2.2.2", "must-revalidate is asked for when it is stale")
            .says(&[("cache-control", "max-age=0, must-revalidate"), ETAG])
            .answers(304, &[])
            .get(Origin(1))
            .get(Validated(1)),
        case("4.3.1", "the client's own tag is not sent in place of ours")
            .says(&[STALE, ETAG])
            .answers(304, &[])
            .get(Origin(1))
            .get_with(&[("if-none-match", "\"b\"")], Validated(1))
            .status(200)
            .asked("if-none-match", Some("\"a\"")),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn confirmed() -> Vec<Case> {
    let renewed = |what: &str, stored: &[(&str, &str)], given: &[(&str, &str)]| {
        let stored = [&[STALE, ETAG], stored].concat();
        case("3.2", what).says(&stored).answers(304, &[&[FRESH, ETAG], given].concat()).get(Origin(1)).get(Validated(1))
    };
    vec![
        renewed("a 304 makes it fresh again", &[], &[]).get(Cache(1)),
        renewed("a 304 replaces the headers that it names", &[("x-a", "1"), ("x-b", "1")], &[("x-a", "2")])
            .header("x-a", Some("2"))
            .get(Cache(1))
            .header("x-a", Some("2"))
            .header("x-b", Some("1")),
        renewed("a 304 adds headers", &[], &[("x-new", "1")]).get(Cache(1)).header("x-new", Some("1")),
        renewed("a 304 changes the content type", &[], &[("content-type", "text/html")])
            .get(Cache(1))
            .header("content-type", Some("text/html")),
        renewed(
            "a 304 does not change what the content is coded by",
            &[("content-encoding", "x-a")],
            &[("content-encoding", "x-b")],
        )
        .get(Cache(1))
        .header("content-encoding", Some("x-a")),
        renewed("a 304 does not change the length", &[], &[("content-length", "5")])
            .get(Cache(1))
            .header("content-length", Some("22")),
        renewed("headers of one hop are not taken from a 304", &[], &[("connection", "x-hop"), ("x-hop", "1")])
            .get(Cache(1))
            .header("x-hop", None),
        case("4.3.4", "a 304 that says nothing of freshness leaves what was said")
            .says(&[("cache-control", "max-age=60"), ("age", "60"), ETAG])
            .answers(304, &[ETAG])
            .get(Origin(1))
            .get(Validated(1))
            .get(Cache(1)),
        case("4.3.4", "a 304 with a weak tag of the same text confirms")
            .says(&[STALE, ETAG])
            .answers(304, &[FRESH, ("etag", "W/\"a\"")])
            .get(Origin(1))
            .get(Validated(1))
            .get(Cache(1)),
        case("4.3.4", "a 304 of another strong tag confirms nothing: all of it is asked for")
            .says(&[STALE, ETAG])
            .answers(304, &[FRESH, ("etag", "\"b\"")])
            .says(&[FRESH, ("x-number", "3")])
            .get(Origin(1))
            .get(Passed)
            .header("x-number", Some("3"))
            .asked("if-none-match", None)
            .get(Cache(3)),
        case("4.3.4", "a 304 that says no-store is not kept to")
            .says(&[STALE, ETAG])
            .answers(304, &[("cache-control", "no-store"), ETAG])
            .says(&[FRESH, ("x-number", "3")])
            .get(Origin(1))
            .get(Passed)
            .header("x-number", Some("3")),
        case("4.3.3", "a client that has it is told so after a 304")
            .says(&[STALE, ETAG])
            .answers(304, &[FRESH, ETAG])
            .get(Origin(1))
            .get_with(&[("if-none-match", "\"a\"")], Validated(1))
            .status(304),
    ]
}

fn replaced() -> Vec<Case> {
    let old = date(-100_000);
    vec![
        case("4.3.3", "a 200 takes the place of what was stored")
            .says(&[STALE, ETAG])
            .says(&[FRESH, ("etag", "\"b\"")])
            .get(Origin(1))
            .get(Validated(2))
            .get(Cache(2))
            .header("etag", Some("\"b\"")),
        case("4.3.3", "a 404 takes the place of what was stored")
            .says(&[STALE, ETAG])
            .answers(404, &[FRESH])
            .get(Origin(1))
            .get(Validated(2))
            .status(404)
            .get(Cache(2))
            .status(404),
        case("4.3.3", "a 500 is passed on where nothing stale may be served, and what is stored stays")
            .says(&[("cache-control", "max-age=0, must-revalidate"), ETAG])
            .answers(500, &[])
            .answers(304, &[FRESH, ETAG])
            .get(Origin(1))
            .get(Validated(2))
            .status(500)
            .get(Validated(1))
            .status(200),
        case("4.3.3", "a 200 that may not be stored is passed on, and what was stored is gone")
            .says(&[STALE, ETAG])
            .says(&[("cache-control", "no-store")])
            .says(&[FRESH])
            .get(Origin(1))
            .get(Validated(2))
            .get(Origin(3)),
        case("4.3.1", "a stored 404 is not asked for with its tag")
            .answers(404, &[STALE, ETAG])
            .says(&[FRESH, ("last-modified", &old)])
            .get(Origin(1))
            .get(Origin(2))
            .status(200),
    ]
}

/// A HEAD is answered from what a GET would bring: what is held is renewed by it, and the head is that of the content.
fn heads() -> Vec<Case> {
    const NEVER: (&str, &str) = ("cache-control", "no-store");
    let head = |case: Case, from| case.ask("HEAD", "", &[], from).status(200).header("content-length", Some("22"));
    vec![
        head(
            case("4.3.5", "a HEAD for what is stale validates it")
                .says(&[STALE, ETAG])
                .answers(304, &[FRESH, ETAG, ("x-number", "2")])
                .get(Origin(1)),
            Validated(1),
        )
        .header("x-number", Some("2"))
        .get(Cache(1))
        .header("x-number", Some("2")),
        head(
            case("4.3.5", "a HEAD for what has changed tells of what is there now")
                .says(&[STALE, ETAG])
                .says(&[FRESH, ("etag", "\"b\"")])
                .get(Origin(1)),
            Validated(2),
        )
        .header("etag", Some("\"b\""))
        .get(Cache(2)),
        head(
            head(
                case("4.3.5", "a HEAD for what may not be stored leaves nothing")
                    .says(&[NEVER])
                    .says(&[NEVER])
                    .says(&[NEVER]),
                Origin(1),
            ),
            Origin(2),
        )
        .get(Origin(3)),
        head(case("4.3.5", "a HEAD for what is not held brings it").says(&[FRESH]), Origin(1)).get(Cache(1)),
    ]
}
