//! Which directory is the newest: releases are dated, or numbered.

use std::cmp::Ordering;

use crate::overlay::binaries::Entry;

/// Orders directories by their dates, then as people number versions.
pub fn newer(one: &Entry, other: &Entry) -> Ordering {
    one.date.cmp(&other.date).then_with(|| compare_numbered(&one.name, &other.name))
}

/// Compares names by their numbers, and by what stands between them.
fn compare_numbered(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (parts(one), parts(other));
    loop {
        match (one.next(), other.next()) {
            (Some((text, number)), Some((other_text, other_number))) => {
                let order = text.cmp(other_text).then_with(|| number.cmp(&other_number));
                if order != Ordering::Equal {
                    return order;
                }
            }
            (one, other) => return one.is_some().cmp(&other.is_some()),
        }
    }
}

/// Cuts a name into texts with the number behind each.
fn parts(name: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let text = rest.find(|sign: char| sign.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[text..].find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len() - text);
        let part = (&rest[..text], rest[text..text + digits].parse().ok());
        rest = &rest[text + digits..];
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str, date: &str) -> Entry {
        let (name, date, place) = (name.to_owned(), date.to_owned(), String::new());
        Entry { name, is_directory: true, size: None, date, place, is_certain: true }
    }

    #[test]
    fn the_newest_directory_is_that_of_the_latest_date_then_of_the_highest_number() {
        for (names, expected) in [
            (&[("v9.0.0", ""), ("v10.0.0", ""), ("v10.0.0-rc.1", "")][..], "v10.0.0-rc.1"),
            (&[("v0.10.48", ""), ("v0.9.12", ""), ("docs", "")], "v0.10.48"),
            (&[("v1", "2025"), ("v2", "2024")], "v1"),
            (&[("99999999999999999999", ""), ("2", "")], "2"),
            (&[("a1", ""), ("a1b", "")], "a1b"),
        ] {
            let entries: Vec<_> = names.iter().map(|(name, date)| directory(name, date)).collect();
            let newest = entries.iter().max_by(|one, other| newer(one, other)).unwrap();
            assert_eq!(newest.name, expected);
        }
    }
}
