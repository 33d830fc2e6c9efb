//! Whether a package is what a search means, and how well it is. Pure.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::query::{Flag, Query, keywords};
use crate::registries::npm::catalog::Entry;
use crate::registries::npm::name::is_prerelease_or_early;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// What a package says of itself when it is well described.
const DESCRIBED_BY: [&str; 5] = ["description", "keywords", "license", "repository", "homepage"];

/// A package that a search means.
pub struct Match {
    pub entry: Arc<Entry>,
    /// How well the words fit: 100 for a name that is the text.
    pub relevance: f64,
    pub score: Score,
    /// How many packages of ours depend on it.
    pub needed_by: usize,
}

/// What is known of a package's worth, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub total: f64,
    /// How much it says of itself.
    pub quality: f64,
    /// How many of ours need it.
    pub popularity: f64,
    /// How new it is.
    pub maintenance: f64,
}

/// What is known of a package beside it.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    pub by: usize,
    pub now: SystemTime,
}

/// Judges a package; `None`: it is not meant.
pub fn judge(entry: &Arc<Entry>, query: &Query, needed: &Needed) -> Option<Match> {
    let keywords: Vec<String> = keywords(&entry.manifest).into_iter().map(str::to_lowercase).collect();
    if !passes(entry, query, &keywords) {
        return None;
    }
    let relevance = relevance(entry, query, &keywords)?;
    Some(Match { entry: Arc::clone(entry), relevance, score: score(entry, needed), needed_by: needed.by })
}

/// Tells whether a package is what the parts with a colon say.
fn passes(entry: &Entry, query: &Query, keywords: &[String]) -> bool {
    let name = entry.summary.name.to_lowercase();
    let scope = name.strip_prefix('@').and_then(|rest| rest.split_once('/')).map(|(scope, _)| scope);
    let owners = || entry.summary.owners.iter().map(|owner| owner.name.as_str().to_lowercase());
    let author = author(entry);
    let is = |flag: &Flag| match flag {
        Flag::Unstable => is_prerelease_or_early(&entry.summary.version),
        Flag::Deprecated => entry.manifest.contains_key("deprecated"),
        Flag::Insecure => false,
    };
    query.authors.iter().all(|wanted| author.contains(wanted.as_str()))
        && query.maintainers.iter().all(|wanted| owners().any(|owner| owner == *wanted))
        && query.scopes.iter().all(|wanted| scope == Some(wanted.as_str()))
        && query.keywords.iter().all(|wanted| wanted.allow(keywords))
        && query.is.iter().all(is)
        && !query.is_not.iter().any(is)
}

/// Returns who wrote it, in whatever form, in lower case.
fn author(entry: &Entry) -> String {
    match entry.manifest.get("author") {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(Value::Object(author)) => {
            let texts = ["name", "email"].into_iter().filter_map(|member| author.get(member)?.as_str());
            texts.collect::<Vec<_>>().join(" ").to_lowercase()
        }
        _ => String::new(),
    }
}

/// Tells how well the words fit, of which each must; `None` when one does not.
fn relevance(entry: &Entry, query: &Query, keywords: &[String]) -> Option<f64> {
    let name = entry.summary.name.to_lowercase();
    let description = entry.manifest.get("description").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let of_word = |word: &String| {
        let unscoped = name.rsplit('/').next().unwrap_or_default();
        match word.as_str() {
            word if unscoped == word => Some(40.0),
            word if unscoped.starts_with(word) => Some(30.0),
            word if name.contains(word) => Some(20.0),
            _ if keywords.contains(word) => Some(10.0),
            word if description.contains(word) => Some(5.0),
            _ => None,
        }
    };
    let words: Option<Vec<f64>> = query.words.iter().map(of_word).collect();
    let words = words?;
    if query.boosts_exact && name == query.text.trim().to_lowercase() {
        return Some(100.0);
    }
    let sum: f64 = words.iter().sum();
    // What only its marks are searched by fits as well as all others.
    Some(if words.is_empty() { 1.0 } else { sum / words.len() as f64 })
}

fn score(entry: &Entry, needed: &Needed) -> Score {
    let described = DESCRIBED_BY.iter().filter(|member| entry.manifest.contains_key(**member)).count();
    let quality = described as f64 / DESCRIBED_BY.len() as f64;
    let popularity = 1.0 - 1.0 / (1.0 + needed.by as f64);
    let age = needed.now.duration_since(entry.summary.published_at).unwrap_or_default();
    let maintenance = 1.0 / (1.0 + age.as_secs_f64() / YEAR.as_secs_f64());
    Score { total: (quality + popularity + maintenance) / 3.0, quality, popularity, maintenance }
}

// === impl Match ===

impl Match {
    pub fn name(&self) -> &str {
        &self.entry.summary.name
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::overlay::packages::{Author, Summary};
    use crate::overlay::users::UserName;

    fn entry(name: &str, version: &str, manifest: Value) -> Arc<Entry> {
        let joe = Author { name: UserName::parse("Joe").unwrap(), email: None };
        let at = SystemTime::UNIX_EPOCH + YEAR;
        Arc::new(Entry {
            summary: Summary {
                name: name.to_owned(),
                modified_at: at,
                version: version.to_owned(),
                manifest: Vec::new(),
                published_at: at,
                publisher: None,
                tags: BTreeMap::new(),
                owners: vec![joe],
                is_listed: true,
                is_closed: false,
            },
            manifest: manifest.as_object().unwrap().clone(),
            requires: Default::default(),
        })
    }

    fn relevance_of(text: &str) -> Option<f64> {
        let manifest =
            json!({ "description": "Pads to the left", "keywords": ["Align"], "author": "Ann <a@host.example>" });
        let query = Query::parse(&format!("text={text}")).unwrap();
        let needed = Needed { by: 0, now: SystemTime::UNIX_EPOCH + 2 * YEAR };
        judge(&entry("@acme/left-pad", "0.9.0", manifest), &query, &needed).map(|hit| hit.relevance)
    }

    #[test]
    fn names_come_before_keywords_and_those_before_descriptions() {
        for (text, expected) in [
            ("@acme/Left-pad", Some(100.0)),
            ("@acme/left-pad+boost-exact:false", Some(20.0)),
            ("left-pad", Some(40.0)),
            ("left", Some(30.0)),
            ("acme", Some(20.0)),
            ("align", Some(10.0)),
            ("pads", Some(5.0)),
            ("left+pads", Some(17.5)),
            ("left+nothing", None),
            ("author:ann", Some(1.0)),
            ("author:joe", None),
            ("maintainer:joe+left", Some(30.0)),
            ("maintainer:ann", None),
            ("scope:acme", Some(1.0)),
            ("scope:other+left", None),
            ("keywords:align", Some(1.0)),
            ("keywords:-align", None),
            ("is:unstable", Some(1.0)),
            ("not:unstable", None),
            ("is:deprecated", None),
            ("not:insecure", Some(1.0)),
        ] {
            assert_eq!(relevance_of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_needed_described_and_new_is_worth_more() {
        let needed = |by, years: u32| Needed { by, now: SystemTime::UNIX_EPOCH + YEAR * years };
        let plain = entry("x", "1.0.0", json!({}));
        let told = entry("x", "1.0.0", json!({ "description": "x", "license": "MIT" }));
        assert_eq!(
            score(&plain, &needed(0, 1)),
            Score { total: 1.0 / 3.0, quality: 0.0, popularity: 0.0, maintenance: 1.0 }
        );
        assert!(score(&told, &needed(0, 1)).total > score(&plain, &needed(0, 1)).total);
        assert!(score(&plain, &needed(3, 1)).total > score(&plain, &needed(1, 1)).total);
        assert_eq!(score(&plain, &needed(1, 2)).maintenance, 0.5);
    }
}
