//! Which packages somebody wants to have here, and what of them, in words and in lockfiles. Pure.

use super::lockfiles::Lockfile;
use super::range::Precedence;
use crate::overlay::tasks::{Cause, Kind, NewTask, Rank, Wish};

/// Reads a package, and which of its versions are wanted: `left-pad` is all of them, `left-pad@1.3.0` and `@acme/tool@^2`
/// what they say.
pub fn read(text: &str, skip_dependencies: bool) -> (String, Wish) {
    let wish = Wish { skip_dependencies, ..Wish::default() };
    // A scope starts with the sign that versions start with.
    let at = text.char_indices().skip(1).find(|(_, character)| *character == '@').map(|(at, _)| at);
    let (name, spec) = at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let wish = match spec {
        "" => Wish { all: true, ..wish },
        spec if Precedence::parse(spec).is_some() => Wish { versions: [spec.to_owned()].into(), ..wish },
        spec => Wish { ranges: [spec.to_owned()].into(), ..wish },
    };
    (name.to_owned(), wish)
}

/// Returns what a lockfile has.
pub fn of_lockfile(lockfile: Lockfile, skip_dependencies: bool) -> Vec<(String, Wish)> {
    let locked = |(name, versions)| (name, Wish { versions, skip_dependencies, ..Wish::default() });
    lockfile.releases.into_iter().map(locked).collect()
}

/// Returns what makes a task of a wish.
pub fn order<'a>(mount: &'a str, subject: &'a str, wish: &Wish) -> NewTask<'a> {
    let (kind, wish, cause, rank) = (Kind::Package, wish.clone(), Cause::Asked, Rank::Asked);
    NewTask { mount, kind, subject, wish, cause, rank, parent: None }
}
