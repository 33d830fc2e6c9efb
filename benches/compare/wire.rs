//! As much of HTTP/1.1 as the bench's own origin and clients need: heads, whole bodies, one request at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

/// Longest silence of a server before a check gives up.
const SILENCE: Duration = Duration::from_secs(60);

/// A request's or a reply's first line and headers.
#[derive(Debug)]
pub struct Head {
    pub first: String,
    headers: Vec<(String, String)>,
}

/// A whole reply.
pub struct Answer {
    pub status: u16,
    pub head: Head,
    /// Without transfer coding, with content coding.
    pub body: Vec<u8>,
}

/// Reads one head; `None` when the peer closed before its first byte.
///
/// # Errors
/// The connection's, and a head that ends early.
pub fn read_head(input: &mut impl BufRead) -> Result<Option<Head>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut head = Head { first: line.trim_end().to_owned(), headers: Vec::new() };
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            bail!("the head ends early");
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(Some(head));
        }
        let (name, value) = text.split_once(':').context("a header without a colon")?;
        head.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Sends one request on a connection of its own and reads the whole reply.
///
/// # Errors
/// The connection's, and a reply that is not HTTP/1.1 or ends early.
pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(SILENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    read_answer(&mut BufReader::new(stream)).with_context(|| format!("{method} {path} at {address}"))
}

/// Fetches `path` and insists on status 200.
///
/// # Errors
/// Those of [`send`], and any other status.
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let answer = send(address, "GET", path, headers, b"")?;
    if answer.status != 200 {
        let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        bail!("{path} at {address} answered {}: {start}", answer.status);
    }
    Ok(answer)
}

/// Returns the SHA-256 of `bytes` as lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Prints bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_answer(input: &mut impl BufRead) -> Result<Answer> {
    let head = read_head(input)?.context("the server closed without a reply")?;
    let status = head.first.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
    let body = if head.get("transfer-encoding").is_some() {
        read_chunks(input)?
    } else if status == 304 || status == 204 {
        Vec::new()
    } else {
        read_sized(input, &head)?
    };
    Ok(Answer { status, head, body })
}

fn read_sized(input: &mut impl BufRead, head: &Head) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    match head.length() {
        Some(length) => {
            input.take(length).read_to_end(&mut body)?;
            if body.len() as u64 != length {
                bail!("{} of {length} bytes came", body.len());
            }
        }
        None => {
            input.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn read_chunks(input: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
        let start = body.len();
        body.resize(start + size, 0);
        input.read_exact(&mut body[start..])?;
        line.clear();
        input.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

// === impl Head ===

impl Head {
    /// Returns the first header called `name`, which is given in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns `Content-Length`.
    pub fn length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }

    /// Tells whether the peer takes, or gave, gzip.
    pub fn names_gzip(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.split(',').any(|coding| coding.trim().starts_with("gzip")))
    }
}

// === impl Answer ===

impl Answer {
    /// Returns the body without content coding.
    ///
    /// # Errors
    /// A body that says gzip and is not.
    pub fn plain(&self) -> Result<Vec<u8>> {
        if !self.head.names_gzip("content-encoding") {
            return Ok(self.body.clone());
        }
        let mut plain = Vec::new();
        GzDecoder::new(&self.body[..]).read_to_end(&mut plain).context("the body is not gzip")?;
        Ok(plain)
    }
}
