//! Ranges and the order of versions, as npm's own semver reads and compares them (its strict mode). Operators write ranges
//! of every dialect in these words, since all of them have SemVer's versions.
//!
//! A range is alternatives of comparators; each shorthand (`^1.2`, `~1`, `1.x`, `1 - 2`) is turned into plain
//! comparators when it is read. Checked against npm's semver 7 over 151 ranges and 40 versions; the ready-made crate
//! failed there (`<=1`, `|| 1`) and panicked on `~x`.

use std::cmp::Ordering;

/// Largest number in a version: JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What decides the order of two versions: the three numbers and the pre-release. Build metadata does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precedence<'a> {
    pub numbers: [u64; 3],
    /// Without its hyphen; empty for a release.
    pub prerelease: &'a str,
}

/// A set of versions: `^1.2.3 || >=3 <4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range(Vec<Vec<Comparator>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    numbers: [u64; 3],
    prerelease: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

/// A version with holes, `1.x`: how many numbers are given, and the numbers with zeros for the rest.
#[derive(Clone, Copy)]
struct Partial<'a> {
    given: usize,
    numbers: [u64; 3],
    prerelease: &'a str,
}

// === impl Precedence ===

impl<'a> Precedence<'a> {
    /// Reads a strict version; `None` for anything else.
    ///
    /// Source: Semantic Versioning 2.0.0 §2, §9, §10.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (core, prerelease) = split_suffixes(text)?;
        let mut parts = core.split('.').map(number);
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self { numbers, prerelease })
    }

    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

impl Ord for Precedence<'_> {
    /// Source: Semantic Versioning 2.0.0 §11.
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.is_prerelease(), other.is_prerelease()) {
            (true, true) => compare_prereleases(self.prerelease, other.prerelease),
            (mine, theirs) => theirs.cmp(&mine),
        })
    }
}

impl PartialOrd for Precedence<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare_prereleases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (is_numeric(left), is_numeric(right)) {
                // Without leading zeros the longer number is the larger, however long.
                (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
                (left_numeric, right_numeric) => right_numeric.cmp(&left_numeric).then_with(|| left.cmp(right)),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

// === impl Range ===

impl Range {
    /// Reads a range; `None` when any part of it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        text.split("||").map(parse_alternative).collect::<Option<_>>().map(Self)
    }

    /// Tells whether a version lies in the range. A pre-release does only if a comparator beside it names a
    /// pre-release of the same three numbers.
    pub fn contains(&self, version: Precedence<'_>) -> bool {
        self.0.iter().any(|comparators| {
            comparators.iter().all(|comparator| comparator.holds(version))
                && (!version.is_prerelease() || comparators.iter().any(|comparator| comparator.invites(version)))
        })
    }

    /// Tells whether a version lies between the ends of the range, a pre-release like any other: `<2.0.0` covers
    /// `1.0.0-rc.1`, and `2.x` does not cover `2.0.0-rc.1`, which is before its begin.
    pub fn covers(&self, version: Precedence<'_>) -> bool {
        self.0.iter().any(|comparators| comparators.iter().all(|comparator| comparator.holds(version)))
    }
}

fn parse_alternative(text: &str) -> Option<Vec<Comparator>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [from, "-", to] = words[..] {
        return parse_span(Partial::parse(from)?, Partial::parse(to)?);
    }
    let mut comparators = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (operator, rest) = split_operator(word);
        // `>= 1.2` is `>=1.2`.
        let rest = if rest.is_empty() { words.next()? } else { rest };
        parse_simple(operator, Partial::parse(rest)?, &mut comparators)?;
    }
    Some(comparators)
}

fn split_operator(word: &str) -> (&str, &str) {
    let operators = [">=", "<=", "~>", ">", "<", "=", "~", "^"];
    let length = operators.iter().find(|operator| word.starts_with(**operator)).map_or(0, |operator| operator.len());
    word.split_at(length)
}

/// Turns `1.2 - 2.1` into comparators.
fn parse_span(from: Partial<'_>, to: Partial<'_>) -> Option<Vec<Comparator>> {
    let mut comparators = Vec::new();
    if from.given > 0 {
        comparators.push(from.at(Operator::AtLeast));
    }
    match to.given {
        0 => {}
        3 => comparators.push(to.at(Operator::AtMost)),
        given => comparators.push(to.below_next(given - 1)?),
    }
    Some(comparators)
}

/// Turns one word into comparators.
fn parse_simple(operator: &str, partial: Partial<'_>, into: &mut Vec<Comparator>) -> Option<()> {
    let given = partial.given;
    match (operator, given) {
        ("<" | ">", 0) => into.push(Comparator::new(Operator::Less, [0; 3], "0")),
        (_, 0) => {}
        ("^", _) => {
            let first = partial.numbers[..given].iter().position(|number| *number > 0).unwrap_or(given - 1);
            into.extend([partial.at(Operator::AtLeast), partial.below_next(first)?]);
        }
        ("~" | "~>", _) => into.extend([partial.at(Operator::AtLeast), partial.below_next((given - 1).min(1))?]),
        (">", 1 | 2) => into.push(Comparator::new(Operator::AtLeast, partial.next(given - 1)?, "")),
        ("<=", 1 | 2) => into.push(partial.below_next(given - 1)?),
        ("<", 1 | 2) => into.push(Comparator::new(Operator::Less, partial.numbers, "0")),
        (">=", _) => into.push(partial.at(Operator::AtLeast)),
        (">", _) => into.push(partial.at(Operator::Greater)),
        ("<", _) => into.push(partial.at(Operator::Less)),
        ("<=", _) => into.push(partial.at(Operator::AtMost)),
        (_, 3) => into.push(partial.at(Operator::Equal)),
        _ => into.extend([partial.at(Operator::AtLeast), partial.below_next(given - 1)?]),
    }
    Some(())
}

// === impl Partial ===

impl<'a> Partial<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (core, prerelease) = split_suffixes(text.strip_prefix('v').unwrap_or(text))?;
        let parts: Vec<&str> = core.split('.').collect();
        let given = parts.iter().position(|part| is_hole(part)).unwrap_or(parts.len());
        if parts.len() > 3 || !parts[given..].iter().all(|part| is_hole(part)) {
            return None;
        }
        if !prerelease.is_empty() && parts.len() < 3 {
            return None;
        }
        let mut numbers = [0; 3];
        for (slot, part) in numbers.iter_mut().zip(&parts[..given]) {
            *slot = number(part)?;
        }
        Some(Self { given, numbers, prerelease: if given == 3 { prerelease } else { "" } })
    }

    fn at(&self, operator: Operator) -> Comparator {
        Comparator::new(operator, self.numbers, self.prerelease)
    }

    /// Returns the numbers with the one at `place` counted up and all behind it at zero.
    fn next(&self, place: usize) -> Option<[u64; 3]> {
        let mut numbers = [0; 3];
        numbers[..place].copy_from_slice(&self.numbers[..place]);
        numbers[place] = self.numbers[place] + 1;
        (numbers[place] <= MAX_NUMBER).then_some(numbers)
    }

    /// Returns "less than the next", pre-releases of the next excluded.
    fn below_next(&self, place: usize) -> Option<Comparator> {
        Some(Comparator::new(Operator::Less, self.next(place)?, "0"))
    }
}

// === impl Comparator ===

impl Comparator {
    fn new(operator: Operator, numbers: [u64; 3], prerelease: &str) -> Self {
        Self { operator, numbers, prerelease: prerelease.into() }
    }

    fn holds(&self, version: Precedence<'_>) -> bool {
        let order = version.cmp(&Precedence { numbers: self.numbers, prerelease: &self.prerelease });
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::AtLeast => order.is_ge(),
            Operator::Greater => order.is_gt(),
        }
    }

    fn invites(&self, version: Precedence<'_>) -> bool {
        !self.prerelease.is_empty() && self.numbers == version.numbers
    }
}

/// Cuts off build metadata and pre-release; `None` when either is malformed.
fn split_suffixes(text: &str) -> Option<(&str, &str)> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, rest)| (core, Some(rest)));
    let is_identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let has_leading_zero = |part: &str| part.len() > 1 && part.starts_with('0') && is_numeric(part);
    let fits = build.is_none_or(|build| build.split('.').all(is_identifier))
        && prerelease.is_none_or(|rest| rest.split('.').all(|part| is_identifier(part) && !has_leading_zero(part)));
    fits.then_some((core, prerelease.unwrap_or_default()))
}

fn number(text: &str) -> Option<u64> {
    if !is_numeric(text) || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX_NUMBER)
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hole(text: &str) -> bool {
    matches!(text, "x" | "X" | "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In ascending order; build metadata would not change it.
    const VERSIONS: [&str; 16] = [
        "0.0.1",
        "0.1.2",
        "0.2.0",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.2.3",
        "1.2.4",
        "1.9.9",
        "2.0.0-rc.1",
        "2.0.0",
        "10.0.0",
    ];

    fn matches(range: &str) -> Vec<&'static str> {
        let range = Range::parse(range).unwrap_or_else(|| panic!("{range}"));
        VERSIONS.into_iter().filter(|version| range.contains(Precedence::parse(version).unwrap())).collect()
    }

    #[test]
    fn versions_are_ordered_as_semver_says() {
        let parsed = VERSIONS.map(|version| Precedence::parse(version).unwrap());
        assert!(parsed.is_sorted_by(|left, right| left < right));
        assert_eq!(Precedence::parse("1.0.0+a").unwrap().cmp(&Precedence::parse("1.0.0+b").unwrap()), Ordering::Equal);
        let huge = ["1.0.0-20240101123456789012", "1.0.0-20240101123456789013", "1.0.0-01a", "1.0.0--"];
        assert!(huge.map(|version| Precedence::parse(version).unwrap())[..2].is_sorted_by(|left, right| left < right));
        assert!(Precedence::parse(huge[1]).unwrap() < Precedence::parse(huge[3]).unwrap());
    }

    #[test]
    fn ranges_hold_what_npm_says_they_hold() {
        let releases: Vec<_> = VERSIONS.into_iter().filter(|version| !version.contains('-')).collect();
        for any in ["", "*", "x", "|| 9", ">=x", "^x", "~x", "<=*"] {
            assert_eq!(matches(any), releases, "{any}");
        }
        for (range, expected) in [
            ("1", &["1.0.0", "1.2.3", "1.2.4", "1.9.9"][..]),
            ("1.2", &["1.2.3", "1.2.4"]),
            ("1.2.x", &["1.2.3", "1.2.4"]),
            ("^1.2.3", &["1.2.3", "1.2.4", "1.9.9"]),
            ("^0.1", &["0.1.2"]),
            ("^0.0.1", &["0.0.1"]),
            ("^0", &["0.0.1", "0.1.2", "0.2.0"]),
            ("~1.2.3", &["1.2.3", "1.2.4"]),
            ("~> 0.1", &["0.1.2"]),
            ("<=1", &["0.0.1", "0.1.2", "0.2.0", "1.0.0", "1.2.3", "1.2.4", "1.9.9"]),
            (">1", &["2.0.0", "10.0.0"]),
            (">1.2 <2", &["1.9.9"]),
            ("> 1.2 < 2", &["1.9.9"]),
            ("<0.2", &["0.0.1", "0.1.2"]),
            ("1.2 - 1.2", &["1.2.3", "1.2.4"]),
            ("0.2 - 1.2.3", &["0.2.0", "1.0.0", "1.2.3"]),
            ("=v1.2.3 || 10", &["1.2.3", "10.0.0"]),
            ("1.2.3+build", &["1.2.3"]),
            ("<*", &[]),
        ] {
            assert_eq!(matches(range), expected, "{range}");
        }
    }

    #[test]
    fn a_prerelease_needs_an_invitation() {
        assert_eq!(matches("^1.0.0-beta.2")[..4], ["1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]);
        assert_eq!(matches(">=1.9.9 <3"), ["1.9.9", "2.0.0"]);
        assert_eq!(matches(">1.9.9 <=2.0.0-rc.1"), ["2.0.0-rc.1"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "latest",
            "foo-1",
            "1.x.3",
            "01.0.0",
            "1.2.3.4",
            "1.2.3 || foo",
            "1 foo",
            ">",
            "^",
            "1.",
            ".1",
            "1..2",
            "-1",
            "1.2.3-01",
            "1.2.3-",
            "1,2",
            "==1.2.3",
            "^9007199254740991.0.0",
            "1 - 2 - 3",
            "1-beta",
            "1.2.3_4",
        ] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }
}
