//! What a package, or a list of packages, was at the last look: a few bytes for each thing in it. What has changed since is
//! told by comparing two of these.
//!
//! ```text
//! 1                                   the form, zstd around all of it
//! <name> <bytes> <reason> <rest>      eight bytes of a digest each, in hexadecimal; sorted
//! ```
//!
//! One tab stands between fields. The empty name stands for the whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _};

use super::replica::News;
use crate::base::digest::Digest;
use crate::overlay::packages::EventKind;

/// The form that rolls are written in.
const FORM: &str = "1";
/// A roll that unpacks to more, in bytes, is none of ours.
const MAX_BYTES: u64 = 256 << 20;

/// Things by their names, each with what was said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll(BTreeMap<String, Said>);

/// What was said of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    bytes: u64,
    /// 0: there is none.
    reason: u64,
    rest: u64,
}

/// What has changed between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Nobody has looked before.
    pub is_first: bool,
    pub added: Vec<String>,
    /// They have other bytes.
    pub replaced: Vec<String>,
    /// Something else is said of them, or of the whole.
    pub edited: Vec<String>,
    pub gone: Vec<String>,
    /// There is a reason, or another one, not to use them.
    pub withdrawn: Vec<String>,
    pub restored: Vec<String>,
    /// Nothing is left.
    pub is_emptied: bool,
}

// === impl Said ===

impl Said {
    /// Notes of a thing what its bytes are, why it is not to be used, and what else is said of it.
    pub fn of(bytes: &[u8], reason: Option<&str>, rest: &[u8]) -> Self {
        // The one text in many whose print is 0 is told of by another one.
        let reason = reason.map_or(0, |reason| print(reason.as_bytes()).max(1));
        Self { bytes: print(bytes), reason, rest: print(rest) }
    }
}

fn print(bytes: &[u8]) -> u64 {
    let digest = Digest::of(bytes);
    digest.as_bytes()[..8].iter().fold(0, |print, byte| print << 8 | u64::from(*byte))
}

// === impl Roll ===

impl Roll {
    pub fn note(&mut self, name: impl Into<String>, said: Said) {
        self.0.insert(name.into(), said);
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the names of all things, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The compressor's.
    pub fn pack(&self) -> io::Result<Vec<u8>> {
        let mut text = format!("{FORM}\n");
        for (name, Said { bytes, reason, rest }) in &self.0 {
            let _ = writeln!(text, "{name}\t{bytes:x}\t{reason:x}\t{rest:x}");
        }
        zstd::encode_all(text.as_bytes(), 0)
    }

    /// Reads what was written down; `None` for another form, which says nothing of what has changed since.
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let mut text = String::new();
        zstd::Decoder::with_buffer(packed).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(FORM) {
            return None;
        }
        lines.map(read).collect::<Option<_>>().map(Self)
    }

    /// Tells what has changed since an older look.
    pub fn compare(&self, older: Option<&Self>) -> Difference {
        let Some(older) = older else { return Difference { is_first: true, ..Difference::default() } };
        let mut found = Difference {
            gone: older.names().filter(|name| !self.has(name)).map(str::to_owned).collect(),
            is_emptied: self.names().next().is_none() && older.names().next().is_some(),
            ..Difference::default()
        };
        for (name, now) in &self.0 {
            match older.0.get(name) {
                None if name.is_empty() => found.edited.push(name.clone()),
                None => found.added.push(name.clone()),
                Some(before) if before.bytes != now.bytes => found.replaced.push(name.clone()),
                Some(before) if before.rest != now.rest => found.edited.push(name.clone()),
                Some(_) => {}
            }
            match (older.0.get(name).map_or(0, |before| before.reason), now.reason) {
                (before, now) if before == now => {}
                (_, 0) => found.restored.push(name.clone()),
                _ => found.withdrawn.push(name.clone()),
            }
        }
        found
    }
}

fn read(line: &str) -> Option<(String, Said)> {
    let mut fields = line.split('\t');
    let name = fields.next()?.to_owned();
    let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
    Some((name, Said { bytes: number()?, reason: number()?, rest: number()? }))
}

// === impl Difference ===

impl Difference {
    /// Tells the names of things that are not as they were, sorted: those that have come, and those that have gone.
    pub fn names(&self) -> Vec<String> {
        let all = [&self.added, &self.replaced, &self.edited, &self.gone, &self.withdrawn, &self.restored];
        let mut names: Vec<_> = all.into_iter().flatten().filter(|name| !name.is_empty()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Tells what the feed says of versions that have changed, and of why they are not to be used. What is here for the
    /// first time is one line, whatever it has.
    pub fn news(&self, reasons: &BTreeMap<String, String>) -> Vec<News> {
        if self.is_first {
            return vec![News::of(EventKind::PackageChanged)];
        }
        if self.is_emptied {
            return vec![News::of(EventKind::Unpublished)];
        }
        let of = |kind, versions: &[String]| {
            versions.iter().map(move |version| News::of_version(kind, version)).collect::<Vec<_>>()
        };
        let withdrawn = |version: &String| News {
            reason: reasons.get(version).cloned(),
            ..News::of_version(EventKind::VersionDeprecated, version)
        };
        let mut news = of(EventKind::VersionAdded, &self.added);
        news.extend(of(EventKind::VersionChanged, &self.replaced));
        news.extend(of(EventKind::VersionRemoved, &self.gone));
        news.extend(self.withdrawn.iter().map(withdrawn));
        news.extend(of(EventKind::VersionUndeprecated, &self.restored));
        news.extend((!self.edited.is_empty()).then(|| News::of(EventKind::PackageChanged)));
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Things<'a> = &'a [(&'a str, &'a str, Option<&'a str>, &'a str)];

    fn roll(things: Things<'_>) -> Roll {
        let said = |(name, bytes, reason, rest): &(&str, &str, Option<&str>, &str)| {
            ((*name).to_owned(), Said::of(bytes.as_bytes(), *reason, rest.as_bytes()))
        };
        Roll(things.iter().map(said).collect())
    }

    fn told(before: Things<'_>, now: Things<'_>) -> Vec<String> {
        let reasons = [("1.0.0".to_owned(), "old".to_owned())].into();
        let tell = |news: &News| {
            let rest = [&news.version, &news.reason].into_iter().flatten().cloned();
            [news.kind.as_str().to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(" ")
        };
        roll(now).compare(Some(&roll(before))).news(&reasons).iter().map(tell).collect()
    }

    #[test]
    fn what_has_changed_is_told() {
        let one = ("1.0.0", "a", None, "");
        let two = ("2.0.0", "b", None, "");
        for (before, now, expected) in [
            (&[one][..], &[one][..], &[][..]),
            (&[one], &[one, two], &["version added 2.0.0"]),
            (&[one, two], &[two], &["version removed 1.0.0"]),
            (&[one], &[], &["unpublished"]),
            (&[one], &[("1.0.0", "b", None, "")], &["version changed 1.0.0"]),
            (&[one], &[("1.0.0", "a", None, "x")], &["package changed"]),
            (&[one], &[("1.0.0", "a", Some("old"), "")], &["version deprecated 1.0.0 old"]),
            (&[("1.0.0", "a", Some("bad"), "")], &[("1.0.0", "a", Some("old"), "")], &["version deprecated 1.0.0 old"]),
            (&[("1.0.0", "a", Some("old"), "")], &[one], &["version undeprecated 1.0.0"]),
            (&[one], &[("", "", None, "tags"), one], &["package changed"]),
            (&[("", "", None, "x"), one], &[("", "", None, "y"), one], &["package changed"]),
        ] {
            assert_eq!(told(before, now), expected, "{before:?} to {now:?}");
        }
        let first = roll(&[one, two]).compare(None);
        assert_eq!(first.news(&BTreeMap::new()), [News::of(EventKind::PackageChanged)]);
    }

    #[test]
    fn names_that_are_not_as_they_were_are_listed_once() {
        let before = roll(&[("a", "1", None, ""), ("b", "1", None, ""), ("c", "1", None, ""), ("", "", None, "1")]);
        let now = roll(&[("b", "2", Some("x"), ""), ("c", "1", None, ""), ("d", "1", None, ""), ("", "", None, "2")]);
        assert_eq!(now.compare(Some(&before)).names(), ["a", "b", "d"]);
        assert_eq!(now.compare(Some(&now)).names(), [""; 0]);
        assert_eq!(now.names().collect::<Vec<_>>(), ["b", "c", "d"]);
    }

    #[test]
    fn a_roll_is_read_as_it_was_written() {
        let roll = roll(&[("", "", None, "x"), ("1.0.0", "a", Some("old"), ""), ("2.0.0-rc.1", "b", None, "rest")]);
        assert_eq!(Roll::unpack(&roll.pack().unwrap()), Some(roll));
        assert_eq!(Roll::unpack(&Roll::default().pack().unwrap()), Some(Roll::default()));
    }

    #[test]
    fn what_is_no_roll_says_nothing() {
        let packed = |text: &str| zstd::encode_all(text.as_bytes(), 0).unwrap();
        for wrong in [b"".to_vec(), b"x".to_vec(), packed(""), packed("2\na\t1\t1\t1"), packed("1\na\t1\t2")] {
            assert_eq!(Roll::unpack(&wrong), None, "{wrong:?}");
        }
    }
}
