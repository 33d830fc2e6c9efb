//! Whether a request's head can be read in one way only. Where two readers could see its end, its length or its host in
//! different places, one of them could be made to take a body for a request (request smuggling): such a request is
//! refused and its connection closed, although pingora could make something of it.
//!
//! What pingora refuses by itself is not looked for again: more than one `Host`, a `Host` that is not the target's, white
//! space before a colon, folded lines, transfer codings in HTTP/1.0.

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};

/// Why a head is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    #[error("a line of the request does not end in CR LF")]
    BareBreak,
    #[error("the request line is malformed")]
    RequestLine,
    #[error("the request has no Host")]
    NoHost,
    #[error("the request says more than once how long its body is")]
    Lengths,
    #[error("the request's Content-Length is no length")]
    Length,
    #[error("the request's Transfer-Encoding is not understood")]
    Coding,
    #[error("the chunks of the request are malformed")]
    Chunks,
    #[error("the client takes most of its requests back")]
    TakenBack,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length in bytes; without any word of it there is no body.
    Length(u64),
    Chunked,
}

/// What a head says of its body and its host.
#[derive(Default)]
struct Said {
    hosts: usize,
    framings: Vec<Framing>,
}

/// Judges the raw head of an HTTP/1 request, from its request line to the empty line, and tells how its body ends.
///
/// # Errors
/// [`Ambiguous`]: nothing that follows on the connection can be trusted.
///
/// Source: RFC 9112 §2.2 (line ends), §3.2 (Host, target), §6.1 and §6.3 (length of the body), §11.2 (smuggling).
pub fn judge(head: &[u8]) -> Result<Framing, Ambiguous> {
    let mut lines = Lines(head);
    let request_line = lines.next().unwrap_or(Err(Ambiguous::BareBreak))?;
    judge_request_line(request_line)?;
    let mut said = Said::default();
    for line in lines {
        said.hear(line?)?;
    }
    // HTTP/1.0 knew no Host; where it would be needed it is asked for.
    if said.hosts == 0 && request_line.ends_with(b"1.1") {
        return Err(Ambiguous::NoHost);
    }
    match said.framings[..] {
        [] => Ok(Framing::Length(0)),
        [framing] => Ok(framing),
        _ => Err(Ambiguous::Lengths),
    }
}

/// Judges the headers of an HTTP/2 request, whose frames tell how long its body is: an upstream of HTTP/1.1 goes by what
/// they say of it. Source: RFC 9113 §8.1.1, §8.2.2.
///
/// # Errors
/// [`Ambiguous`].
pub fn judge_headers(headers: &HeaderMap) -> Result<(), Ambiguous> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Ambiguous::Coding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (Some(length), None) => read_length(length.as_bytes()).map(drop).ok_or(Ambiguous::Length),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(Ambiguous::Lengths),
    }
}

/// Refuses a line that is not three words: of a target with spaces or control characters in it, pingora makes a good one
/// by escapes. Source: RFC 9112 §3, §3.2.
fn judge_request_line(line: &[u8]) -> Result<(), Ambiguous> {
    let words = memchr::memchr_iter(b' ', line).count() + 1;
    let is_text = |byte: &u8| *byte != b'#' && !byte.is_ascii_control();
    if words == 3 && line.iter().all(is_text) { Ok(()) } else { Err(Ambiguous::RequestLine) }
}

// === impl Said ===

impl Said {
    fn hear(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("host") {
            self.hosts += 1;
        } else if is(CONTENT_LENGTH.as_str()) {
            self.framings.push(read_length(value.trim_ascii()).map(Framing::Length).ok_or(Ambiguous::Length)?);
        } else if is(TRANSFER_ENCODING.as_str()) {
            if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous::Coding);
            }
            self.framings.push(Framing::Chunked);
        }
        Ok(())
    }
}

fn read_length(digits: &[u8]) -> Option<u64> {
    let is_one = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    // Nineteen digits fit into 64 bits, whatever they are.
    is_one.then(|| digits.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// The lines of a head without their ends, up to the empty line.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Ambiguous>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (line, rest) = (self.0[..end].strip_suffix(b"\r"), &self.0[end + 1..]);
        self.0 = rest;
        let is_whole = |line: &&[u8]| memchr::memchr2(b'\r', b'\0', line).is_none();
        Some(line.filter(is_whole).ok_or(Ambiguous::BareBreak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_head_is_believed() {
        use Framing::{Chunked, Length};
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", Length(0)),
            ("GET /a%20b?c=%0A HTTP/1.1\r\nhost: h\r\nContent-Length:\t12 \r\n\r\n", Length(12)),
            ("POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\n\r\n", Chunked),
            ("GET / HTTP/1.0\r\n\r\n", Length(0)),
            ("GET /@a%2fb HTTP/1.1\r\nHost: h\r\nX-Content-Length: a\r\n\r\n", Length(0)),
            ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999999999\r\n\r\n", Length(9999999999999999999)),
        ] {
            assert_eq!(judge(head.as_bytes()), Ok(expected), "{head:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use Ambiguous::{BareBreak, Coding, Length, Lengths, NoHost, RequestLine};
        for (head, expected) in [
            ("GET / HTTP/1.1\nHost: h\r\n\r\n", BareBreak),
            ("GET / HTTP/1.1\r\nHost: h\r\n\n", BareBreak),
            ("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", BareBreak),
            ("GET / HTTP/1.1\r\nHost: h\0\r\n\r\n", BareBreak),
            ("GET /\x0b HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
            ("GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
            ("GET /a  HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
            ("GET\t/a HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
            ("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
            ("GET / HTTP/1.1\r\n\r\n", NoHost),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Lengths),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", Lengths),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", Length),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", Length),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", Length),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 00000000000000000001\r\n\r\n", Length),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Coding),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", Coding),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n", Coding),
        ] {
            assert_eq!(judge(head.as_bytes()), Err(expected), "{head:?}");
        }
    }

    #[test]
    fn a_length_beside_frames_is_one_or_none() {
        let judged = |values: &[(http::HeaderName, &str)]| {
            let headers = values.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            judge_headers(&HeaderMap::from_iter(headers))
        };
        assert_eq!(judged(&[]), Ok(()));
        assert_eq!(judged(&[(CONTENT_LENGTH, "11")]), Ok(()));
        assert_eq!(judged(&[(CONTENT_LENGTH, "11, 11")]), Err(Ambiguous::Length));
        assert_eq!(judged(&[(TRANSFER_ENCODING, "chunked")]), Err(Ambiguous::Coding));
        let mut twice = HeaderMap::new();
        for value in ["11", "11"] {
            twice.append(CONTENT_LENGTH, value.parse().unwrap());
        }
        assert_eq!(judge_headers(&twice), Err(Ambiguous::Lengths));
    }
}
