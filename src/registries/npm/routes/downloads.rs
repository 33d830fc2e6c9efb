//! How often packages were fetched: `/downloads/…`. Source: contract npm §10.4.

use super::Target;
use super::access::Access;
use super::action::Action;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::paths::no_route;
use crate::registries::times::parse_day;

/// Names that are asked about at once, at most.
const MAX_NAMES: usize = 128;
/// Days that are asked about at once, at most.
const MAX_DAYS: u64 = 366;

const SECONDS_OF_DAY: u64 = 86_400;

/// What is asked about downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloads {
    pub form: Form,
    pub period: Period,
    pub of: Counted,
}

/// How they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As one number.
    Point,
    /// By day.
    Range,
}

/// Whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    Package(PackageName),
    /// What is no name has no downloads.
    Packages(Vec<Box<str>>),
    All,
    /// With its `@`.
    Scope(Box<str>),
}

/// From when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    /// So many days, up to yesterday.
    Last { word: &'static str, days: u64 },
    /// Days since 1970, both included.
    Days { from: u64, to: u64 },
}

const WORDS: [(&str, u64); 4] = [("last-day", 1), ("last-week", 7), ("last-month", 30), ("last-year", 365)];

/// Finds what lies under `/downloads/`; `None` for what is a package's.
pub fn find(segments: &[&str]) -> Result<Option<Target>, Error> {
    let form = |word: &str| if word == "point" { Form::Point } else { Form::Range };
    let asked = |form, period, of| Ok(Some(Target::read(Downloads { form, period: Period::parse(period)?, of })));
    match segments {
        ["total", "point", period] => asked(Form::Point, period, Counted::All),
        ["total" | "range", period] => asked(Form::Range, period, Counted::All),
        [scope, period] if scope.starts_with('@') => asked(Form::Range, period, Counted::Scope((*scope).into())),
        [word @ ("point" | "range"), period, names @ ..] if !names.is_empty() => {
            asked(form(word), period, find_names(&names.join("/"))?)
        }
        ["point" | "range" | "total", _, _, ..] => Err(no_route()),
        _ => Ok(None),
    }
}

fn find_names(names: &str) -> Result<Counted, Error> {
    if !names.contains(',') {
        return Ok(Counted::Package(PackageName::parse(names)?));
    }
    let names: Vec<Box<str>> = names.split(',').filter(|name| !name.is_empty()).map(Into::into).collect();
    match names.len() {
        1..=MAX_NAMES => Ok(Counted::Packages(names)),
        _ => Err(Error::bad_request("1 to 128 packages can be asked about at once")),
    }
}

// === impl Downloads ===

impl Downloads {
    /// Says who is let in: packages are judged again, name by name.
    pub fn access(&self) -> Access<'_> {
        match &self.of {
            Counted::Package(name) => Access::Read(name.as_str()),
            Counted::Packages(_) | Counted::All | Counted::Scope(_) => Access::Read(""),
        }
    }
}

impl From<Downloads> for Action {
    fn from(downloads: Downloads) -> Self {
        Self::Downloads(downloads)
    }
}

// === impl Form ===

impl Form {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Range => "range",
        }
    }
}

// === impl Period ===

impl Period {
    /// Reads a word, a day, or two of them, in whatever order.
    fn parse(text: &str) -> Result<Self, Error> {
        if let Some((word, days)) = WORDS.into_iter().find(|(word, _)| *word == text) {
            return Ok(Self::Last { word, days });
        }
        let (one, other) = text.split_once(':').unwrap_or((text, text));
        let day = |text| {
            let day = parse_day(text).map(|day| day.unix_timestamp().unsigned_abs() / SECONDS_OF_DAY);
            day.ok_or_else(|| Error::Unprocessable("the range is no day such as 2024-02-29, nor two of them".into()))
        };
        let (one, other) = (day(one)?, day(other)?);
        let (from, to) = (one.min(other), one.max(other));
        if to - from >= MAX_DAYS {
            return Err(Error::Unprocessable("the range is longer than a year".into()));
        }
        Ok(Self::Days { from, to })
    }

    /// Returns the first and the last day.
    pub fn days(&self, today: u64) -> (u64, u64) {
        match self {
            Self::Last { days, .. } => (today.saturating_sub(*days), today.saturating_sub(1)),
            Self::Days { from, to } => (*from, *to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_yesterday_or_where_it_says() {
        let days = |text| Period::parse(text).map(|period| period.days(20_000)).ok();
        assert_eq!(days("last-day"), Some((19_999, 19_999)));
        assert_eq!(days("last-week"), Some((19_993, 19_999)));
        assert_eq!(days("1970-01-03"), Some((2, 2)));
        assert_eq!(days("1970-01-03:1970-01-01"), Some((0, 2)));
        assert_eq!(days("2024-01-01:2024-12-31").map(|(from, to)| to - from), Some(365));
        for wrong in
            ["", "last-decade", "1970-01-32", "1970-01-01:", "2023-01-01:2024-01-02", "1970-01-01:1970-01-02:x"]
        {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }
}
