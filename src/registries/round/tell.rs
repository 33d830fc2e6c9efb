//! What the log of a run says. Source: contract npm §12.4.

use super::{Round, Stock};
use crate::registries::replica::{Mark, Outcome, Report, plain};
use crate::registries::roll::Difference;

/// Names that one line lists at most, and the longest piece of what an upstream says, in bytes.
const MAX_LISTED: usize = 20;
const LONGEST: usize = 600;

impl Round<'_> {
    pub(super) fn tell_begin(&self) {
        let wish = &self.order.wish;
        for tip in wish.tips.lines().filter(|tip| !tip.is_empty()) {
            self.line(Mark::Tip, format!("Tips: {}", plain(tip, 1_024)));
        }
        let wanted = if wish.all {
            "all".to_owned()
        } else if wish.added {
            "new ones".to_owned()
        } else {
            list(wish.versions.iter().chain(&wish.ranges))
        };
        let (upstream, package, skips) = (&self.upstream, self.package, wish.skip_dependencies);
        let text = format!("Syncing {package} from {upstream}, skipDependencies: {skips}, versions: {wanted}");
        self.line(Mark::Start, text);
    }

    /// Tells of one version. That it was here already is counted at the end.
    pub(super) fn tell_version(&self, (number, all): (usize, usize), version: &str, outcome: &Outcome) {
        let (mark, what) = match outcome {
            Outcome::Held => return,
            Outcome::Fetched => (Mark::Stored, "stored, proved and pinned".to_owned()),
            Outcome::Skipped(why) => (Mark::Skipped, format!("skipped: {}", plain(why, LONGEST))),
            Outcome::Failed(why) => (Mark::Failed, plain(why, LONGEST)),
        };
        self.line(mark, format!("[{number}/{all}] {} {version}: {what}", self.package));
    }

    pub(super) fn tell_found(&self, stock: &Stock, difference: &Difference) {
        self.line(Mark::Fact, format!("Upstream has {} versions", stock.versions.len()));
        for (mark, what, names) in [
            (Mark::Fact, "New versions", &difference.added),
            (Mark::Mended, "Versions with other bytes than at the last sync", &difference.replaced),
            (Mark::Skipped, "Versions that upstream has no longer; what is held of them stays", &difference.gone),
            (Mark::Fact, "Not to be used", &difference.withdrawn),
            (Mark::Fact, "To be used again", &difference.restored),
        ] {
            if !names.is_empty() {
                self.line(mark, format!("{what}: {}", list(names)));
            }
        }
    }

    pub(super) fn tell_end(&self, report: &Report) {
        let count = |of: fn(&Outcome) -> bool| report.versions.iter().filter(|(_, outcome)| of(outcome)).count();
        let (fetched, held) =
            (count(|outcome| *outcome == Outcome::Fetched), count(|outcome| *outcome == Outcome::Held));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let text = format!("Versions: {fetched} fetched, {held} here before, {skipped} skipped, {failed} failed");
        self.line(Mark::Fact, text);
    }

    pub fn line(&self, mark: Mark, text: String) {
        self.run.journal.line(mark, &text);
    }
}

/// Lists names, as many as a line has room for.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MAX_LISTED).map(|name| plain(name, LONGEST)).collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}
