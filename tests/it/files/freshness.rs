//! How long what is stored is fresh, how old it is, and when it may be served stale. Source: RFC 9111 §4.2, RFC 5861.

use super::table::From::{Cache, Origin, Validated};
use super::table::{Case, case, date, run};

#[tokio::test]
async fn how_long_it_is_fresh() {
    let mut cases = directives();
    cases.extend(dates());
    cases.extend(guesses());
    cases.extend(ages());
    run("4.2: freshness", "stale_if_error = \"0s\"", cases).await;
}

#[tokio::test]
async fn when_it_may_be_served_stale() {
    run("4.2.4: serving stale", "stale_if_error = \"1h\"", stale()).await;
}

/// Stored and fresh.
fn fresh(section: &'static str, what: &str, said: &[(&str, &str)]) -> Case {
    case(section, what).says(said).get(Origin(1)).get(Cache(1))
}

/// Stored or not: never served again without asking.
fn never(section: &'static str, what: &str, said: &[(&str, &str)]) -> Case {
    case(section, what).says(said).says(said).get(Origin(1)).get(Origin(2))
}

fn directives() -> Vec<Case> {
    let fresh_with = |section, what, value| fresh(section, what, &[("cache-control", value)]);
    let never_with = |section, what, value| never(section, what, &[("cache-control", value)]);
    let (later, past) = (date(60), date(-60));
    vec![
        fresh_with("4.2.1", "max-age", "max-age=60"),
        never_with("4.2.1", "max-age=0", "max-age=0"),
        fresh_with("4.2.1", "s-maxage goes before max-age", "max-age=0, s-maxage=60"),
        never_with("4.2.1", "s-maxage=0 goes before max-age", "max-age=60, s-maxage=0"),
        fresh("4.2.1", "max-age goes before Expires", &[("cache-control", "max-age=60"), ("expires", &past)]),
        never("4.2.1", "max-age=0 goes before Expires", &[("cache-control", "max-age=0"), ("expires", &later)]),
        fresh_with("5.2", "names of directives have no case", "MaX-aGe=60"),
        fresh_with("5.2", "an argument may be quoted", "max-age=\"60\""),
        fresh_with("1.2.2", "zeros in front count for nothing", "max-age=00060"),
        fresh_with("1.2.2", "a number too large is as good as the largest", "max-age=99999999999999999999"),
        never_with("4.2.1", "max-age that is no whole number is stale", "max-age=60.5"),
        never_with("4.2.1", "max-age that is negative is stale", "max-age=-60"),
        never_with("4.2.1", "max-age with letters is stale", "max-age=60s"),
        never_with("4.2.1", "max-age in the wrong quotes is stale", "max-age='60'"),
        never_with("4.2.1", "max-age without an argument is stale", "max-age"),
        never_with("4.2.1", "s-maxage that is no number is stale, whatever max-age says", "s-maxage=x, max-age=60"),
        never_with("4.2.1", "two different max-age are stale", "max-age=60, max-age=61"),
        fresh_with("4.2.1", "the same max-age twice is no contradiction", "max-age=60, max-age=60"),
        never_with("4.2.1", "the most restrictive of two that conflict counts", "max-age=60, no-cache"),
        fresh_with("5.2.2.8", "proxy-revalidate does not shorten anything", "max-age=60, proxy-revalidate"),
        fresh_with("5.2.2.2", "must-revalidate does not shorten anything", "max-age=60, must-revalidate"),
        fresh(
            "5.2",
            "a directive on the second line counts",
            &[("cache-control", "x"), ("cache-control", "max-age=60")],
        ),
    ]
}

fn dates() -> Vec<Case> {
    let (now, later, past) = (date(0), date(3600), date(-3600));
    let with_expires = |value: &str| vec![("expires".to_owned(), value.to_owned()), ("date".to_owned(), now.clone())];
    let said = |pairs: &[(String, String)], section, what: &str, is_fresh: bool| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if is_fresh { fresh(section, what, &pairs) } else { never(section, what, &pairs) }
    };
    let two = [with_expires(&later), with_expires(&date(7200))].concat();
    vec![
        said(&with_expires(&later), "4.2.1", "Expires", true),
        said(&with_expires(&past), "4.2.1", "Expires that has passed", false),
        said(&with_expires(&now), "4.2.1", "Expires that is Date", false),
        said(&with_expires("0"), "5.3", "Expires of 0 has passed", false),
        said(&with_expires("-1"), "5.3", "Expires of -1 has passed", false),
        said(&with_expires("tomorrow"), "5.3", "Expires that is no date has passed", false),
        said(&with_expires("Thu, 18 Aug 2050 02:01:18 CET"), "5.3", "Expires in another zone is no date", false),
        said(&with_expires("Thursday, 18-Aug-50 02:01:18 GMT"), "4.2", "Expires in the form of RFC 850", true),
        said(&with_expires("Mon Aug  8 02:01:18 2050"), "4.2", "Expires in the form of asctime", true),
        said(&two, "4.2.1", "two different Expires are stale", false),
        said(
            &[("expires".to_owned(), date(60)), ("date".to_owned(), date(120))],
            "4.2.1",
            "Expires counts from Date, not from our clock",
            false,
        ),
    ]
}

fn guesses() -> Vec<Case> {
    let (long_ago, just_now) = (date(-100_000), date(-5));
    vec![
        fresh("4.2.2", "a tenth of the time since the last change", &[("last-modified", &long_ago)]),
        case("4.2.2", "a tenth of a short time is over soon")
            .says(&[("last-modified", &just_now)])
            .answers(304, &[])
            .get(Origin(1))
            .get(Validated(1))
            .after(1_600),
        never("4.2.2", "nothing is guessed without a hint", &[]),
        asked_again("nothing is guessed from a future change", &[("last-modified", "Thu, 18 Aug 2050 02:01:18 GMT")]),
        asked_again("nothing is guessed against Expires", &[("expires", "0"), ("last-modified", &long_ago)]),
        asked_again(
            "nothing is guessed against max-age",
            &[("cache-control", "max-age=0"), ("last-modified", &long_ago)],
        ),
    ]
}

/// Stored, and asked for anew each time.
fn asked_again(what: &str, said: &[(&str, &str)]) -> Case {
    case("4.2.2", what).says(said).says(said).get(Origin(1)).get(Validated(2))
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn ages() -> Vec<Case> {
    let said =
        |age: &str| vec![("cache-control".to_owned(), "max-age=60".to_owned()), ("age".to_owned(), age.to_owned())];
    let with = |section, what: &str, age: &str, is_fresh: bool| {
        let pairs = said(age);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if is_fresh { fresh(section, what, &pairs) } else { never(section, what, &pairs) }
    };
    let old = date(-70);
    vec![
        with("4.2.3", "what was old when it came is stale the sooner", "60", false),
        with("4.2.3", "what was not that old is fresh", "20", true),
        with("5.1", "the first of several ages counts", "20, 90", true),
        with("5.1", "an age that is negative is passed over", "-90", true),
        with("5.1", "an age that is no whole number is passed over", "90.5", true),
        with("1.2.2", "an age too large is as good as the largest", "99999999999999999999", false),
        never(
            "4.2.3",
            "what is old by its Date is stale the sooner",
            &[("cache-control", "max-age=60"), ("date", &old)],
        ),
        case("5.1", "Age is the age on arrival and since")
            .says(&[("cache-control", "max-age=60"), ("age", "20")])
            .get(Origin(1))
            .get(Cache(1))
            .after(2_100)
            .check(|answer, _| {
                let age = answer.header("age").and_then(|age| age.parse::<u64>().ok());
                (!age.is_some_and(|age| (22..40).contains(&age))).then(|| format!("age {age:?}"))
            }),
        case("5.1", "every answer from the cache has an Age")
            .says(&[("cache-control", "max-age=60")])
            .get(Origin(1))
            .get(Cache(1))
            .check(|answer, _| (!answer.headers.has("age")).then(|| "no age".to_owned())),
        case("4.2", "what was fresh is stale when its time is over")
            .says(&[("cache-control", "max-age=60"), ("age", "57")])
            .says(&[("cache-control", "max-age=60")])
            .get(Origin(1))
            .get(Cache(1))
            .get(Origin(2))
            .after(3_200)
            .get(Cache(2)),
    ]
}

fn stale() -> Vec<Case> {
    let failing = |what: &str, value: &str, is_served: bool| {
        let case =
            case("4.2.4", what).says(&[("cache-control", value), ("etag", "\"a\"")]).answers(503, &[]).get(Origin(1));
        if is_served { case.get(super::table::From::Passed).status(200) } else { case.get(Validated(2)).status(503) }
    };
    vec![
        failing("stale is served while the origin fails, where the mount allows it", "max-age=0", true)
            .check(|answer, _| (!answer.cache_says("detail=stale")).then(|| format!("{:?}", answer.headers))),
        failing("must-revalidate is never served stale", "max-age=0, must-revalidate", false),
        failing("proxy-revalidate is never served stale", "max-age=0, proxy-revalidate", false),
        failing("s-maxage is never served stale", "s-maxage=0", false),
        failing("no-cache is never served stale", "no-cache", false),
        case("5861 3", "stale is served at once while it is asked for anew, where the origin allows it")
            .says(&[("cache-control", "max-age=0, stale-while-revalidate=60"), ("x-number", "1")])
            .says(&[("cache-control", "max-age=60")])
            .get(Origin(1))
            .get(super::table::From::Passed)
            .header("x-number", Some("1"))
            .get(Cache(2)),
        case("5861 3", "not beyond the time that the origin allows")
            .says(&[("cache-control", "max-age=0, stale-while-revalidate=1")])
            .says(&[("cache-control", "max-age=60")])
            .get(Origin(1))
            .get(Origin(2))
            .after(1_300),
    ]
}
