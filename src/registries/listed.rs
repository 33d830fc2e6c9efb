//! Upstreams that list their packages and have no feed: what has changed there is told by comparing two states of the list.

use std::collections::BTreeSet;
use std::io;

use super::replica::{Change, Names, Poll, Position};
use super::roll::Roll;
use crate::base::digest::Digest;

/// Names of one page.
const PAGE: usize = 1_000;

/// Tells what has changed in a list since it was last looked at. Who looks for the first time is told of nothing, but where
/// the list stands; who remembers nothing that can be read is told of all.
///
/// # Errors
/// The compressor's.
pub fn poll(
    digest: Digest,
    roll: &Roll,
    position: Option<&Position>,
    expects: impl Fn(&str) -> BTreeSet<String>,
) -> io::Result<Poll> {
    let cursor = digest.to_hex();
    let told = |changes, position| Poll { changes, position, is_at_head: true, lag: None };
    if let Some(same) = position.filter(|position| position.cursor == cursor) {
        return Ok(told(Vec::new(), same.clone()));
    }
    let older = position.map(|position| position.memory.as_deref().and_then(Roll::unpack).unwrap_or_default());
    let names = older.map_or_else(Vec::new, |older| roll.compare(Some(&older)).names());
    let change = |package: String| Change { expects: expects(&package), package };
    let changes = names.into_iter().map(change).collect();
    Ok(told(changes, Position { cursor, memory: Some(roll.pack()?) }))
}

/// Returns a page of the names that a list has, which are sorted: those after a name, or the first.
pub fn page<'a>(names: impl Iterator<Item = &'a str>, after: Option<&str>) -> Names {
    let mut left = names.filter(|name| after.is_none_or(|after| *name > after)).map(str::to_owned);
    let names: Vec<_> = left.by_ref().take(PAGE).collect();
    let next = left.next().and_then(|_| names.last().cloned());
    Names { names, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::roll::Said;

    fn roll(things: &[(&str, &str)]) -> Roll {
        let mut roll = Roll::default();
        things.iter().for_each(|(name, said)| roll.note(*name, Said::of(b"", None, said.as_bytes())));
        roll
    }

    fn changed(poll: &Poll) -> Vec<&str> {
        poll.changes.iter().map(|change| change.package.as_str()).collect()
    }

    #[test]
    fn what_has_changed_in_a_list_is_told_once() {
        let (one, two) = (roll(&[("a", "1"), ("b", "1")]), roll(&[("b", "2"), ("c", "1")]));
        let (first, second) = (Digest::of(b"1"), Digest::of(b"2"));
        let expects = |name: &str| BTreeSet::from([format!("{name}@1")]);
        let start = poll(first, &one, None, expects).unwrap();
        assert!(start.changes.is_empty() && start.is_at_head);
        let same = poll(first, &one, Some(&start.position), expects).unwrap();
        assert_eq!(same, start);
        let news = poll(second, &two, Some(&start.position), expects).unwrap();
        assert_eq!(changed(&news), ["a", "b", "c"]);
        assert_eq!(news.changes[2].expects, ["c@1".to_owned()].into());
        // Asked again from there, it is told again: a page may have been lost on its way.
        assert_eq!(poll(second, &two, Some(&start.position), expects).unwrap(), news);
        assert!(poll(second, &two, Some(&news.position), expects).unwrap().changes.is_empty());
    }

    #[test]
    fn who_remembers_nothing_is_told_of_all() {
        let position = Position { cursor: "older".to_owned(), memory: Some(b"no roll".to_vec()) };
        let now = roll(&[("a", "1"), ("b", "1")]);
        let all = poll(Digest::of(b"1"), &now, Some(&position), |_| BTreeSet::new()).unwrap();
        assert_eq!(changed(&all), ["a", "b"]);
    }

    #[test]
    fn names_come_page_by_page() {
        let names: Vec<String> = (0..2_500).map(|number| format!("{number:04}")).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..3 {
            let page = page(names.iter().map(String::as_str), after.as_deref());
            seen.extend(page.names);
            after = page.next;
        }
        assert_eq!((&seen, after), (&names, None));
        assert_eq!(page(names.iter().take(PAGE).map(String::as_str), None).next, None);
        assert_eq!(page(std::iter::empty(), Some("x")), Names::default());
    }
}
