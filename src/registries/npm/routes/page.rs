//! Which part of a list is wanted, in cnpm's words. Source: contract npm §14.

use std::ops::Range;

use crate::registries::npm::error::Error;
use crate::registries::queries::parse_number;

/// Things in one answer, if nothing is said, and at most.
const LISTED: usize = 20;
const MAX_LISTED: usize = 100;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub size: usize,
    /// Counted from 0.
    pub index: usize,
}

// === impl Page ===

impl Page {
    /// Reads `pageSize` and `pageIndex`.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: they are no numbers.
    pub(super) fn read(query: &str) -> Result<Self, Error> {
        let number = |name, default| parse_number(query, name, default, "pageSize and pageIndex are whole numbers");
        let size = number("pageSize", LISTED)?.clamp(1, MAX_LISTED);
        Ok(Self { size, index: number("pageIndex", 0)? })
    }

    /// Returns the places in the list that it has, counted from 0.
    pub fn places(self) -> Range<u64> {
        let start = (self.index as u64).saturating_mul(self.size as u64);
        start..start.saturating_add(self.size as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_is_said_within_bounds() {
        for (query, expected) in [
            ("", Some(0..20)),
            ("pageSize=5&pageIndex=2", Some(10..15)),
            ("pageSize=0", Some(0..1)),
            ("pageSize=9999", Some(0..100)),
            ("pageSize=100&pageIndex=18446744073709551615", Some(u64::MAX..u64::MAX)),
            ("pageIndex=-1", None),
            ("pageSize=x", None),
        ] {
            assert_eq!(Page::read(query).ok().map(Page::places), expected, "{query}");
        }
    }
}
