//! What of a subject is wanted, and what two wishes come to together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The longest tips, in bytes. Source: npm's contract, section 12.1.
pub const LONGEST_TIPS: usize = 1024;

/// What a task is to fetch. All empty: the document alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// Every version.
    pub all: bool,
    /// Versions that upstream did not have yet when it was synced last.
    pub added: bool,
    pub versions: BTreeSet<String>,
    /// Ranges and tags, in the dialect's own words.
    pub ranges: BTreeSet<String>,
    /// Versions that a feed has told of: without them, upstream's document is not yet the one that is meant.
    pub expects: BTreeSet<String>,
    pub skip_dependencies: bool,
    /// Whatever is remembered of upstream's refusals is asked for anew, and what is held is proved anew.
    pub force: bool,
    pub force_history: bool,
    /// What whoever asked wants to have in the log.
    pub tips: String,
    /// Of a binary mirror, the directory; of what goes on page by page, the last name of the page before.
    pub page: Option<String>,
}

// === impl Wish ===

impl Wish {
    /// Returns what fulfils both: nothing that one asked for is left out.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let all = self.all || other.all;
        let unite = |one: &BTreeSet<String>, other: &BTreeSet<String>| match all {
            // All of them hold these.
            true => BTreeSet::new(),
            false => one | other,
        };
        Self {
            all,
            added: self.added || other.added,
            versions: unite(&self.versions, &other.versions),
            ranges: unite(&self.ranges, &other.ranges),
            expects: &self.expects | &other.expects,
            skip_dependencies: self.skip_dependencies && other.skip_dependencies,
            force: self.force || other.force,
            force_history: self.force_history || other.force_history,
            tips: join_tips(&self.tips, &other.tips),
            // From the beginning, where they do not begin at the same place.
            page: self.page.clone().filter(|_| self.page == other.page),
        }
    }
}

fn join_tips(one: &str, other: &str) -> String {
    let mut tips = match (one, other) {
        (one, "") => one.to_owned(),
        ("", other) => other.to_owned(),
        (one, other) if one.contains(other) => one.to_owned(),
        (one, other) => format!("{one}; {other}"),
    };
    tips.truncate(tips.floor_char_boundary(LONGEST_TIPS));
    tips
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(versions: &[&str], ranges: &[&str]) -> Wish {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Wish { versions: set(versions), ranges: set(ranges), ..Wish::default() }
    }

    #[test]
    fn nothing_that_one_asked_for_is_left_out() {
        let all = Wish { all: true, ..Wish::default() };
        for (one, other, both) in [
            (Wish::default(), Wish::default(), Wish::default()),
            (some(&["1.0.0"], &[]), some(&["2.0.0", "1.0.0"], &["^3"]), some(&["1.0.0", "2.0.0"], &["^3"])),
            (some(&["1.0.0"], &["^1"]), Wish::default(), some(&["1.0.0"], &["^1"])),
            (some(&["1.0.0"], &["^1"]), all.clone(), all.clone()),
        ] {
            assert_eq!(one.join(&other), both);
            assert_eq!(other.join(&one), both);
            assert_eq!(both.join(&one), both, "once is enough");
        }
        let expects = |version: &str| Wish { expects: [version.to_owned()].into(), ..all.clone() };
        assert_eq!(expects("1.0.0").join(&expects("2.0.0")).expects.len(), 2);
    }

    #[test]
    fn what_one_wants_more_of_is_done_for_both() {
        let skips = |skip_dependencies| Wish { skip_dependencies, ..Wish::default() };
        assert!(skips(true).join(&skips(true)).skip_dependencies);
        assert!(!skips(true).join(&skips(false)).skip_dependencies);
        let forces = |force, force_history| Wish { force, force_history, ..Wish::default() };
        assert_eq!(forces(true, false).join(&forces(false, true)), forces(true, true));
        let page = |page: Option<&str>| Wish { page: page.map(str::to_owned), ..Wish::default() };
        assert_eq!(page(Some("b")).join(&page(Some("b"))), page(Some("b")));
        assert_eq!(page(Some("b")).join(&page(Some("c"))), page(None));
        assert_eq!(page(None).join(&page(Some("c"))), page(None));
    }

    #[test]
    fn tips_are_told_once_and_not_for_ever() {
        assert_eq!(join_tips("", "a"), "a");
        assert_eq!(join_tips("a", ""), "a");
        assert_eq!(join_tips("a", "b"), "a; b");
        assert_eq!(join_tips("a; b", "b"), "a; b");
        let long = join_tips(&"x".repeat(LONGEST_TIPS - 3), "\u{e4}\u{f6}");
        assert_eq!((long.len(), long.ends_with("; ")), (LONGEST_TIPS - 1, true));
    }

    #[test]
    fn what_an_older_program_wrote_is_read() {
        let wish: Wish = serde_json::from_str(r#"{"all":true,"colour":"red"}"#).unwrap();
        assert_eq!(wish, Wish { all: true, ..Wish::default() });
    }
}
