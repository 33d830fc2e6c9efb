//! What the old client can hold of a document: 128 JSON tokens, and no text that it would take for the name of a
//! member. Source: contract nessemble §2, W9 and W11.

use std::borrow::Cow;

use crate::registries::members::quote;

/// Most tokens of a document: each object, array, name and value counts one.
pub const MAX_TOKENS: usize = 128;

/// Names that the old client looks for. It takes the first text that reads so, be it a name or a value.
const SOUGHT: [&str; 6] = ["title", "description", "readme", "resource", "status", "error"];

/// Who reads a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The client in C, with its fixed room.
    Old,
    Any,
}

impl Reader {
    /// Tells by `User-Agent`.
    pub fn of(user_agent: Option<&str>) -> Self {
        if user_agent.is_some_and(|agent| agent.starts_with("nessemble/1.")) { Self::Old } else { Self::Any }
    }

    /// Returns how many of `count` things are told, each of which costs `each` tokens when `fixed` are gone already.
    pub(super) fn room(self, count: usize, each: usize, fixed: usize) -> usize {
        match self {
            Self::Old => count.min(MAX_TOKENS.saturating_sub(fixed) / each),
            Self::Any => count,
        }
    }

    /// Prints a free text. A blank keeps the old client from taking it for the name of a member.
    pub(super) fn quote(self, text: &str) -> String {
        let misleads = self == Self::Old && SOUGHT.contains(&text);
        quote(&if misleads { Cow::Owned(format!("{text} ")) } else { Cow::Borrowed(text) })
    }

    /// Prints an array of free texts.
    pub(super) fn quote_all(self, texts: &[String]) -> String {
        let texts: Vec<_> = texts.iter().map(|text| self.quote(text)).collect();
        format!("[{}]", texts.join(","))
    }
}
