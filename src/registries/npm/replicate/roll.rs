//! What upstream had at the last sync, and what has changed since.
//!
//! ```text
//! 1                                               the form, zstd around all of it
//! m <maintainer>
//! t <tag> <version>
//! v <version> <bytes> <rest> <deprecated>         eight bytes of a digest each, in hexadecimal; sorted
//! ```
//!
//! One tab stands between fields. What is held is no basis for that: a client may have had the document renewed since, and
//! the cache may be deleted at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read as _};

use super::survey::Survey;
use crate::overlay::packages::EventKind;
use crate::registries::npm::wire;
use crate::registries::replica::News;

/// The form that rolls are written in.
const FORM: &str = "1";
/// A roll that unpacks to more, in bytes, is none of ours.
const MAX_BYTES: u64 = 256 << 20;

/// What is remembered of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    maintainers: BTreeSet<String>,
    tags: BTreeMap<String, String>,
    releases: BTreeMap<String, Mark>,
}

/// What is remembered of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    bytes: u64,
    rest: u64,
    /// 0: it may be used.
    deprecated: u64,
}

/// What has changed between two states of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// There was no state before.
    pub is_first: bool,
    pub added: Vec<String>,
    /// They have other bytes.
    pub replaced: Vec<String>,
    /// They are described in other words.
    pub edited: Vec<String>,
    pub gone: Vec<String>,
    /// Each with why it is not to be used.
    pub deprecated: Vec<(String, String)>,
    pub undeprecated: Vec<String>,
    pub tags: Vec<TagChange>,
    pub joined: Vec<String>,
    pub left: Vec<String>,
    /// No version is left.
    pub is_emptied: bool,
}

/// A tag that has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    pub tag: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

// === impl Roll ===

impl Roll {
    pub fn of(survey: &Survey) -> Self {
        let mark = |seen: &super::survey::Seen| Mark {
            bytes: seen.print.bytes,
            rest: seen.print.rest,
            // The one text in many whose mark is 0 is told of by another one.
            deprecated: seen.print.deprecated.as_deref().map_or(0, |reason| wire::short(reason).max(1)),
        };
        Self {
            maintainers: survey.maintainers.clone(),
            tags: survey.tags.iter().cloned().collect(),
            releases: survey.releases.iter().map(|seen| (seen.version.clone(), mark(seen))).collect(),
        }
    }

    pub fn has(&self, version: &str) -> bool {
        self.releases.contains_key(version)
    }

    /// Returns every version of it.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.releases.keys().map(String::as_str)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The compressor's.
    pub fn pack(&self) -> io::Result<Vec<u8>> {
        let mut text = format!("{FORM}\n");
        for name in &self.maintainers {
            let _ = writeln!(text, "m\t{name}");
        }
        for (tag, version) in &self.tags {
            let _ = writeln!(text, "t\t{tag}\t{version}");
        }
        for (version, Mark { bytes, rest, deprecated }) in &self.releases {
            let _ = writeln!(text, "v\t{version}\t{bytes:x}\t{rest:x}\t{deprecated:x}");
        }
        zstd::encode_all(text.as_bytes(), 0)
    }

    /// Reads what was written down; `None` for another form, which says nothing of what has changed since.
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let mut text = String::new();
        zstd::Decoder::with_buffer(packed).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let (mut roll, mut lines) = (Self::default(), text.lines());
        if lines.next() != Some(FORM) {
            return None;
        }
        for line in lines {
            let mut fields = line.split('\t');
            let (kind, name) = (fields.next()?, fields.next()?.to_owned());
            let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
            match kind {
                "m" => drop(roll.maintainers.insert(name)),
                "t" => drop(roll.tags.insert(name, fields.next()?.to_owned())),
                "v" => {
                    let mark = Mark { bytes: number()?, rest: number()?, deprecated: number()? };
                    roll.releases.insert(name, mark);
                }
                _ => return None,
            }
        }
        Some(roll)
    }

    /// Tells what has changed in `survey`, which this roll was made of, since an older one.
    pub fn compare(&self, older: Option<&Self>, survey: &Survey) -> Difference {
        let Some(older) = older else { return Difference { is_first: true, ..Difference::default() } };
        let mut found = Difference {
            gone: older.versions().filter(|version| !self.releases.contains_key(*version)).map(str::to_owned).collect(),
            tags: tag_changes(&older.tags, &self.tags),
            joined: self.maintainers.difference(&older.maintainers).cloned().collect(),
            left: older.maintainers.difference(&self.maintainers).cloned().collect(),
            is_emptied: self.releases.is_empty() && !older.releases.is_empty(),
            ..Difference::default()
        };
        for seen in &survey.releases {
            let (version, now) = (&seen.version, &self.releases[&seen.version]);
            match older.releases.get(version) {
                None => found.added.push(version.clone()),
                Some(before) => found.compare(version, before, now),
            }
            let before = older.releases.get(version).map_or(0, |before| before.deprecated);
            match &seen.print.deprecated {
                Some(reason) if now.deprecated != before => found.deprecated.push((version.clone(), reason.clone())),
                None if before != 0 => found.undeprecated.push(version.clone()),
                _ => {}
            }
        }
        found
    }
}

fn tag_changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<TagChange> {
    let tags: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = tags.into_iter().filter(|tag| before.get(*tag) != now.get(*tag));
    let change =
        |tag: &String| TagChange { tag: tag.clone(), from: before.get(tag).cloned(), to: now.get(tag).cloned() };
    changed.map(change).collect()
}

// === impl Difference ===

impl Difference {
    fn compare(&mut self, version: &str, before: &Mark, now: &Mark) {
        if before.bytes != now.bytes {
            self.replaced.push(version.to_owned());
        } else if before.rest != now.rest {
            self.edited.push(version.to_owned());
        }
    }

    /// Tells what the feed says of it. What is here for the first time is one line, whatever it has.
    pub fn news(&self) -> Vec<News> {
        if self.is_first {
            return vec![News::of(EventKind::PackageChanged)];
        }
        if self.is_emptied {
            return vec![News::of(EventKind::Unpublished)];
        }
        let of =
            |kind, versions: &[String]| versions.iter().map(move |v| News::of_version(kind, v)).collect::<Vec<_>>();
        let deprecated = |(version, reason): &(String, String)| News {
            reason: Some(reason.clone()),
            ..News::of_version(EventKind::VersionDeprecated, version)
        };
        let is_changed = !(self.edited.is_empty() && self.joined.is_empty() && self.left.is_empty());
        let mut news = of(EventKind::VersionAdded, &self.added);
        news.extend(of(EventKind::VersionChanged, &self.replaced));
        news.extend(of(EventKind::VersionRemoved, &self.gone));
        news.extend(self.deprecated.iter().map(deprecated));
        news.extend(of(EventKind::VersionUndeprecated, &self.undeprecated));
        news.extend(self.tags.iter().map(TagChange::news));
        news.extend(is_changed.then(|| News::of(EventKind::PackageChanged)));
        news
    }
}

// === impl TagChange ===

impl TagChange {
    fn news(&self) -> News {
        let kind = match (&self.from, &self.to) {
            (None, _) => EventKind::TagAdded,
            (Some(_), Some(_)) => EventKind::TagChanged,
            (Some(_), None) => EventKind::TagRemoved,
        };
        News { tag: Some(self.tag.clone()), version: self.to.clone(), ..News::of(kind) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::survey::samples::survey;
    use super::*;

    type Versions<'a> = &'a [(&'a str, Value)];

    fn compare(before: Versions<'_>, now: Versions<'_>) -> Difference {
        let latest = |versions: Versions<'_>| match versions.last() {
            Some((version, _)) => json!({ "latest": version }),
            None => json!({}),
        };
        let (before, now) = (survey(before, &latest(before)), survey(now, &latest(now)));
        Roll::of(&now).compare(Some(&Roll::of(&before)), &now)
    }

    fn told(difference: &Difference) -> Vec<String> {
        let tell = |news: &News| {
            let rest = [&news.tag, &news.version, &news.reason].into_iter().flatten().cloned();
            [news.kind.as_str().to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(" ")
        };
        difference.news().iter().map(tell).collect()
    }

    #[test]
    fn what_has_changed_is_told() {
        let plain = || ("1.0.0", json!({}));
        for (before, now, expected) in [
            (vec![plain()], vec![plain()], &[][..]),
            (vec![plain()], vec![plain(), ("2.0.0", json!({}))], &["version added 2.0.0", "tag changed latest 2.0.0"]),
            (vec![("0.1.0", json!({})), plain()], vec![plain()], &["version removed 0.1.0"]),
            (vec![plain()], vec![], &["unpublished"]),
            (vec![], vec![plain()], &["version added 1.0.0", "tag added latest 1.0.0"]),
            (vec![plain()], vec![("1.0.0", json!({ "dist": { "shasum": "x" } }))], &["version changed 1.0.0"]),
            (vec![plain()], vec![("1.0.0", json!({ "os": ["linux"] }))], &["package changed"]),
            (vec![plain()], vec![("1.0.0", json!({ "deprecated": "old" }))], &["version deprecated 1.0.0 old"]),
            (
                vec![("1.0.0", json!({ "deprecated": "old" }))],
                vec![("1.0.0", json!({ "deprecated": "bad" }))],
                &["version deprecated 1.0.0 bad"],
            ),
            (vec![("1.0.0", json!({ "deprecated": "old" }))], vec![plain()], &["version undeprecated 1.0.0"]),
            (
                vec![plain()],
                vec![("0.9.0", json!({ "deprecated": "old" })), plain()],
                &["version added 0.9.0", "version deprecated 0.9.0 old"],
            ),
        ] {
            assert_eq!(told(&compare(&before, &now)), expected, "{before:?} to {now:?}");
        }
    }

    #[test]
    fn maintainers_and_tags_are_compared() {
        let now = survey(&[("1.0.0", json!({}))], &json!({ "latest": "1.0.0" }));
        let mut before = Roll::of(&now);
        before.maintainers = BTreeSet::from(["joe".to_owned()]);
        before.tags.insert("next".to_owned(), "1.0.0".to_owned());
        let found = Roll::of(&now).compare(Some(&before), &now);
        assert_eq!((&found.joined[..], &found.left[..]), (&["jane".to_owned()][..], &["joe".to_owned()][..]));
        assert_eq!(told(&found), ["tag removed next", "package changed"]);
    }

    #[test]
    fn what_is_here_for_the_first_time_is_told_once() {
        let now = survey(&[("1.0.0", json!({})), ("2.0.0", json!({}))], &json!({}));
        assert_eq!(told(&Roll::of(&now).compare(None, &now)), ["package changed"]);
    }

    #[test]
    fn a_roll_is_read_as_it_was_written() {
        let survey =
            survey(&[("1.0.0", json!({ "deprecated": "x" })), ("2.0.0+b", json!({}))], &json!({ "a b": "1.0.0" }));
        let roll = Roll::of(&survey);
        assert_eq!(Roll::unpack(&roll.pack().unwrap()), Some(roll));
        assert_eq!(Roll::unpack(&Roll::default().pack().unwrap()), Some(Roll::default()));
    }

    #[test]
    fn what_is_no_roll_says_nothing() {
        let packed = |text: &str| zstd::encode_all(text.as_bytes(), 0).unwrap();
        for wrong in
            [b"".to_vec(), b"x".to_vec(), packed(""), packed("2\nm\tx"), packed("1\nv\t1.0.0\t1\t2"), packed("1\nx")]
        {
            assert_eq!(Roll::unpack(&wrong), None, "{wrong:?}");
        }
    }
}
