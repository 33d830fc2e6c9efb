//! The old client, as strict as the real one: every answer is read by its rules, and one that breaks a rule fails the test.
//!
//! Source: contract nessemble §2; the numbers of the rules are the contract's.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for the next byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The client has room for this many headers, and this many bytes of each (W5).
const MOST_HEADERS: usize = 32;
const LONGEST_LINE: usize = 4096;
/// And for this many tokens of JSON (W9).
const MOST_TOKENS: usize = 128;

/// An answer that holds every rule.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One token of a document, as the client sees it: what is no text is only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Text(String),
    Other,
}

/// Sends one request as the client does, on a connection of its own, and reads the answer as it does.
pub async fn ask(address: SocketAddr, method: &str, target: &str) -> Answer {
    ask_with(address, method, target, "Accept: application/json\r\n").await
}

/// As [`ask`], with these header lines of its own.
pub async fn ask_with(address: SocketAddr, method: &str, target: &str, lines: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the mirror listens");
    let host = format!("Host: {address}\r\n");
    let request = format!("{method} {target} HTTP/1.1\r\nUser-Agent: nessemble/1.1.1\r\n{host}{lines}\r\n");
    stream.write_all(request.as_bytes()).await.expect("the mirror reads");
    let (head, rest) = read_head(&mut stream).await;
    let (status, headers) = check_head(method, &head);
    let mut answer = Answer { status, headers, body: rest };
    // What has no content has no length, and no body.
    let length = if matches!(status, 204 | 304) { 0 } else { answer.length() };
    if method == "HEAD" {
        read_nothing(&mut stream, &answer, length).await;
    } else {
        read_body(&mut stream, &mut answer, length).await;
    }
    answer
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("the client hangs").expect("a whole answer");
    buffer.truncate(read);
    buffer
}

/// Returns the head without its last empty line, and what has come of the body.
async fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end);
            return (String::from_utf8(bytes).expect("a head in ASCII"), rest);
        }
        let more = read(stream).await;
        assert!(!more.is_empty(), "the head was cut: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend(more);
    }
}

fn check_head(method: &str, head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.split("\r\n");
    let status = lines.next().expect("a status line");
    let mut words = status.splitn(3, ' ').map(str::to_owned);
    let [version, code, reason] = std::array::from_fn(|_| words.next().unwrap_or_default());
    assert!(version.starts_with("HTTP/1.") && !reason.trim().is_empty(), "W4, a reason phrase: {status:?}");
    let headers: Vec<_> = lines.map(check_header).collect();
    assert!(headers.len() <= MOST_HEADERS, "W5, {} headers: {head}", headers.len());
    let code: u16 = code.parse().expect("a status");
    check_framing(head, &headers, code);
    assert!(!(300..400).contains(&code) || code == 304, "W13, no redirects: {status}");
    assert!(method != "HEAD" || code != 200 || head.contains("\r\nConnection: close"), "W3, HEAD ends: {head}");
    (code, headers)
}

fn check_header(line: &str) -> (String, String) {
    assert!(line.len() < LONGEST_LINE, "W5, a line of {} bytes", line.len());
    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
    assert!(!value.is_empty() && !value.starts_with(' '), "W5 and W7, a value and one blank: {line:?}");
    // The client knows three; whoever spells these right by chance would not spell all of them.
    let titled = |part: &str| part.starts_with(|first: char| first.is_ascii_uppercase());
    assert!(name.split('-').all(titled), "W1, spelt as clients know it: {line:?}");
    (name.to_owned(), value.to_owned())
}

/// W2, W6, W13: a length that is found where the client looks for it, and bytes that are the content itself.
fn check_framing(head: &str, headers: &[(String, String)], status: u16) {
    let has = |name: &str| headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
    assert!(!has("transfer-encoding"), "W2, never chunked: {head}");
    assert!(!has("content-encoding"), "W13, no coding: {head}");
    let first = head.find("Content-Length");
    let line = head.find("\r\nContent-Length: ").map(|start| start + 2);
    assert!(line.is_some() || matches!(status, 204 | 304), "W1 and W2, a length: {head}");
    assert_eq!(first, line, "W6, nothing before the header reads like it: {head}");
}

/// W3: after the head of a HEAD, the connection ends and nothing comes.
async fn read_nothing(stream: &mut TcpStream, answer: &Answer, length: usize) {
    assert!(answer.body.is_empty(), "a body after a HEAD");
    if length > 0 {
        assert_eq!(answer.header("Connection"), Some("close"), "W3, {:?}", answer.headers);
        assert_eq!(read(stream).await, b"", "W3, the connection ends");
    }
}

/// W2: as many bytes as the length says, and no more.
async fn read_body(stream: &mut TcpStream, answer: &mut Answer, length: usize) {
    while answer.body.len() < length {
        let more = read(stream).await;
        assert!(!more.is_empty(), "W2, cut after {} of {length}", answer.body.len());
        answer.body.extend(more);
    }
    assert_eq!(answer.body.len(), length, "W2, more than its length");
}

// === impl Answer ===

impl Answer {
    /// Finds a header by its exact spelling (W1).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn length(&self) -> usize {
        self.header("Content-Length").and_then(|value| value.parse().ok()).expect("W1 and W2, a length")
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }

    /// Reads the tokens of a document (W9, W10). Texts are as they stand between their quotes.
    pub fn tokens(&self) -> Vec<Token> {
        assert_eq!(self.header("Content-Type"), Some("application/json"), "W8");
        let tokens = tokens(self.text());
        assert!(tokens.len() <= MOST_TOKENS, "W9, {} tokens: {}", tokens.len(), self.text());
        tokens
    }

    /// Finds a member as the client does: the token after the first text that reads so, at any depth (W11).
    pub fn find(&self, name: &str) -> String {
        let tokens = self.tokens();
        let place = tokens.iter().position(|token| *token == Token::Text(name.to_owned()));
        let next = place.and_then(|place| tokens.get(place + 1)).unwrap_or(&Token::Other);
        assert_ne!(*next, Token::Other, "W11, no text follows {name}: {}", self.text());
        next.text().to_owned()
    }

    /// Reads an error as the client prints it (W12).
    pub fn error(&self) -> String {
        let text = self.find("error");
        assert!(!text.contains('%') && text.len() < 200 && !text.contains("\\n"), "W12: {text:?}");
        text
    }
}

// === impl Token ===

impl Token {
    /// Returns a text; empty for what is none.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Other => "",
        }
    }
}

/// Cuts a document into what costs the client a token: each object, array, name and value.
fn tokens(document: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), document);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => {
                let end = end_of_text(rest);
                tokens.push(Token::Text(rest[1..end - 1].to_owned()));
                end
            }
            '{' | '[' => {
                tokens.push(Token::Other);
                1
            }
            '}' | ']' | ',' | ':' | ' ' | '\n' => 1,
            _ => {
                tokens.push(Token::Other);
                rest.find(['}', ']', ',', ' ', '\n']).unwrap_or(rest.len())
            }
        };
        rest = &rest[end..];
    }
    tokens
}

/// Returns where a text ends that starts with its quote.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    let closes = |(_, char): &(usize, char)| {
        let closes = *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        closes
    };
    text.char_indices().skip(1).find(closes).map(|(index, _)| index + 1).expect("a text that ends")
}

#[test]
fn tokens_are_counted_as_the_client_counts_them() {
    let text = |text: &str| Token::Text(text.to_owned());
    let found = tokens(r#"{"a": "b\"c", "n": [1, null], "o": {}}"#);
    let other = || Token::Other;
    let expected = [other(), text("a"), text(r#"b\"c"#), text("n"), other(), other(), other(), text("o"), other()];
    assert_eq!(found, expected);
}
