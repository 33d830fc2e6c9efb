//! Which sum vouches for a file: the lines of a checksum file. All pure: bytes are hashed by the mirror.
//!
//! ```text
//! 9f86d081…0f00a08  node.tar.gz      sha256sum, text
//! 9f86d081…0f00a08 *node.tar.gz      sha256sum, binary
//! \9f86d081…0f00a08  odd\\name       GNU, with a line break or a backslash in the name
//! SHA256 (node.tar.gz) = 9f86d081…   BSD
//! ```
//! Source: GNU coreutils manual, "md5sum invocation" and "cksum output modes".

use crate::base::digest::{Algorithm, Promise};

/// A checksum file with more than this is refused, in lines that say something.
const MAX_LINES: usize = 1_000_000;

/// What a checksum file vouches with for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub promise: Promise,
    /// `sha256-` and hexadecimal digits in lower case.
    text: String,
}

/// The file gives two sums of one kind for one name: neither can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

// === impl Sum ===

impl Sum {
    /// Reads hexadecimal digits, whose number tells the algorithm.
    pub fn parse(digits: &str) -> Option<Self> {
        let algorithm = match digits.len() {
            40 => Algorithm::Sha1,
            64 => Algorithm::Sha256,
            96 => Algorithm::Sha384,
            128 => Algorithm::Sha512,
            _ => return None,
        };
        let promise = Promise::from_hex(algorithm, digits).ok()?;
        Some(Self { promise, text: format!("{}-{}", algorithm.as_str(), digits.to_ascii_lowercase()) })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Finds the strongest sum of a file of this name, decoded, in the checksum file's own directory.
///
/// # Errors
/// [`Ambiguous`].
pub fn find(sums: &str, name: &str) -> Result<Option<Sum>, Ambiguous> {
    let mut found: Option<Sum> = None;
    for (listed, sum) in sums.lines().filter_map(read_line) {
        if listed.strip_prefix("./").unwrap_or(&listed) != name {
            continue;
        }
        match &found {
            Some(other) if other.promise.algorithm > sum.promise.algorithm => {}
            Some(other) if other.promise.algorithm == sum.promise.algorithm && *other != sum => return Err(Ambiguous),
            _ => found = Some(sum),
        }
    }
    Ok(found)
}

fn read_line(line: &str) -> Option<(String, Sum)> {
    let line = line.trim_end_matches('\r');
    read_bsd(line).or_else(|| read_gnu(line))
}

fn read_gnu(line: &str) -> Option<(String, Sum)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix([' ', '*'])?;
    if name.is_empty() {
        return None;
    }
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    Some((name, Sum::parse(digits)?))
}

fn read_bsd(line: &str) -> Option<(String, Sum)> {
    let (kind, rest) = line.split_once(" (")?;
    let (name, digits) = rest.rsplit_once(") = ")?;
    let sum = Sum::parse(digits.trim_end())?;
    let same = kind.replace('-', "").eq_ignore_ascii_case(sum.promise.algorithm.as_str());
    (same && !name.is_empty()).then(|| (name.to_owned(), sum))
}

fn unescape(name: &str) -> Option<String> {
    let (mut plain, mut chars) = (String::with_capacity(name.len()), name.chars());
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            char => char,
        });
    }
    Some(plain)
}

/// Tells whether a line is neither blank nor a comment.
fn says_something(line: &str) -> bool {
    !matches!(line.trim_start().as_bytes().first(), None | Some(b'#'))
}

/// Proves that a body is a checksum file, or empty: a page that asks to log in is neither.
///
/// # Errors
/// One sentence.
pub fn check_sums(body: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "it is no text")?;
    let telling = || text.lines().filter(|line| says_something(line));
    if telling().nth(MAX_LINES).is_some() {
        return Err("it has more than a million lines");
    }
    let is_sums = telling().next().is_none() || telling().any(|line| read_line(line).is_some());
    if is_sums { Ok(()) } else { Err("no line of it is a checksum") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(sign: &str, count: usize) -> String {
        sign.repeat(count)
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let sha256 = digits("aB", 32);
        for (line, name) in [
            (format!("{sha256}  node.tar.gz"), "node.tar.gz"),
            (format!("{sha256} *node.tar.gz\r"), "node.tar.gz"),
            (format!("{sha256}  ./node.tar.gz"), "node.tar.gz"),
            (format!("{sha256}  a name"), "a name"),
            (format!("\\{sha256}  a\\\\b\\nc"), "a\\b\nc"),
            (format!("SHA256 (a (1).gz) = {sha256}"), "a (1).gz"),
            (format!("SHA-256 (a) = {sha256}"), "a"),
        ] {
            let found = find(&format!("# a comment\n\n{line}\n"), name).unwrap();
            assert_eq!(found.unwrap().as_str(), format!("sha256-{}", sha256.to_lowercase()), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_vouches_for_nothing() {
        let sha256 = digits("a", 64);
        for line in [
            format!("{sha256} name"),
            format!("{sha256}  "),
            format!("{}  name", digits("a", 63)),
            format!("{}  name", digits("g", 64)),
            format!("SHA512 (name) = {sha256}"),
            format!("\\{sha256}  na\\me"),
            "name".to_owned(),
        ] {
            assert_eq!(find(&line, "name"), Ok(None), "{line}");
            assert!(check_sums(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn the_strongest_sum_counts_and_two_of_a_kind_must_agree() {
        let line = |sign: &str, count| format!("{}  name\n", digits(sign, count));
        let found = |text: String| find(&text, "name").map(|sum| sum.map(|sum| sum.promise.algorithm));
        assert_eq!(found(line("a", 64) + &line("b", 128) + &line("c", 40)), Ok(Some(Algorithm::Sha512)));
        assert_eq!(found(line("a", 64) + &line("A", 64)), Ok(Some(Algorithm::Sha256)));
        assert_eq!(found(line("a", 64) + &line("b", 64)), Err(Ambiguous));
        assert_eq!(found(line("a", 64).replace("name", "sub/name")), Ok(None));
    }

    #[test]
    fn a_page_is_no_checksum_file() {
        assert!(check_sums(b"<!doctype html><title>Log in</title>").is_err());
        assert!(check_sums(b"\xff\xfe").is_err());
        assert!(check_sums(b"\n").is_ok());
    }

    #[test]
    fn a_list_that_is_too_long_is_refused_and_a_long_one_is_read_to_its_end() {
        let line = |name: &str| format!("{}  {name}\n", digits("a", 40));
        let filler = ["\n", "# a comment\r\n", " \n"].concat().repeat(MAX_LINES / 2);
        let long = line("other").repeat(MAX_LINES - 1) + &filler + &line("name");
        assert_eq!(check_sums(long.as_bytes()), Ok(()));
        assert!(find(&long, "name").unwrap().is_some());
        assert!(check_sums((long + &line("more")).as_bytes()).is_err());
    }
}
