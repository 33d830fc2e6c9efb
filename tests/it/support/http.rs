//! A raw HTTP/1.1 client that tells exactly what came and how it ended.
//!
//! [`Ask`] is a request, [`ask`] sends one on a connection of its own, [`Connection`] sends several, or raw bytes, or
//! leaves midway. Every wait is bounded: [`Ask::within`] is the longest silence borne, in any state.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::wire::{Ending, Framing, Head, Headers, Pace, Reading, Stream, Wire};

/// Longest wait for a whole answer, unless a request says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request, and how its answer is to be read.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    pub(super) reading: Reading,
    pub(super) patience: Duration,
    /// Bytes the kernel may hold for us; small ones make a slow reader felt.
    receive_buffer: Option<u32>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 0 when no head came.
    pub status: u16,
    pub headers: Headers,
    /// What came of the body, whole or not.
    pub body: Vec<u8>,
    pub ending: Ending,
    /// From the request's last byte to the end of the answer.
    pub took: Duration,
}

/// A connection that outlives a message.
pub struct Connection {
    wire: Wire,
}

// === impl Ask ===

impl Ask {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
            reading: Reading::default(),
            patience: PATIENCE,
            receive_buffer: None,
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::new("POST", target).header("content-length", &body.len().to_string()).body(body)
    }

    /// Sets the body alone: what announces it is up to the test.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Rests for `pause` after every `bytes` read.
    pub fn slowly(mut self, bytes: usize, pause: Duration) -> Self {
        self.reading.pace = Some(Pace { bytes, pause });
        self.receive_buffer = Some(16 * 1024);
        self
    }

    /// Goes away once so many body bytes came.
    pub fn leave_after(mut self, bytes: usize) -> Self {
        self.reading.abandon_after = Some(bytes);
        self
    }

    /// Waits at most so long for the whole answer.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut headers = self.headers.clone();
        if !headers.has("host") {
            headers.0.insert(0, ("host".to_owned(), host.to_string()));
        }
        let start = format!("{} {} HTTP/1.1", self.method, self.target);
        let mut bytes = Head { start, headers }.print().into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn none(ending: Ending, took: Duration) -> Self {
        Self { status: 0, headers: Headers::default(), body: Vec::new(), ending, took }
    }

    /// Tells whether a client would take this message for whole.
    pub fn completed(&self) -> bool {
        matches!(self.ending, Ending::Complete | Ending::ByClose)
    }

    /// Tells whether this is a whole 200 with exactly these bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.status == 200 && self.completed() && self.body == bytes
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.map_err(|error| format!("{error} in {}", self.summary())).expect("a body of JSON")
    }

    /// Tells whether `Cache-Status` has this member. Source: RFC 9211 §2.
    pub fn cache_says(&self, word: &str) -> bool {
        self.header("cache-status").is_some_and(|value| value.split(';').any(|part| part.trim() == word))
    }

    /// Splits a `multipart/byteranges` body into `Content-Range` and bytes. Source: RFC 9110 §14.6.
    pub fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let boundary =
            self.header("content-type").and_then(|value| value.split_once("boundary=")).map(|(_, name)| name);
        let boundary = format!("--{}", boundary.expect("a multipart body").trim_matches('"'));
        split(&self.body, boundary.as_bytes()).into_iter().filter_map(parse_part).collect()
    }

    /// Says in a line what came, for failure messages and tables.
    pub fn summary(&self) -> String {
        let start: String = self.text().chars().take(160).flat_map(char::escape_debug).collect();
        format!("{} {:?}, {} bytes, {:?}: {start}", self.status, self.ending, self.body.len(), self.took)
    }
}

// === impl Connection ===

impl Connection {
    /// Connects within 5 s.
    ///
    /// # Errors
    /// How the connection failed.
    pub async fn open(address: SocketAddr) -> Result<Self, Ending> {
        Self::open_with(address, None, None).await
    }

    /// Connects and shakes hands for TLS, within 5 s each.
    ///
    /// # Errors
    /// How either failed.
    pub async fn open_tls(address: SocketAddr, tls: &Arc<ClientConfig>) -> Result<Self, Ending> {
        Self::open_with(address, Some(tls), None).await
    }

    async fn open_with(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
        receive_buffer: Option<u32>,
    ) -> Result<Self, Ending> {
        let stream = within(connect(address, receive_buffer)).await?;
        Ok(Self { wire: Wire::new(within(Stream::connect(stream, tls)).await?) })
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, ask: &Ask) -> Answer {
        let host = self.wire.stream().peer_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 80)));
        self.send(&ask.bytes(host)).await;
        self.receive(ask).await
    }

    /// Sends bytes as they are. A peer that no longer listens is found out when its answer is read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.wire.write(bytes)).await;
    }

    /// Reads the answer to `ask`, which says what to expect and how to read it.
    pub async fn receive(&mut self, ask: &Ask) -> Answer {
        let start = Instant::now();
        let mut answer = Answer::none(Ending::Stalled, Duration::ZERO);
        if let Ok(ending) = timeout(ask.patience, self.read(ask, &mut answer)).await {
            answer.ending = ending;
        }
        answer.took = start.elapsed();
        answer
    }

    async fn read(&mut self, ask: &Ask, answer: &mut Answer) -> Ending {
        loop {
            let head = match self.wire.head().await {
                Ok(Some(head)) => head,
                Ok(None) => return Ending::Cut("no answer".into()),
                Err(ending) => return ending,
            };
            let Some(status) = status(&head.start) else { return Ending::Malformed(head.start) };
            if (100..200).contains(&status) {
                continue;
            }
            let framing = match head.framing(Framing::UntilClose) {
                _ if ask.method == "HEAD" || status == 204 || status == 304 => Framing::None,
                Ok(framing) => framing,
                Err(why) => return Ending::Malformed(why),
            };
            answer.status = status;
            answer.headers = head.headers;
            return self.wire.body(framing, ask.reading, &mut answer.body).await;
        }
    }

    /// Returns bytes that came after the last answer: there must be none.
    pub fn leftover(&self) -> &[u8] {
        self.wire.leftover()
    }

    /// Tells whether the peer closes within `patience`.
    pub async fn closes_within(&mut self, patience: Duration) -> bool {
        timeout(patience, self.wire.drain()).await.is_ok()
    }
}

/// Sends one request on a connection of its own.
pub async fn ask(address: SocketAddr, ask: &Ask) -> Answer {
    ask_over(address, None, ask).await
}

/// As [`ask`], over TLS where a client for it is given.
pub async fn ask_over(address: SocketAddr, tls: Option<&Arc<ClientConfig>>, ask: &Ask) -> Answer {
    match Connection::open_with(address, tls, ask.receive_buffer).await {
        Ok(mut connection) => connection.ask(ask).await,
        Err(ending) => Answer::none(ending, Duration::ZERO),
    }
}

async fn connect(address: SocketAddr, receive_buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    // Small requests must not wait for each other; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, Ending> {
    match timeout(Duration::from_secs(5), work).await {
        Ok(done) => done.map_err(|error| Ending::Cut(error.to_string())),
        Err(_) => Err(Ending::Stalled),
    }
}

fn status(start: &str) -> Option<u16> {
    let rest = start.strip_prefix("HTTP/1.")?;
    rest.get(2..5)?.parse().ok()
}

/// Reads a part, which ends with the line break that belongs to the next boundary; `None` for what is no part.
fn parse_part(part: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = part.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = Head::parse(&String::from_utf8_lossy(&part[..end]))?;
    Some((head.headers.get("content-range")?.to_owned(), part[end + 4..].strip_suffix(b"\r\n")?.to_vec()))
}

fn split<'a>(bytes: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(boundary.len()).position(|window| window == boundary) {
        parts.push(&rest[..at]);
        rest = &rest[at + boundary.len()..];
    }
    parts.push(rest);
    parts
}
