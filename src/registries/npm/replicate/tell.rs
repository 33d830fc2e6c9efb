//! What the log of a run says. Source: contract npm §12.4.

use std::collections::BTreeSet;

use super::roll::{Difference, TagChange};
use super::survey::Seen;
use super::{Found, Round};
use crate::base::clock::from_millis;
use crate::registries::npm::name::LATEST;
use crate::registries::replica::{Mark, Outcome, plain};
use crate::registries::times::print_millis;

/// Why something that was named did not come.
pub const NOTHING: &str = "upstream has no such version";

/// Names that one line lists at most.
const MAX_LISTED: usize = 20;
/// The longest piece of what an upstream says, in bytes.
const LONGEST: usize = 300;
/// Lines about what is to be had elsewhere, at most.
const MAX_ELSEWHERE: usize = 50;

impl Round<'_> {
    pub(super) fn tell_begin(&self) {
        let wish = &self.order.wish;
        for tip in wish.tips.lines().filter(|tip| !tip.is_empty()) {
            self.line(Mark::Tip, format!("Tips: {}", plain(tip, 1_024)));
        }
        let versions = match (wish.all, wish.versions.is_empty() && wish.ranges.is_empty()) {
            (true, _) => "all".to_owned(),
            (false, true) if wish.added => "new ones".to_owned(),
            (false, true) => "none".to_owned(),
            (false, false) => list(wish.versions.iter().chain(&wish.ranges)),
        };
        let (upstream, name) = (self.upstream(), self.name);
        self.line(
            Mark::Start,
            format!(
                "Syncing from {upstream}{name}, skipDependencies: {}, versions: {versions}",
                wish.skip_dependencies
            ),
        );
    }

    pub(super) fn tell_found(&self, found: &Found) {
        let Found { prepared, survey, difference, choice, took, .. } = found;
        self.line(
            Mark::Fact,
            format!(
                "Document: {}, {} bytes in {} ms, {} versions, latest {}",
                prepared.cache.as_str(),
                prepared.document.size,
                took.as_millis(),
                survey.releases.len(),
                survey.tagged(LATEST).unwrap_or("none"),
            ),
        );
        self.line(Mark::Fact, format!("Maintainers: {}", list(&survey.maintainers)));
        self.tell_difference(difference);
        let (remote, wanted) = (survey.releases.len(), choice.wanted.len());
        self.line(Mark::Start, format!("Syncing versions {remote} => {wanted} to sync"));
        for spec in &choice.missing {
            self.line(Mark::Failed, format!("{}: {NOTHING}", plain(spec, LONGEST)));
        }
    }

    fn tell_difference(&self, difference: &Difference) {
        for (mark, what, names) in [
            (Mark::Fact, "New maintainers", &difference.joined),
            (Mark::Fact, "Former maintainers", &difference.left),
            (Mark::Fact, "New versions", &difference.added),
            (Mark::Mended, "Versions with other bytes than at the last sync", &difference.replaced),
            (Mark::Fact, "Versions that are described anew", &difference.edited),
            (Mark::Skipped, "Versions that upstream has no longer; what is held of them stays", &difference.gone),
            (Mark::Fact, "No longer deprecated", &difference.undeprecated),
        ] {
            if !names.is_empty() {
                self.line(mark, format!("{what}: {}", list(names)));
            }
        }
        for (version, reason) in difference.deprecated.iter().take(MAX_LISTED) {
            self.line(Mark::Fact, format!("Deprecated {version}: {}", plain(reason, LONGEST)));
        }
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        for TagChange { tag, from, to } in difference.tags.iter().take(MAX_LISTED) {
            let tag = plain(tag, LONGEST);
            self.line(Mark::Fact, format!("Tag {tag}: {} => {}", version(from), version(to)));
        }
    }

    /// Tells of one version. That it was here already is counted at the end.
    pub(super) fn tell_version(&self, found: &Found, number: usize, seen: &Seen, outcome: &Outcome) {
        let (mark, what) = match outcome {
            Outcome::Held => return,
            Outcome::Fetched => (Mark::Stored, "stored, proved and pinned".to_owned()),
            Outcome::Skipped(why) => (Mark::Skipped, format!("skipped: {}", plain(why, LONGEST))),
            Outcome::Failed(why) => (Mark::Failed, plain(why, 2 * LONGEST)),
        };
        let published = seen
            .published
            .map_or_else(String::new, |millis| format!(", published {}", print_millis(from_millis(millis))));
        let all = found.choice.wanted.len();
        self.line(mark, format!("[{number}/{all}] {}@{}{published}: {what}", self.name, seen.version));
    }

    /// Tells of dependencies that no registry has.
    pub(super) fn tell_elsewhere(&self, elsewhere: &BTreeSet<(String, String)>) {
        for (name, spec) in elsewhere.iter().take(MAX_ELSEWHERE) {
            let (name, spec) = (plain(name, LONGEST), plain(&mask(spec), LONGEST));
            self.line(Mark::Skipped, format!("Dependency {name}@{spec} is at no registry: not followed"));
        }
        if let Some(more) = elsewhere.len().checked_sub(MAX_ELSEWHERE).filter(|more| *more > 0) {
            self.line(Mark::Skipped, format!("{more} more dependencies are at no registry"));
        }
    }

    pub(super) fn tell_gone(&self, gone: &[String]) {
        let what = "Upstream has this package no longer; what is held of it stays";
        self.line(Mark::Skipped, format!("{what}: {}", list(gone)));
    }

    fn line(&self, mark: Mark, text: String) {
        self.run.journal.line(mark, &text);
    }
}

/// Lists names, as many as a line has room for.
fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MAX_LISTED).map(|name| plain(name, LONGEST)).collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}

/// Hides the user and password of a URL that a manifest names.
fn mask(spec: &str) -> String {
    let Some((scheme, rest)) = spec.split_once("://") else { return spec.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://****@{host}{path}"),
        None => spec.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_an_end() {
        let names = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&names(0)), "none");
        assert_eq!(list(&names(3)), "0, 1, 2");
        assert!(list(&names(25)).ends_with("18, 19 and 5 more"));
    }

    #[test]
    fn no_password_of_a_manifest_is_told() {
        assert_eq!(mask("git+https://joe:pw@host.example/b.git"), "git+https://****@host.example/b.git");
        assert_eq!(mask("https://joe@a:p@host.example"), "https://****@host.example");
        for plain in ["git://host.example/b.git", "npm:@s/b@1", "github:joe/b", "http://host.example/@s/b"] {
            assert_eq!(mask(plain), plain);
        }
    }
}
