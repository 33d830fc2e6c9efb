//! Reads one section of the tree, key by key, and collects every mistake on the way instead of stopping at the first.
//!
//! A reader asks for each key it knows; whatever is left in the section when it is done is an unknown key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::tree::{Node, Origin, Value};
use super::values::Setting;
use crate::base::fs;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key's path, `mount[0].upstream[1].token`; empty when it is about the whole file.
    pub key: String,
    pub origin: Origin,
    /// What is wrong, as the rest of a sentence. Never holds a value that may be secret.
    pub what: String,
}

/// Everything that is wrong.
pub type Mistakes = Vec<Mistake>;

/// A section being read.
pub struct Section<'a> {
    path: String,
    origin: Origin,
    entries: BTreeMap<String, Node>,
    /// The keys asked for so far, and where each was written.
    asked: BTreeMap<&'static str, Origin>,
    pub environment: &'a BTreeMap<String, String>,
    mistakes: &'a mut Mistakes,
}

// === impl Mistake ===

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), &self.origin) {
            ("", origin) => write!(formatter, "{origin}: {}", self.what),
            (key, Origin::Absent) => write!(formatter, "{key}: {}", self.what),
            (key, origin) => write!(formatter, "{key} ({origin}): {}", self.what),
        }
    }
}

// === impl Section ===

impl<'a> Section<'a> {
    /// Reads the whole tree with `read`.
    pub fn read_root<T>(
        tree: Node,
        environment: &'a BTreeMap<String, String>,
        mistakes: &'a mut Mistakes,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let entries = match tree.value {
            Value::Table(entries) => entries,
            _ => BTreeMap::new(),
        };
        let (path, origin) = (String::new(), Origin::Absent);
        let mut root = Section { path, origin, entries, asked: BTreeMap::new(), environment, mistakes };
        let result = read(&mut root);
        root.refuse_unknown();
        result
    }

    /// Reads a key, or returns `default` when it is absent or wrong.
    pub fn value<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.value_with(key, default, T::read)
    }

    /// Reads a key by a reader of its own.
    pub fn value_with<T>(&mut self, key: &'static str, default: T, read: impl Fn(&Node) -> Result<T, String>) -> T {
        let Some(node) = self.take(key) else { return default };
        read(&node).unwrap_or_else(|what| {
            self.complain(key, what);
            default
        })
    }

    /// Reads a key whose value must be more than zero.
    pub fn positive<T: Setting + Default + PartialEq>(&mut self, key: &'static str, default: T) -> T {
        let value = self.value(key, default);
        if value == T::default() {
            self.complain(key, "must be more than zero");
        }
        value
    }

    /// Reads a key that must be there; `None` when it is absent or wrong, which is noted.
    pub fn required<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, String>) -> Option<T> {
        let Some(node) = self.take(key) else {
            self.complain(key, "is missing");
            return None;
        };
        read(&node).map_err(|what| self.complain(key, what)).ok()
    }

    /// Reads a list, in which every wrong item is a mistake of its own. One value alone is a list of one; text from the
    /// environment or a flag is split at commas.
    pub fn list<T>(&mut self, key: &'static str, default: Vec<T>, read: impl Fn(&Node) -> Result<T, String>) -> Vec<T> {
        let Some(node) = self.take(key) else { return default };
        let mut values = Vec::new();
        for (index, item) in items_of(node).into_iter().enumerate() {
            match read(&item) {
                Ok(value) => values.push(value),
                Err(what) => self.push(format!("{}[{index}]", self.path_of(key)), item.origin, what),
            }
        }
        values
    }

    /// Reads a section, as if it were empty when it is absent.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let node = self.take(key).unwrap_or_else(Node::empty);
        self.descend(self.path_of(key), node, read)
    }

    /// Reads a section that may be absent.
    pub fn optional_section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let node = self.take(key)?;
        Some(self.descend(self.path_of(key), node, read))
    }

    /// Reads a list of sections; absent is empty.
    pub fn sections<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Value::List(items) = node.value else {
            self.complain(key, format!("must be a list of sections, written `[[{}]]`", self.path_of(key)));
            return Vec::new();
        };
        let path = self.path_of(key);
        items
            .into_iter()
            .enumerate()
            .map(|(index, item)| self.descend(format!("{path}[{index}]"), item, &mut read))
            .collect()
    }

    /// Notes a mistake about a key of this section.
    pub fn complain(&mut self, key: &'static str, what: impl Into<String>) {
        let origin = match self.asked.get(key) {
            None | Some(Origin::Absent) => self.origin.clone(),
            Some(origin) => origin.clone(),
        };
        self.push(self.path_of(key), origin, what.into());
    }

    /// Tells whether a mistake about a key of this section is noted: what it was replaced by must not cause another.
    pub fn is_mistaken(&self, key: &str) -> bool {
        let path = self.path_of(key);
        self.mistakes.iter().any(|mistake| mistake.key.starts_with(&path))
    }

    /// Notes a mistake if `low`, the value of `key`, is more than `high`, that of `limit`.
    pub fn check_order<T: PartialOrd>(&mut self, (key, low): (&'static str, T), (limit, high): (&'static str, T)) {
        if low > high && !self.is_mistaken(key) && !self.is_mistaken(limit) {
            self.complain(key, format!("must not be more than {limit}"));
        }
    }

    /// Reads the PEM file that `key` names, which must hold a block of kind `label`, such as `CERTIFICATE`; empty when
    /// it cannot be read or holds none, which is noted.
    pub fn load_pem(&mut self, key: &'static str, file: &Path, label: &str) -> Vec<u8> {
        match fs::read_to_string(file) {
            Ok(text) if text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(label)) => {
                return text.into_bytes();
            }
            Ok(_) => self.complain(key, format!("{} holds no PEM block of kind {label}", file.display())),
            Err(error) => self.complain(key, format!("cannot read {}: {error}", file.display())),
        }
        Vec::new()
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        let node = self.entries.remove(key);
        self.asked.insert(key, node.as_ref().map_or(Origin::Absent, |node| node.origin.clone()));
        node
    }

    fn descend<T>(&mut self, path: String, node: Node, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let kind = node.kind();
        let origin = node.origin;
        let entries = match node.value {
            Value::Table(entries) => entries,
            _ => {
                self.push(path.clone(), origin.clone(), format!("must be a section, not {kind}"));
                BTreeMap::new()
            }
        };
        let (asked, environment) = (BTreeMap::new(), self.environment);
        let mut section = Section { path, origin, entries, asked, environment, mistakes: self.mistakes };
        let result = read(&mut section);
        section.refuse_unknown();
        result
    }

    fn refuse_unknown(&mut self) {
        let known = self.asked.keys().copied().collect::<Vec<_>>().join(", ");
        for (key, node) in std::mem::take(&mut self.entries) {
            self.push(self.path_of(&key), node.origin, format!("unknown key; known here: {known}"));
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn push(&mut self, key: String, origin: Origin, what: String) {
        self.mistakes.push(Mistake { key, origin, what });
    }
}

fn items_of(node: Node) -> Vec<Node> {
    let (origin, is_untyped) = (node.origin.clone(), node.is_untyped());
    match node.value {
        Value::List(items) => items,
        Value::Text(text) if is_untyped => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Node::text(item, origin.clone()))
            .collect(),
        value => vec![Node { value, origin }],
    }
}
