//! The configuration as it was written, before anything is understood: values, each with the place it comes from.
//!
//! A file makes the tree, then environment variables and flags are laid over it, so that the last writer of a key wins
//! and a mistake can name the very line or variable it stands in. Values may be secret: nothing here prints one.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::section::{Mistake, Mistakes};

/// The prefix of every environment variable that is ours.
const PREFIX: &str = "HELIOSTAT_";

/// One value and where it was written.
#[derive(Clone)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// A value as TOML knows it.
#[derive(Clone)]
pub enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// A float, a date, an integer beyond 64 bits: no key of ours takes one.
    Other,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File {
        name: Arc<str>,
        line: usize,
    },
    Environment(String),
    Flag(&'static str),
    /// Nowhere: the key is missing, or stands for what its section lacks.
    Absent,
}

// === impl Node ===

impl Node {
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Text(text.into()), origin }
    }

    /// Returns an empty table that nobody wrote.
    pub fn empty() -> Self {
        Self { value: Value::Table(BTreeMap::new()), origin: Origin::Absent }
    }

    /// Tells whether the value could only be written as text, though it may mean a number, a boolean or a list.
    pub fn is_untyped(&self) -> bool {
        matches!(self.origin, Origin::Environment(_) | Origin::Flag(_))
    }

    /// Names the kind of value, for a mistake.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Table(_) => "a section",
            Value::List(_) => "a list",
            Value::Text(_) => "text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Other => "a value of another kind",
        }
    }

    /// Puts `node` at `path`, making the tables and lists on the way.
    ///
    /// # Errors
    /// What stands in the way, in words; the tree is unchanged then, but for empty tables.
    pub fn set(&mut self, path: &[&str], node: Self) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return Ok(());
        };
        self.child(first, rest, &node.origin)?.set(rest, node)
    }

    fn child(&mut self, name: &str, rest: &[&str], origin: &Origin) -> Result<&mut Self, String> {
        match &mut self.value {
            Value::Table(entries) => {
                Ok(entries.entry(name.to_owned()).or_insert_with(|| Self::container(rest, origin)))
            }
            Value::List(items) => {
                let index: usize = name.parse().map_err(|_| format!("`{name}` is no number in a list"))?;
                if index == items.len() {
                    items.push(Self::container(rest, origin));
                }
                let length = items.len();
                items.get_mut(index).ok_or_else(|| format!("{index} leaves a gap: the list has {length}"))
            }
            _ => Err("goes below a key that holds a value".to_owned()),
        }
    }

    /// Returns what `rest` expects to find: a list when it starts with a number, else a table.
    fn container(rest: &[&str], origin: &Origin) -> Self {
        let numbered = rest.first().is_some_and(|name| name.parse::<usize>().is_ok());
        let value = if numbered { Value::List(Vec::new()) } else { Value::Table(BTreeMap::new()) };
        Self { value, origin: origin.clone() }
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(formatter, "{name}:{line}"),
            Self::Environment(name) => formatter.write_str(name),
            Self::Flag(name) => formatter.write_str(name),
            Self::Absent => formatter.write_str("missing"),
        }
    }
}

// === The file ===

/// Parses a TOML file. A file that is no TOML gives an empty table and one mistake for each place that is wrong.
pub fn parse_file(name: &str, text: &str, mistakes: &mut Mistakes) -> Node {
    let name: Arc<str> = name.into();
    let place = |span: Range<usize>| Origin::File { name: Arc::clone(&name), line: line_of(text, span.start) };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let origin = place(0..0);
        return Node { value: Value::Table(copy_table(table.get_ref(), &place)), origin };
    }
    for error in errors {
        // Only the parser's words: its full report quotes the line, and the line may hold a secret.
        let origin = place(error.span().unwrap_or_default());
        mistakes.push(Mistake { key: String::new(), origin, what: format!("not TOML: {}", error.message()) });
    }
    Node::empty()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

fn copy_table(table: &DeTable<'_>, place: &impl Fn(Range<usize>) -> Origin) -> BTreeMap<String, Node> {
    let copy = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        (key.get_ref().to_string(), Node { value: copy_value(value.get_ref(), place), origin: place(key.span()) })
    };
    table.iter().map(copy).collect()
}

fn copy_value(value: &DeValue<'_>, place: &impl Fn(Range<usize>) -> Origin) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(digits) => parse_integer(digits).map_or(Value::Other, Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => {
            let copy = |item: &Spanned<DeValue<'_>>| Node {
                value: copy_value(item.get_ref(), place),
                origin: place(item.span()),
            };
            Value::List(items.iter().map(copy).collect())
        }
        DeValue::Table(table) => Value::Table(copy_table(table, place)),
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
    }
}

fn parse_integer(digits: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(digits.as_str(), digits.radix()).ok()
}

// === The environment ===

/// Lays the variables that are ours over the tree: `HELIOSTAT_MOUNT__0__MAX_TTL` is `mount[0].max_ttl`.
pub fn merge_environment(tree: &mut Node, environment: &BTreeMap<String, String>, mistakes: &mut Mistakes) {
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !is_not_a_key(rest)) else { continue };
        let key = rest.to_ascii_lowercase();
        let path: Vec<_> = key.split("__").collect();
        let origin = Origin::Environment(name.clone());
        if let Err(what) = tree.set(&path, Node::text(text, origin.clone())) {
            mistakes.push(Mistake { key: path.join("."), origin, what });
        }
    }
}

/// Tells whether a variable below our prefix names no key: the file's own name, what tests set, and what Kubernetes
/// sets by itself in every container beside a service called "heliostat".
///
/// Source: Kubernetes documentation, "Service", section "Environment variables".
fn is_not_a_key(rest: &str) -> bool {
    let kubernetes = rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    rest == "CONFIG" || rest.starts_with("TEST_") || kubernetes
}
