//! Where a walk begins, as one text.

use std::fmt;

/// Where a walk begins, and what it passes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// As in the overlay; the root is empty text.
    pub directory: String,
    /// Nothing is fetched that is older than this date.
    pub since: String,
}

// === impl Cursor ===

impl Cursor {
    /// Reads what [`Cursor`] prints.
    pub fn parse(text: &str) -> Self {
        let (directory, since) = text.split_once("?since=").unwrap_or((text, ""));
        Self { directory: directory.to_owned(), since: since.to_owned() }
    }

    /// Tells whether what has this date is wanted. What has none may be of any.
    pub fn wants(&self, date: &str) -> bool {
        date.is_empty() || *date >= *self.since
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, since } = self;
        if since.is_empty() { formatter.write_str(directory) } else { write!(formatter, "{directory}?since={since}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_prints() {
        for (text, directory, since) in [
            ("", "", ""),
            ("v1/", "v1/", ""),
            ("v1/?since=2024-03-01", "v1/", "2024-03-01"),
            ("?since=2024", "", "2024"),
        ] {
            let cursor = Cursor { directory: directory.to_owned(), since: since.to_owned() };
            assert_eq!((Cursor::parse(text), cursor.to_string()), (cursor, text.to_owned()));
        }
        let cursor = Cursor::parse("?since=2024-03-01");
        assert!(
            cursor.wants("") && cursor.wants("2024-03-01T00:00:00.000Z") && !cursor.wants("2024-02-29T00:00:00.000Z")
        );
    }
}
