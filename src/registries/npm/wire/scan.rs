//! Walks JSON where it lies: checks the grammar and tells where values start and end, but builds none of them.
//!
//! One pass finds everything a packument needs. Against `serde_json` with raw values, which must pass over a version
//! once for each level that is looked into, this takes about half the time (8 ms against 18 ms for 10 MB).

use std::borrow::Cow;
use std::ops::Range;

use super::Error;

/// Deepest nesting that is followed, as in `serde_json`: the walk uses the stack.
const MAX_DEPTH: u32 = 128;

/// Where something lies in the document, in bytes. Four bytes each, since a packument has tens of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// A string as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Between the quotes, escapes and all.
    raw: &'a str,
    has_escapes: bool,
    /// With its quotes.
    pub span: Span,
}

/// A place in a document, moving forward.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

// === impl Span ===

impl Span {
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

// === impl Text ===

impl<'a> Text<'a> {
    /// Returns what the string says. One that says nothing valid (half a surrogate pair) is returned as it stands.
    pub fn decode(&self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        serde_json::from_str(&format!("\"{}\"", self.raw)).map_or(Cow::Borrowed(self.raw), Cow::Owned)
    }
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    /// Starts at the beginning of a document.
    ///
    /// # Errors
    /// [`Error::TooLong`]: offsets would not fit. [`Error::NotUtf8`].
    pub fn new(document: &'a [u8]) -> Result<Self, Error> {
        if u32::try_from(document.len()).is_err() {
            return Err(Error::TooLong);
        }
        let text = std::str::from_utf8(document).map_err(|_| Error::NotUtf8)?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the next byte that is no white space, without moving past it.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Makes sure that nothing but white space follows.
    ///
    /// # Errors
    /// [`Error::NotJson`].
    pub fn finish(&mut self) -> Result<(), Error> {
        if self.peek().is_none() { Ok(()) } else { Err(self.fault()) }
    }

    /// Moves past one value of any kind and returns where it lies.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::TooDeep`].
    ///
    /// Source: RFC 8259.
    pub fn value(&mut self) -> Result<Span, Error> {
        match self.peek() {
            Some(b'"') => self.string().map(|text| text.span),
            Some(b'{') => self.object(|scanner, _| scanner.value().map(drop)),
            Some(b'[') => self.array(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) => self.number(),
            None => Err(self.fault()),
        }
    }

    /// Moves past an object and returns where it lies. `visit` gets each key and must move past its value.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::TooDeep`], and what `visit` returns.
    pub fn object<F>(&mut self, mut visit: F) -> Result<Span, Error>
    where
        F: FnMut(&mut Self, Text<'a>) -> Result<(), Error>,
    {
        let start = self.open(b'{')?;
        if self.peek() == Some(b'}') {
            return Ok(self.close(start));
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.expect(b':')?;
            visit(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.close(start)),
                _ => return Err(self.fault()),
            }
        }
    }

    /// Moves past a string, which must be next.
    ///
    /// # Errors
    /// [`Error::NotJson`].
    pub fn string(&mut self) -> Result<Text<'a>, Error> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_length(&self.text.as_bytes()[self.at..]);
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault()),
            }
            has_escapes = true;
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Text { raw, has_escapes, span: self.span(start - 1) })
    }

    fn escape(&mut self) -> Result<(), Error> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let length = match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if rest.len() > 4 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return Err(self.fault()),
        };
        self.at += length;
        Ok(())
    }

    fn array(&mut self) -> Result<Span, Error> {
        let start = self.open(b'[')?;
        if self.peek() == Some(b']') {
            return Ok(self.close(start));
        }
        loop {
            self.value()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(self.close(start)),
                _ => return Err(self.fault()),
            }
        }
    }

    fn literal(&mut self, word: &str) -> Result<Span, Error> {
        let start = self.at;
        if !self.text.as_bytes()[start..].starts_with(word.as_bytes()) {
            return Err(self.fault());
        }
        self.at += word.len();
        Ok(self.span(start))
    }

    fn number(&mut self) -> Result<Span, Error> {
        let start = self.at;
        self.skip_one(b"-");
        if !self.skip_one(b"0") {
            self.digits()?;
        }
        if self.skip_one(b".") {
            self.digits()?;
        }
        if self.skip_one(b"eE") {
            self.skip_one(b"+-");
            self.digits()?;
        }
        Ok(self.span(start))
    }

    fn digits(&mut self) -> Result<(), Error> {
        let length = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        if length == 0 { Err(self.fault()) } else { Ok(()) }
    }

    fn skip_one(&mut self, choice: &[u8]) -> bool {
        let found = self.text.as_bytes().get(self.at).is_some_and(|byte| choice.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn open(&mut self, bracket: u8) -> Result<usize, Error> {
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::TooDeep { at: self.at });
        }
        Ok(self.at - 1)
    }

    fn close(&mut self, start: usize) -> Span {
        self.at += 1;
        self.depth -= 1;
        self.span(start)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(self.fault());
        }
        self.at += 1;
        Ok(())
    }

    /// Returns what was moved past since the beginning of `start`.
    pub fn since(&self, start: Span) -> Span {
        self.span(start.start as usize)
    }

    fn span(&self, start: usize) -> Span {
        // Both fit: the document's length does.
        Span { start: start as u32, end: self.at as u32 }
    }

    fn fault(&self) -> Error {
        Error::NotJson { at: self.at }
    }
}

/// Returns how many bytes at the front are neither a quote, a backslash nor a control character. Eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Marks the top bit of zero bytes; bytes above a zero byte may be marked in error, the lowest mark never is.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut chunks = bytes.chunks_exact(8);
    let mut length = 0;
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight has eight bytes"));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let marks = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | controls;
        if marks != 0 {
            return length + marks.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    length + chunks.remainder().iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(document: &[u8]) -> bool {
        Scanner::new(document).and_then(|mut scanner| scanner.value().and_then(|_| scanner.finish())).is_ok()
    }

    #[test]
    fn what_a_parser_takes_is_taken_and_nothing_else() {
        let short = [
            "{}", "[]", " [ ] ", "\t{\r\n}", "null", "true", "false", "0", "-0", "10", "1.5", "1e400", "-1.25E-7",
            "1E+2", "\"\"", "\"a\"", "\"é\"", "[[],[]]", "", " ", "{", "[", "}", "{]", "[1,]", "{,}", "{\"a\"}",
            "{\"a\":}", "{a:1}", "{1:1}", "[1 2]", "nul", "truex", "tru", "01", "-", "1.", ".5", "+1", "1e", "1e+",
            "0x1", "NaN", "\"", "\"a", "\"\\", "\"\\x\"", "\"a\nb\"", "'a'", "1 1", "{}{}", "//", "[1]//",
        ];
        let long = [
            "\"\\u00e9\\n\\/\"",
            "\"\\ud800\"",
            "{\"a\":[1,{\"b\":null}],\"a\":2}",
            "{\"a\":1,}",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\u{0}\"",
            "\"\u{1f}\"",
            "\u{feff}{}",
            "\"12345678901234567890\u{1}\"",
            "\"1234567\\\"890\"",
            "\"1234567\"8\"",
            "\"\u{7f}\u{80}\"",
        ];
        for document in short.into_iter().chain(long) {
            let parser = serde_json::from_str::<&serde_json::value::RawValue>(document).is_ok();
            assert_eq!(is_json(document.as_bytes()), parser, "{document:?}");
        }
        assert!(!is_json(b"\"\xff\""));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_json(nested(128).as_bytes()));
        assert!(!is_json(nested(129).as_bytes()));
        assert!(!is_json("[".repeat(1_000_000).as_bytes()));
        assert!(!is_json("{\"a\":".repeat(1_000_000).as_bytes()));
    }

    #[test]
    fn the_end_of_plain_text_is_found_at_every_place() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for length in 0..40 {
                let mut bytes = vec![0xe9; 40];
                bytes[length] = stop;
                assert_eq!(plain_length(&bytes), length);
                // What lies behind the first one does not count.
                bytes[39] = b'"';
                assert_eq!(plain_length(&bytes), length);
            }
        }
        assert_eq!(plain_length(&[b' '; 17]), 17);
    }

    #[test]
    fn a_string_says_what_a_parser_reads() {
        for (json, expected) in [("\"a\"", "a"), ("\"ver\\u0073ions\"", "versions"), ("\"\\ud83d\\ude00\\\"\"", "😀\"")]
        {
            assert_eq!(Scanner::new(json.as_bytes()).unwrap().string().unwrap().decode(), expected);
        }
        assert_eq!(Scanner::new(br#""\ud800""#).unwrap().string().unwrap().decode(), "\\ud800");
    }

    #[test]
    fn spans_hold_the_value_and_nothing_around_it() {
        let document = r#" { "a" : [1, "x"] , "b":-1.5e3 } "#;
        let mut scanner = Scanner::new(document.as_bytes()).unwrap();
        let mut found = Vec::new();
        let whole = scanner.object(|scanner, key| {
            let span = scanner.value()?;
            found.push((key.decode(), &document[span.range()]));
            Ok(())
        });
        assert_eq!(found, [("a".into(), "[1, \"x\"]"), ("b".into(), "-1.5e3")]);
        assert_eq!(&document[whole.unwrap().range()], document.trim());
    }
}
