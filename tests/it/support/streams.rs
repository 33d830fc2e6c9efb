//! A client of HTTP/2 that tells how each stream ended: many requests at once on one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response, Uri, Version};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http::{Answer, Ask};
use super::wire::{Ending, Headers, Stream};

/// How much the peer may send ahead on one stream, in bytes; the connection takes more, so that no stream waits for
/// another.
const WINDOW: u32 = 256 * 1024;

/// Longest wait for the peer to take one more request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection. Cloning its sender makes no new one.
pub struct Streams {
    address: SocketAddr,
    sender: SendRequest<Bytes>,
    /// How the connection ended.
    ended: JoinHandle<Result<(), h2::Error>>,
}

// === impl Streams ===

impl Streams {
    /// Connects, agrees on HTTP/2 in the handshake of TLS, and says hello.
    pub async fn open(address: SocketAddr, tls: &Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect(address).await.expect("somebody listens");
        tcp.set_nodelay(true).expect("a socket takes this option");
        let Stream::Tls(stream) = Stream::connect(tcp, Some(tls)).await.expect("both speak TLS") else {
            unreachable!("TLS was asked for")
        };
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "HTTP/2 was agreed on");
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(32 * WINDOW);
        let (sender, connection) = builder.handshake(stream).await.expect("both speak HTTP/2");
        Self { address, sender, ended: tokio::spawn(connection) }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.ask(&Ask::get(target)).await
    }

    /// Sends a request on a stream of its own and reads its answer.
    pub async fn ask(&self, ask: &Ask) -> Answer {
        let start = Instant::now();
        let mut answer = Answer::none(Ending::Stalled, Duration::ZERO);
        match timeout(ask.patience, self.exchange(ask, &mut answer)).await {
            Ok(Ok(())) => answer.ending = Ending::Complete,
            Ok(Err(ending)) => answer.ending = ending,
            Err(_) => {}
        }
        answer.took = start.elapsed();
        answer
    }

    /// Begins up to `count` requests, some at a time, and takes them back; returns how many there were when the peer had
    /// enough.
    pub async fn take_back(self, target: &str, count: usize) -> usize {
        const AT_ONCE: usize = 50;
        for begun in (0..count).step_by(AT_ONCE) {
            let mut streams = Vec::new();
            for _ in 0..AT_ONCE {
                let Ok(Ok(mut sender)) = timeout(PATIENCE, self.sender.clone().ready()).await else { return begun };
                let Ok(stream) = sender.send_request(self.request(&Ask::get(target)), false) else { return begun };
                streams.push(stream);
            }
            // What is taken back at once is never sent.
            tokio::time::sleep(Duration::from_millis(1)).await;
            for (_, body) in &mut streams {
                body.send_reset(h2::Reason::CANCEL);
            }
        }
        count
    }

    async fn exchange(&self, ask: &Ask, answer: &mut Answer) -> Result<(), Ending> {
        let mut sender = self.sender.clone().ready().await.map_err(ending)?;
        let sent = sender.send_request(self.request(ask), ask.body.is_empty());
        let (response, mut body) = sent.map_err(ending)?;
        if !ask.body.is_empty() {
            body.send_data(Bytes::from(ask.body.clone()), true).map_err(ending)?;
        }
        self.read(ask, response.await.map_err(ending)?, answer).await
    }

    fn request(&self, ask: &Ask) -> Request<()> {
        let uri =
            Uri::builder().scheme("https").authority(self.address.to_string()).path_and_query(ask.target.as_str());
        let request = Request::builder().version(Version::HTTP_2).method(ask.method.as_str());
        let request = request.uri(uri.build().expect("a target of a request"));
        let headers = ask.headers.0.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        request.body(()).expect("headers of a request")
    }

    async fn read(&self, ask: &Ask, response: Response<h2::RecvStream>, answer: &mut Answer) -> Result<(), Ending> {
        let (head, mut body) = response.into_parts();
        answer.status = head.status.as_u16();
        answer.headers = Headers::default();
        for (name, value) in &head.headers {
            answer.headers.push(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        while let Some(bytes) = body.data().await {
            let bytes = bytes.map_err(ending)?;
            answer.body.extend_from_slice(&bytes);
            if ask.reading.abandon_after.is_some_and(|enough| answer.body.len() >= enough) {
                return Err(Ending::Abandoned);
            }
            if let Some(pace) = ask.reading.pace {
                // As long as the bytes are not given back, the peer may not send as many more.
                tokio::time::sleep(pace.pause.mul_f64(bytes.len() as f64 / pace.bytes as f64)).await;
            }
            body.flow_control().release_capacity(bytes.len()).map_err(ending)?;
        }
        Ok(())
    }

    /// Lets go of the connection, and waits until both sides have ended it in good order.
    pub async fn close(self, patience: Duration) -> Result<(), Ending> {
        drop(self.sender);
        match timeout(patience, self.ended).await {
            Ok(ended) => ended.expect("the connection's task").map_err(ending),
            Err(_) => Err(Ending::Stalled),
        }
    }
}

/// Tells a stream that the peer gave up from a connection that broke.
fn ending(error: h2::Error) -> Ending {
    match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => Ending::Reset(format!("{reason:?}")),
        _ => Ending::Cut(error.to_string()),
    }
}
