//! The registry that stands behind every peer: npm's shapes, validators, a gzip form, and a brake for the slow objects.
//!
//! It runs as a process of its own (the bench binary, started again), so that its memory and time are nobody else's.
//! `/NAME` and `/NAME/-/NAME-1.0.0.tgz` are the packages of `fixtures`, `/hex/…` and `/files/…` what `trees` has.
//! `/twin/NAME` answers the bytes that were put there: what Heliostat serves, so that the other caches serve the same.
//! `/-/origin/…` steers and asks.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::fixtures;
use crate::process::Process;
use crate::trees;
use crate::wire::{self, Head, sha256};

/// The argument that makes the bench binary an origin.
pub const ROLE: &str = "--as-origin";
/// Bytes a second that a slow object comes at.
pub const SLOW_RATE: u64 = 10_000_000;

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const LAST_MODIFIED: &str = "Tue, 03 Feb 2026 04:05:06 GMT";
/// What is written between two looks at the clock while the brake is on, in bytes.
const PACE_STEP: usize = 50_000;

/// A running origin.
pub struct Origin {
    pub address: SocketAddr,
    _process: Process,
}

/// One stored body with the headers that go with it.
struct Stored {
    content_type: String,
    encoding: Option<&'static str>,
    etag: String,
    body: Vec<u8>,
}

#[derive(Default)]
struct State {
    base: String,
    stored: HashMap<String, Arc<Stored>>,
    changes: HashMap<String, u32>,
    counts: HashMap<String, u64>,
}

type Shared = Arc<Mutex<State>>;

/// Serves until the process is stopped; prints the port on the standard output first.
///
/// # Errors
/// Only when no port can be had.
pub fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let state = Arc::new(Mutex::new(State { base: format!("http://{address}"), ..State::default() }));
    println!("{}", address.port());
    for stream in listener.incoming() {
        let (stream, state) = (stream?, state.clone());
        // A client that leaves in the middle is an ordinary end of a connection here.
        thread::spawn(move || serve_connection(stream, &state).ok());
    }
    Ok(())
}

fn serve_connection(stream: TcpStream, state: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(head) = wire::read_head(&mut input)? {
        let mut words = head.first.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().context("a request without a target")?;
        let path = target.split('?').next().unwrap_or_default();
        if let Some(order) = path.strip_prefix("/-/origin/") {
            steer(order, &head, &mut input, &mut output, state)?;
        } else {
            *lock(state).counts.entry(format!("{method} {path}")).or_default() += 1;
            answer(method, path, &head, &mut output, state)?;
        }
    }
    Ok(())
}

fn steer(order: &str, head: &Head, input: &mut impl BufRead, output: &mut TcpStream, state: &Shared) -> Result<()> {
    let mut body = vec![0; head.length().unwrap_or(0) as usize];
    input.read_exact(&mut body)?;
    let reply = match order.split_once('/').context("an order without an object")? {
        ("twin", name) => {
            let content_type = head.get("content-type").context("a twin without a type")?;
            let encoding = head.names_gzip("content-encoding").then_some("gzip");
            let twin = Arc::new(Stored::new(content_type, encoding, body));
            lock(state).stored.insert(format!("/twin/{name}"), twin);
            String::new()
        }
        ("change", name) => change(name, state)?,
        ("count", "") => lock(state).counts.values().sum::<u64>().to_string(),
        ("count", path) => lock(state).counts.get(&format!("GET /{path}")).copied().unwrap_or(0).to_string(),
        ("forget", name) => {
            lock(state).stored.retain(|key, _| !is_of(key, name));
            String::new()
        }
        (unknown, _) => bail!("no order {unknown}"),
    };
    write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{reply}", reply.len())?;
    Ok(())
}

/// Releases one more version of a package and returns its ETag.
fn change(name: &str, state: &Shared) -> Result<String> {
    let key = format!("/{name} full gzip");
    let mut held = lock(state);
    *held.changes.entry(name.to_owned()).or_default() += 1;
    held.stored.retain(|key, _| !is_of(key, name));
    drop(held);
    prepare(name, state)?;
    let held = lock(state);
    Ok(held.stored.get(&key).context("no such package")?.etag.clone())
}

/// Tells whether a stored body belongs to the package `name`.
fn is_of(key: &str, name: &str) -> bool {
    key.strip_prefix('/').and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with([' ', '/']))
}

fn answer(method: &str, path: &str, head: &Head, output: &mut TcpStream, state: &Shared) -> Result<()> {
    let Some(found) = find(path, head, state)? else {
        let body = "{\"error\":\"not_found\",\"reason\":\"not found\"}";
        let length = body.len();
        write!(
            output,
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        return Ok(());
    };
    let unchanged = head.get("if-none-match").is_some_and(|tags| tags.contains(&found.etag));
    let status = if unchanged { "304 Not Modified" } else { "200 OK" };
    write!(output, "HTTP/1.1 {status}\r\n{}\r\n", found.headers(unchanged))?;
    if unchanged || method == "HEAD" {
        return Ok(());
    }
    let slow = path[1..].starts_with(fixtures::SLOW_PREFIX) && path.contains("/-/");
    if slow {
        write_braked(output, &found.body)?
    } else {
        output.write_all(&found.body)?
    }
    Ok(())
}

/// Finds what a path and its `Accept` headers stand for; documents and tarballs are made when first asked for.
fn find(path: &str, head: &Head, state: &Shared) -> Result<Option<Arc<Stored>>> {
    if path.starts_with("/twin/") {
        return Ok(lock(state).stored.get(path).cloned());
    }
    if path.starts_with(&format!("{}/", trees::HEX)) || path.starts_with(&format!("{}/", trees::FILES)) {
        return find_in_trees(path, state);
    }
    let name = path[1..].split('/').next().unwrap_or_default();
    if name.is_empty() || name == "-" {
        return Ok(None);
    }
    let key = if path == fixtures::tarball_path(name) {
        path.to_owned()
    } else if path.len() == name.len() + 1 {
        let form = if head.get("accept").is_some_and(|accept| accept.contains(ABBREVIATED)) { "short" } else { "full" };
        let coding = if head.names_gzip("accept-encoding") { "gzip" } else { "identity" };
        format!("{path} {form} {coding}")
    } else {
        return Ok(None);
    };
    let known = lock(state).stored.contains_key(&key);
    if !known {
        prepare(name, state)?;
    }
    Ok(lock(state).stored.get(&key).cloned())
}

fn find_in_trees(path: &str, state: &Shared) -> Result<Option<Arc<Stored>>> {
    let known = lock(state).stored.get(path).cloned();
    if known.is_some() {
        return Ok(known);
    }
    let Some((content_type, body)) = trees::find(path)? else { return Ok(None) };
    let made = Arc::new(Stored::new(content_type, None, body));
    lock(state).stored.insert(path.to_owned(), made.clone());
    Ok(Some(made))
}

/// Makes every form of a package, without holding the lock meanwhile.
fn prepare(name: &str, state: &Shared) -> Result<()> {
    let (base, changes) = {
        let held = lock(state);
        (held.base.clone(), held.changes.get(name).copied().unwrap_or(0))
    };
    let Some(document) = fixtures::document(name, &base, changes) else { return Ok(()) };
    let mut made = Vec::new();
    for (form, content_type, body) in
        [("full", "application/json", document.full), ("short", ABBREVIATED, document.abbreviated)]
    {
        let squeezed = fixtures::gzip(&body)?;
        made.push((format!("/{name} {form} gzip"), Stored::new(content_type, Some("gzip"), squeezed)));
        made.push((format!("/{name} {form} identity"), Stored::new(content_type, None, body)));
    }
    if let Some(bytes) = fixtures::tarball(name) {
        made.push((fixtures::tarball_path(name), Stored::new("application/octet-stream", None, bytes)));
    }
    lock(state).stored.extend(made.into_iter().map(|(key, stored)| (key, Arc::new(stored))));
    Ok(())
}

fn write_braked(output: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let start = Instant::now();
    for (index, step) in body.chunks(PACE_STEP).enumerate() {
        let due = Duration::from_secs_f64(((index + 1) * PACE_STEP) as f64 / SLOW_RATE as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
        output.write_all(step)?;
    }
    Ok(())
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Stored ===

impl Stored {
    fn new(content_type: &str, encoding: Option<&'static str>, body: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", &sha256(&body)[..32]);
        Self { content_type: content_type.to_owned(), encoding, etag, body }
    }

    fn headers(&self, unchanged: bool) -> String {
        let mut text = format!(
            "Content-Type: {}\r\nETag: {}\r\nLast-Modified: {LAST_MODIFIED}\r\nCache-Control: public, max-age=3600\r\n\
             Accept-Ranges: bytes\r\n",
            self.content_type, self.etag
        );
        if let Some(encoding) = self.encoding {
            text.push_str(&format!("Content-Encoding: {encoding}\r\n"));
        }
        if !unchanged {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text
    }
}

// === impl Origin ===

impl Origin {
    /// Starts an origin on the load's core.
    ///
    /// # Errors
    /// When the process cannot be started or says no port.
    pub fn start(work: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ROLE);
        let (process, output) = Process::start_piped("origin", crate::process::LOAD_CORE, &command, work)?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port: u16 = line.trim().parse().context("the origin said no port")?;
        Ok(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _process: process })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `/twin/NAME` answer these bytes.
    ///
    /// # Errors
    /// The connection's.
    pub fn put_twin(&self, name: &str, answer: &wire::Answer) -> Result<()> {
        let mut headers = vec![("Content-Type", answer.head.get("content-type").context("a body without a type")?)];
        headers.extend(answer.head.get("content-encoding").map(|coding| ("Content-Encoding", coding)));
        self.order("PUT", &format!("twin/{name}"), &headers, &answer.body).map(drop)
    }

    /// Releases one more version of a package.
    ///
    /// # Errors
    /// The connection's.
    pub fn change(&self, name: &str) -> Result<()> {
        self.order("POST", &format!("change/{name}"), &[], b"").map(drop)
    }

    /// Drops the bodies of a package that will not be asked for again.
    ///
    /// # Errors
    /// The connection's.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.order("POST", &format!("forget/{name}"), &[], b"").map(drop)
    }

    /// Returns how many requests there were for anything.
    ///
    /// # Errors
    /// The connection's.
    pub fn requests(&self) -> Result<u64> {
        self.count("/")
    }

    /// Returns how often `path` was asked for with GET.
    ///
    /// # Errors
    /// The connection's.
    pub fn count(&self, path: &str) -> Result<u64> {
        let answer = self.order("GET", &format!("count{path}"), &[], b"")?;
        String::from_utf8(answer)?.parse().context("the origin said no count")
    }

    fn order(&self, method: &str, order: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Vec<u8>> {
        let answer = wire::send(self.address, method, &format!("/-/origin/{order}"), headers, body)?;
        if answer.status != 200 {
            bail!("the origin answered {} to {order}", answer.status);
        }
        Ok(answer.body)
    }
}
