//! What a search asks for: words, and what is said of them with a colon. Pure. Source: contract npm §10.1.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::pages::MAX_SIZE;
use crate::registries::npm::error::Error;

/// Longest text, in characters.
const MAX_TEXT: usize = 256;
const DEFAULT_SIZE: usize = 20;
/// What a client may weigh, which upstream is told and we do not weigh by.
const WEIGHTS: [&str; 3] = ["quality", "popularity", "maintenance"];

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// As it came.
    pub text: String,
    pub from: usize,
    pub size: usize,
    /// Passed on to upstream.
    pub weights: Vec<(&'static str, String)>,
    /// In lower case; all of them must be there.
    pub words: Vec<String>,
    pub authors: Vec<String>,
    pub maintainers: Vec<String>,
    pub scopes: Vec<String>,
    pub keywords: Vec<Keywords>,
    pub is: Vec<Flag>,
    pub is_not: Vec<Flag>,
    /// Whether a name that is the text comes first.
    pub boosts_exact: bool,
}

/// `a,b+c,-d`: one of the groups as a whole, and none of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    pub any: Vec<Vec<String>>,
    pub none: Vec<String>,
}

/// What `is:` and `not:` tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Unstable,
    Deprecated,
    /// Nobody here knows of any.
    Insecure,
}

/// Returns the keywords of a manifest, which old ones have as one text.
pub fn keywords(manifest: &Map<String, Value>) -> Vec<&str> {
    match manifest.get("keywords") {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(words)) => words.split([',', ' ']).filter(|word| !word.is_empty()).collect(),
        _ => Vec::new(),
    }
}

// === impl Query ===

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: no text, or one that is too long; numbers that are none.
    pub fn parse(query: &str) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let number = |name, default| {
            let number = find(name).map_or(Ok(default), |text| text.parse());
            number.map_err(|_| Error::bad_request("size and from are whole numbers"))
        };
        let text = find("text").filter(|text| !text.trim().is_empty());
        let text = text.ok_or(Error::bad_request("a search needs a text"))?;
        if text.chars().count() > MAX_TEXT {
            return Err(Error::bad_request("a search has a text of at most 256 characters"));
        }
        let mut read = Self {
            from: number("from", 0)?,
            size: number("size", DEFAULT_SIZE)?.min(MAX_SIZE),
            weights: WEIGHTS.into_iter().filter_map(|name| Some((name, find(name)?))).collect(),
            words: Vec::new(),
            authors: Vec::new(),
            maintainers: Vec::new(),
            scopes: Vec::new(),
            keywords: Vec::new(),
            is: Vec::new(),
            is_not: Vec::new(),
            boosts_exact: true,
            text: text.clone(),
        };
        text.split_whitespace().for_each(|word| read.add(&word.to_lowercase()));
        Ok(read)
    }

    /// Prints it for upstream, with another page.
    pub fn print(&self, from: usize, size: usize) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("text", &self.text).append_pair("size", &size.to_string());
        pairs.append_pair("from", &from.to_string());
        pairs.extend_pairs(&self.weights).finish()
    }

    fn add(&mut self, word: &str) {
        let Some((kind, value)) = word.split_once(':').filter(|(_, value)| !value.is_empty()) else {
            return self.words.push(word.to_owned());
        };
        match (kind, Flag::parse(value)) {
            ("author", _) => self.authors.push(value.to_owned()),
            ("maintainer", _) => self.maintainers.push(value.to_owned()),
            ("scope", _) => self.scopes.push(value.trim_start_matches('@').to_owned()),
            ("keywords", _) => self.keywords.push(Keywords::parse(value)),
            ("boost-exact", _) => self.boosts_exact = value != "false",
            ("is", Some(flag)) => self.is.push(flag),
            ("not", Some(flag)) => self.is_not.push(flag),
            _ => self.words.push(word.to_owned()),
        }
    }

    /// Returns everything in it that may be a name, or a scope with its `@`.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let text = self.text.trim().to_owned();
        let words = self.text.split_whitespace().map(str::to_owned);
        let values =
            self.text.split_whitespace().filter_map(|word| word.split_once(':')).map(|(_, value)| value.to_owned());
        let scopes = self.scopes.iter().map(|scope| format!("@{scope}"));
        let all: Vec<String> = std::iter::once(text).chain(words).chain(values).chain(scopes).collect();
        all.into_iter()
    }
}

// === impl Keywords ===

impl Keywords {
    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match part.strip_prefix('-') {
                Some(word) => read.none.push(word.to_owned()),
                None => read.any.push(part.split('+').filter(|word| !word.is_empty()).map(str::to_owned).collect()),
            }
        }
        read
    }

    /// Tells whether a package with these keywords, in lower case, is meant.
    pub fn allow(&self, keywords: &[String]) -> bool {
        let has = |word: &String| keywords.contains(word);
        let is_meant = self.any.is_empty() || self.any.iter().any(|group| group.iter().all(has));
        is_meant && !self.none.iter().any(has)
    }
}

// === impl Flag ===

impl Flag {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "unstable" => Some(Self::Unstable),
            "deprecated" => Some(Self::Deprecated),
            "insecure" => Some(Self::Insecure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_colon_says_what_is_meant() {
        let text = "text=Left%20Pad+author:Joe+maintainer:jim+scope:@Acme+keywords:a,b%2Bc,-d+not:unstable+is:deprecated\
                    +boost-exact:false+is:odd+x:y&size=999&from=7&quality=0.5";
        let query = Query::parse(text).unwrap();
        assert_eq!(query.words, ["left", "pad", "is:odd", "x:y"]);
        assert_eq!(
            (query.authors.as_slice(), query.maintainers.as_slice()),
            (&["joe".to_owned()][..], &["jim".to_owned()][..])
        );
        assert_eq!((query.scopes.as_slice(), query.boosts_exact), (&["acme".to_owned()][..], false));
        assert_eq!((query.is.as_slice(), query.is_not.as_slice()), (&[Flag::Deprecated][..], &[Flag::Unstable][..]));
        assert_eq!((query.from, query.size, query.weights.as_slice()), (7, 250, &[("quality", "0.5".to_owned())][..]));
        let names: Vec<String> = query.names().collect();
        assert!(names.contains(&"@acme".to_owned()) && names.contains(&"Left".to_owned()), "{names:?}");
    }

    #[test]
    fn keywords_are_one_of_all_of_and_none_of() {
        let allow = |text: &str, words: &[&str]| {
            Keywords::parse(text).allow(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert!(allow("a,b", &["b"]) && !allow("a,b", &["c"]));
        assert!(allow("a+b", &["a", "b"]) && !allow("a+b", &["a"]));
        assert!(allow("a,-b", &["a"]) && !allow("a,-b", &["a", "b"]) && allow("-b", &["c"]));
    }

    #[test]
    fn a_search_for_nothing_is_a_mistake() {
        let long = format!("text={}", "x".repeat(257));
        for wrong in ["", "text=", "text=+", "size=3", "text=x&size=many", "text=x&from=-1", &long] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Query::parse("text=x").unwrap().size, 20);
    }
}
