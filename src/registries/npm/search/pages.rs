//! One page of two lists that stand behind each other: ours, then what upstream finds without ours. Pure.

use std::ops::Range;

use serde_json::value::RawValue;

/// The most that upstreams give at once. Source: contract npm §10.1.
pub const MAX_SIZE: usize = 250;

/// How much more is asked of upstream than is shown: some of it may have names of ours.
const MARGIN: usize = 20;

/// Which part of both lists is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub ours: Range<usize>,
    /// Of theirs, once ours are left out.
    theirs: Range<usize>,
}

/// What upstream finds, of a page, and how much it finds in all.
pub struct Theirs {
    pub objects: Vec<Box<RawValue>>,
    pub total: u64,
}

// === impl Page ===

impl Page {
    /// Returns the page that begins at `from` where there are so many of ours.
    pub fn of(from: usize, size: usize, ours: usize) -> Self {
        let end = from.saturating_add(size);
        Self { ours: from.min(ours)..end.min(ours), theirs: from.saturating_sub(ours)..end.saturating_sub(ours) }
    }

    /// Returns where upstream is asked to begin, and how much it is asked for. From its start as long as that can be, so
    /// that what is left out moves nothing to the wrong page.
    pub fn asked(&self) -> (usize, usize) {
        let whole = self.theirs.end.saturating_add(MARGIN);
        if whole <= MAX_SIZE {
            return (0, whole);
        }
        (self.theirs.start, self.theirs.len().clamp(1, MAX_SIZE))
    }

    /// Cuts the page out of what upstream was asked for.
    pub fn cut<T>(&self, found: Vec<T>) -> Vec<T> {
        let (from, _) = self.asked();
        found.into_iter().skip(self.theirs.start - from).take(self.theirs.len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_come_first_and_theirs_follow_without_a_gap() {
        for (from, size, ours, expected) in [
            (0, 20, 0, (0..0, 0..20)),
            (0, 20, 5, (0..5, 0..15)),
            (0, 3, 5, (0..3, 0..0)),
            (3, 3, 5, (3..5, 0..1)),
            (5, 3, 5, (5..5, 0..3)),
            (9, 3, 5, (5..5, 4..7)),
        ] {
            let page = Page::of(from, size, ours);
            assert_eq!((page.ours.clone(), page.theirs.clone()), expected, "{from} {size} {ours}");
        }
    }

    #[test]
    fn pages_in_a_row_show_everything_once() {
        let theirs: Vec<usize> = (100..100 + 40).collect();
        let mut shown = Vec::new();
        for from in (0..60).step_by(7) {
            let page = Page::of(from, 7, 10);
            shown.extend(page.ours.clone());
            let (start, size) = page.asked();
            shown.extend(page.cut(theirs.iter().copied().skip(start).take(size).collect()));
        }
        assert_eq!(shown, (0..10).chain(100..140).collect::<Vec<_>>());
    }

    #[test]
    fn far_pages_are_asked_for_alone() {
        assert_eq!(Page::of(0, 250, 0).asked(), (0, 250));
        assert_eq!(Page::of(1000, 20, 5).asked(), (995, 20));
        assert_eq!(Page::of(1000, 20, 5).cut((0..20).collect::<Vec<_>>()).len(), 20);
        assert_eq!(Page::of(0, 3, 400).asked(), (0, MARGIN));
        assert_eq!(Page::of(usize::MAX, 250, 3).asked().1, 1, "nothing that overflows");
    }
}
