//! Which versions are wanted, by what a task wishes for: those that any client would choose.

use std::collections::BTreeSet;

use super::roll::Roll;
use super::survey::{Seen, Survey};
use crate::overlay::tasks::Wish;
use crate::registries::npm::name::{LATEST, Spec};
use crate::registries::range::{Precedence, Range};

/// Clients pass over versions that do not run on their own engine; as many such steps back are followed.
const MAX_ENGINES: usize = 4;

/// The versions that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// By their places in the survey.
    pub wanted: Vec<usize>,
    /// What upstream has nothing for: versions, tags and ranges.
    pub missing: Vec<String>,
}

/// Chooses; `known` is what upstream had when it was synced last.
pub fn choose(survey: &Survey, wish: &Wish, known: Option<&Roll>) -> Choice {
    if wish.all {
        return Choice { wanted: (0..survey.releases.len()).collect(), missing: Vec::new() };
    }
    let (mut wanted, mut missing) = (BTreeSet::new(), Vec::new());
    let exact = wish.versions.iter().map(|version| (version, find(survey, version).into_iter().collect::<Vec<_>>()));
    let ranges = wish.ranges.iter().map(|spec| (spec, satisfying(survey, spec)));
    for (spec, found) in exact.chain(ranges) {
        if found.is_empty() {
            missing.push(spec.clone());
        }
        wanted.extend(found);
    }
    if let Some(known) = known.filter(|_| wish.added) {
        wanted
            .extend((0..).zip(&survey.releases).filter(|(_, seen)| !known.has(&seen.version)).map(|(place, _)| place));
    }
    Choice { wanted: wanted.into_iter().collect(), missing }
}

fn find(survey: &Survey, version: &str) -> Option<usize> {
    survey.releases.iter().position(|seen| seen.version == version)
}

/// Returns every version that some client would choose for a tag, a range or a version.
fn satisfying(survey: &Survey, spec: &str) -> Vec<usize> {
    let tagged = survey.tagged(spec).and_then(|version| find(survey, version));
    match Spec::parse(spec) {
        Ok(Spec::Version(version)) => match find(survey, version.as_str()) {
            Some(found) => vec![found],
            // One that differs in its build is the same to clients.
            None => Range::parse(spec).map_or_else(Vec::new, |range| best(survey, &range)),
        },
        Ok(Spec::Range(_, range)) => best(survey, &range).into_iter().chain(tagged).collect(),
        Ok(Spec::Tag(_)) => tagged.into_iter().collect(),
        // Nothing stands for anything, as clients read it.
        Err(_) if spec.is_empty() => Range::parse("*").map_or_else(Vec::new, |range| best(survey, &range)),
        Err(_) => Vec::new(),
    }
}

/// Returns what clients choose of a range: all of them the newest, but some `latest` before it where it fits, most nothing
/// that is deprecated while there is something else, and npm nothing that does not run on its own engine.
///
/// Source: npm's `npm-pick-manifest`, pnpm's `npm-resolver`, yarn's `maxSatisfying`.
fn best(survey: &Survey, range: &Range) -> Vec<usize> {
    let mut fitting: Vec<(Precedence<'_>, usize, &Seen)> = (0..)
        .zip(&survey.releases)
        .filter_map(|(place, seen)| Some((Precedence::parse(&seen.version)?, place, seen)))
        .filter(|(version, ..)| range.contains(*version))
        .collect();
    // The text decides between equals, so that the answer does not depend on the document's order.
    fitting.sort_unstable_by(|one, other| (other.0, &other.2.version).cmp(&(one.0, &one.2.version)));
    let newest = fitting.first();
    let latest = survey.tagged(LATEST);
    let latest = fitting.iter().find(|(.., seen)| Some(seen.version.as_str()) == latest);
    let usable = fitting.iter().filter(|(.., seen)| seen.print.deprecated.is_none());
    let mut engines = Vec::new();
    let of_engines = usable.filter(|(.., seen)| {
        // Behind one that runs anywhere, nobody looks.
        let is_new = engines.len() < MAX_ENGINES && !engines.contains(&None) && !engines.contains(&seen.print.engine);
        if is_new {
            engines.push(seen.print.engine.clone());
        }
        is_new
    });
    newest.into_iter().chain(latest).chain(of_engines).map(|(_, place, _)| *place).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::survey::samples::survey;
    use super::*;

    fn sample() -> Survey {
        let plain = |version| (version, json!({}));
        let old = |version| (version, json!({ "deprecated": "old" }));
        let node = |version, node| (version, json!({ "engines": { "node": node } }));
        survey(
            &[
                plain("1.0.0"),
                plain("1.1.0"),
                old("1.2.0"),
                plain("2.0.0-rc.1"),
                plain("2.0.0"),
                plain("3.0.0"),
                node("3.1.0", ">=18"),
                node("3.1.1", ">=18"),
                node("3.2.0", ">=20"),
                node("3.3.0", ">=22"),
                plain("4.0.0+linux"),
                old("5.0.0"),
            ],
            &json!({ "latest": "2.0.0", "next": "3.3.0", "1.x": "1.0.0" }),
        )
    }

    fn chosen(wish: &Wish) -> (Vec<String>, Vec<String>) {
        let survey = sample();
        let Choice { wanted, missing } = choose(&survey, wish, None);
        (wanted.into_iter().map(|place| survey.releases[place].version.clone()).collect(), missing)
    }

    fn of_range(range: &str) -> Vec<String> {
        let (wanted, missing) = chosen(&Wish { ranges: [range.to_owned()].into(), ..Wish::default() });
        assert_eq!(missing.is_empty(), !wanted.is_empty(), "{range}");
        wanted
    }

    #[test]
    fn what_was_added_is_what_was_not_there_the_last_time() {
        let survey = sample();
        let mut older = sample();
        older.releases.truncate(survey.releases.len() - 2);
        let (known, wish) = (Roll::of(&older), Wish { added: true, ..Wish::default() });
        let places: Vec<_> = (older.releases.len()..survey.releases.len()).collect();
        assert_eq!(choose(&survey, &wish, Some(&known)), Choice { wanted: places, missing: Vec::new() });
        assert_eq!(
            choose(&survey, &wish, None),
            Choice::default(),
            "of what was never synced, nothing is known to be new"
        );
    }

    #[test]
    fn a_range_brings_what_any_client_would_choose() {
        for (range, expected) in [
            ("^1", &["1.1.0", "1.2.0"][..]),
            ("1.0.0", &["1.0.0"]),
            ("~1.0", &["1.0.0"]),
            (">=1 <3", &["2.0.0"]),
            (">=1 <2.0.0 || 3.0.0", &["3.0.0"]),
            (">=1 <=3.0.0", &["2.0.0", "3.0.0"]),
            ("^3", &["3.0.0", "3.1.1", "3.2.0", "3.3.0"]),
            ("*", &["2.0.0", "4.0.0+linux", "5.0.0"]),
            ("", &["2.0.0", "4.0.0+linux", "5.0.0"]),
            ("5", &["5.0.0"]),
            ("4.0.0", &["4.0.0+linux"]),
            ("next", &["3.3.0"]),
            ("1.x", &["1.0.0", "1.1.0", "1.2.0"]),
            ("^2.0.0-rc.0", &["2.0.0"]),
            ("^6", &[]),
            ("beta", &[]),
            ("a b", &[]),
            ("9.9.9", &[]),
        ] {
            assert_eq!(of_range(range), expected, "{range}");
        }
    }

    #[test]
    fn versions_are_wanted_once_and_in_the_documents_order() {
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let wish =
            Wish { versions: named(&["2.0.0", "1.0.0", "7.0.0"]), ranges: named(&["latest", "^8"]), ..Wish::default() };
        let (wanted, missing) = chosen(&wish);
        assert_eq!((wanted, missing), (vec!["1.0.0".into(), "2.0.0".into()], vec!["7.0.0".into(), "^8".into()]));
    }

    #[test]
    fn all_is_all_and_nothing_is_nothing() {
        assert_eq!(chosen(&Wish { all: true, ..Wish::default() }).0.len(), 12);
        assert_eq!(chosen(&Wish::default()), (Vec::new(), Vec::new()));
    }
}
