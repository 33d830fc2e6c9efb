//! A thousand clients at once: each counts what it gets and throws it away, some take its SHA-256.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::random::hex;

/// What a client reads at once at most, in bytes.
const PIECE: usize = 64 * 1024;
/// Connections being opened at a time, so that no queue of the kernel overflows.
const OPENING: usize = 64;
/// Longest wait of one client.
const PATIENCE: Duration = Duration::from_secs(120);
/// Every so many clients, one that hashes.
const SAMPLE: usize = 50;

/// What came to one client.
#[derive(Debug, Default)]
pub struct Came {
    pub status: u16,
    /// What the head promised.
    pub length: Option<u64>,
    pub bytes: u64,
    /// In hexadecimal; of some clients only.
    pub sha256: Option<String>,
    /// From the request to the last byte.
    pub took: Duration,
    /// Why it ended early.
    pub fault: Option<String>,
}

/// Lets this process and those it starts open as many files as the machine allows.
pub fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum, anybody may");
}

/// Has `count` clients ask for `path` at the same moment, on a connection each.
pub async fn ask(address: SocketAddr, path: &str, count: usize) -> Vec<Came> {
    let (door, start) = (Arc::new(Semaphore::new(OPENING)), Arc::new(Barrier::new(count)));
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut clients = JoinSet::new();
    for index in 0..count {
        let (door, start, request) = (Arc::clone(&door), Arc::clone(&start), request.clone());
        clients.spawn(async move {
            let stream = {
                let _turn = door.acquire().await;
                TcpStream::connect(address).await
            };
            start.wait().await;
            let begun = Instant::now();
            let mut came = Came { sha256: None, ..Came::default() };
            let read = async { take(stream?, &request, index.is_multiple_of(SAMPLE), &mut came).await };
            came.fault = match timeout(PATIENCE, read).await {
                Ok(ended) => ended.err().map(|error| error.to_string()),
                Err(_) => Some("nothing more came".into()),
            };
            came.took = begun.elapsed();
            came
        });
    }
    clients.join_all().await
}

/// Sends a request and takes its answer, whose end is told by its length.
async fn take(mut stream: TcpStream, request: &str, hashing: bool, came: &mut Came) -> std::io::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; PIECE];
    let (head, mut filled) = head(&mut stream, &mut buffer).await?;
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    came.status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    came.length = length.and_then(|length| length.trim().parse().ok());
    let mut hash = Sha256::new();
    let mut start = head;
    loop {
        came.bytes += (filled - start) as u64;
        if hashing {
            hash.update(&buffer[start..filled]);
        }
        if came.length.is_some_and(|length| came.bytes >= length) {
            break;
        }
        (start, filled) = (0, stream.read(&mut buffer).await?);
        if filled == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    came.sha256 = hashing.then(|| hex(&hash.finalize()));
    Ok(())
}

/// Reads until a head is whole; returns where it ends, and how much was read.
async fn head(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<(usize, usize)> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok((end + 4, filled));
        }
    }
}
