//! What a token may do: a list of `action:mount/pattern`, one grammar for all dialects. Pure.
//!
//! ```text
//! rights  = right *( "," right )        ; blanks around them are passed over
//! right   = action [ ":" pattern ]      ; no pattern is "*"
//! action  = "pull" / "push" / "delete" / "admin"
//! pattern = text with "*"               ; matches "mount/name" as a whole, case and all
//! ```
//! A namespace itself, with its members and teams, stands as `@/name`: no mount is called `@`.
//!
//! A `*` matches any run of characters, `/` among them, and none. `admin` implies the other three on the same names. What
//! is about no package, as the list of all users, needs `admin` on everything: [`Rights::rule`].
//!
//! Source: niso's scopes, generalised by the mount (its section 6). Its own rule that `push` may delete too is the
//! dialect's: it asks for either.

use std::fmt;

use super::error::Error;

/// The longest list, in characters: far more than any real one.
const LONGEST: usize = 4096;

/// Stands for a mount where a right is about namespaces.
pub const NAMESPACES: &str = "@";

/// What is done to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pull,
    Push,
    Delete,
    Admin,
}

/// One right. A pattern that exists is a valid one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    pub action: Action,
    pattern: String,
}

/// All rights of a token; none, if the list is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights(Vec<Right>);

// === impl Action ===

impl Action {
    const ALL: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// Tells whether one action is enough for another.
    fn implies(self, other: Self) -> bool {
        self == Self::Admin || self == other
    }
}

// === impl Right ===

impl Right {
    fn parse(text: &str) -> Result<Self, Error> {
        let (action, pattern) = text.split_once(':').unwrap_or((text, "*"));
        let action = Action::parse(action).ok_or_else(|| malformed("names no action"))?;
        if !pattern.contains(['*', '/']) {
            return Err(malformed("has a pattern that matches no package"));
        }
        if pattern.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err(malformed("has a pattern with blanks"));
        }
        Ok(Self { action, pattern: pattern.to_owned() })
    }

    /// Tells whether it allows all that another one does: its action implies the other's, and its pattern matches the
    /// other's, read as plain text. Source: niso's contract, section 6, "Creating keys".
    fn covers(&self, other: &Self) -> bool {
        self.action.implies(other.action) && matches(&self.pattern, &other.pattern)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.action.as_str(), self.pattern)
    }
}

// === impl Rights ===

impl Rights {
    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST {
            return Err(malformed("is too long"));
        }
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Self(items.map(Right::parse).collect::<Result<_, _>>()?))
    }

    /// Returns the right to everything: that of who logs in by password.
    pub fn all() -> Self {
        Self(vec![Right { action: Action::Admin, pattern: "*".to_owned() }])
    }

    /// Returns what each is about: `mount/name`, with `*`.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|right| right.pattern.as_str())
    }

    /// Tells whether they allow an action on a package.
    pub fn allow(&self, action: Action, mount: &str, name: &str) -> bool {
        let subject = format!("{mount}/{name}");
        self.0.iter().any(|right| right.action.implies(action) && matches(&right.pattern, &subject))
    }

    /// Tells whether they allow what is about no package.
    pub fn rule(&self) -> bool {
        self.0.iter().any(|right| right.action == Action::Admin && right.pattern == "*")
    }

    /// Tells whether whoever holds these may hand out the others.
    pub fn cover(&self, others: &Self) -> bool {
        others.0.iter().all(|other| self.0.iter().any(|right| right.covers(other)))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, right) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{right}")?;
        }
        Ok(())
    }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed { what: "right", why }
}

/// Tells whether a whole text is matched. Takes at most the product of both lengths: it only ever goes back to the last
/// `*`, since what an earlier one could take, the last can take too.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((place, taken)) = star {
            star = Some((place, taken + 1));
            (at, read) = (place + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(text: &str) -> Rights {
        Rights::parse(text).unwrap()
    }

    #[test]
    fn actions_are_allowed_where_the_pattern_matches() {
        for (text, name, allowed) in [
            ("push:niso/@alice/*", "@alice/app", "push"),
            ("push:niso/@alice/*", "@alice2/app", ""),
            ("push:niso/@alice/*", "@alice", ""),
            ("push:niso/@alice/*,pull:*", "@bob/app", "pull"),
            ("push:niso/my-*", "my-api", "push"),
            ("push:niso/my-*", "@x/my-api", ""),
            ("delete:*", "@alice/app", "delete"),
            ("admin:niso/@alice/*", "@alice/app", "pull push delete admin"),
            ("admin", "any", "pull push delete admin"),
            ("pull:*", "any", "pull"),
            ("pull:npm/*", "any", ""),
            ("pull:*/any", "any", "pull"),
            ("push:niso/any", "ANY", ""),
            ("", "any", ""),
        ] {
            let actions = Action::ALL.into_iter().filter(|action| rights(text).allow(*action, "niso", name));
            let actions: Vec<_> = actions.map(Action::as_str).collect();
            assert_eq!(actions.join(" "), allowed, "{text} on {name}");
        }
    }

    #[test]
    fn a_list_is_read_and_printed() {
        assert_eq!(rights(" push:npm/@a/* ,, admin ").to_string(), "push:npm/@a/*,admin:*");
        assert_eq!(rights("").to_string(), "");
        for wrong in ["push:", "publish:npm/x", "push:npm", "PUSH:*", "push:npm/a b", "pull:a/\u{7}", ":*"] {
            assert!(matches!(Rights::parse(wrong), Err(Error::Malformed { .. })), "{wrong}");
        }
        assert!(Rights::parse(&"pull:*,".repeat(1000)).is_err());
    }

    #[test]
    fn only_the_admin_of_everything_rules() {
        for (text, rules) in [("admin", true), ("admin:*", true), ("admin:npm/*", false), ("push:*,pull:*", false)] {
            assert_eq!(rights(text).rule(), rules, "{text}");
        }
    }

    #[test]
    fn nobody_hands_out_more_than_they_hold() {
        for (held, asked, covered) in [
            ("push:npm/@a/*", "push:npm/@a/x", true),
            ("push:npm/@a/*", "push:npm/@a/*", true),
            ("push:npm/@a/*", "push:npm/*", false),
            ("push:npm/@a/*", "delete:npm/@a/x", false),
            ("admin:npm/*", "push:npm/@a/*,delete:npm/x", true),
            ("admin:npm/*", "pull:*", false),
            ("pull:*,push:npm/a-*", "push:npm/a-b,pull:hex/*", true),
            ("pull:*", "", true),
        ] {
            assert_eq!(rights(held).cover(&rights(asked)), covered, "{held} for {asked}");
        }
    }

    #[test]
    fn matching_does_not_take_for_ever() {
        let pattern = format!("{}b", "*a".repeat(500));
        assert!(!matches(&pattern, &"a".repeat(3000)));
        assert!(matches(&format!("{}*", "*a".repeat(500)), &"a".repeat(3000)));
        assert!(matches("**", "") && matches("", "") && !matches("", "a") && matches("a*c*", "abcc"));
    }
}
