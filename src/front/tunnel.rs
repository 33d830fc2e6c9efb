//! A way through a proxy, for what is passed through over TLS: the proxy connects, and sees no more than where to.
//! pingora has one of its own, for proxies behind a local socket only.

use async_trait::async_trait;
use memchr::memmem;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::base::secret::Secret;

/// Longest head of a proxy's answer, in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// Asks a proxy to connect to an upstream. Source: RFC 9110 §9.3.6.
#[derive(Debug)]
pub struct Tunnel {
    /// Host and port, both always.
    pub to: String,
    /// What the proxy is shown.
    pub authorization: Option<Secret>,
}

// === impl Tunnel ===

#[async_trait]
impl L4Connect for Tunnel {
    /// Connects to the proxy at `address` and returns when it has connected to the upstream.
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(proxy) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectNoRoute, "a proxy has an IP address");
        };
        let mut stream = TcpStream::connect(proxy).await.or_err(ErrorType::ConnectError, "to the proxy")?;
        stream
            .write_all(self.question().as_bytes())
            .await
            .or_err(ErrorType::ConnectProxyFailure, "asking the proxy")?;
        let mut answer = Vec::new();
        loop {
            if let Some(read) = read_answer(&answer) {
                return read.map(|()| stream.into());
            }
            let came =
                stream.read_buf(&mut answer).await.or_err(ErrorType::ConnectProxyFailure, "hearing the proxy")?;
            if came == 0 || answer.len() > LONGEST_HEAD {
                return Error::e_explain(ErrorType::ConnectProxyFailure, "the proxy gives no answer");
            }
        }
    }
}

impl Tunnel {
    fn question(&self) -> String {
        let to = &self.to;
        let shown = self.authorization.as_ref().map(|secret| format!("Proxy-Authorization: {}\r\n", secret.reveal()));
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n", shown.unwrap_or_default())
    }
}

/// Reads what a proxy has answered so far; `None` while its head is not whole.
///
/// # Errors
/// It refuses, or says more than its turn is: over TLS the client speaks first.
fn read_answer(answer: &[u8]) -> Option<Result<()>> {
    let end = memmem::find(answer, b"\r\n\r\n")? + 4;
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
    Some(match status {
        Some(200..=299u16) if end == answer.len() => Ok(()),
        Some(200..=299) => Error::e_explain(ErrorType::ConnectProxyFailure, "the proxy speaks out of turn"),
        Some(status) => Error::e_explain(ErrorType::ConnectProxyFailure, format!("the proxy answers {status}")),
        None => Error::e_explain(ErrorType::ConnectProxyFailure, "the proxy speaks no HTTP"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_told_where_to_and_who_asks() {
        let mut tunnel = Tunnel { to: "registry.example:443".into(), authorization: None };
        assert_eq!(tunnel.question(), "CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n\r\n");
        tunnel.authorization = Some(Secret::new("Basic eA=="));
        assert!(tunnel.question().ends_with("\r\nProxy-Authorization: Basic eA==\r\n\r\n"));
    }

    #[test]
    fn an_answer_is_read_when_its_head_is_whole() {
        for (answer, expected) in [
            ("", None),
            ("HTTP/1.1 200 OK\r\nVia: x\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\n", Some(true)),
            ("HTTP/1.0 204\r\nVia: x\r\n\r\n", Some(true)),
            ("HTTP/1.1 200 OK\r\n\r\nx", Some(false)),
            ("HTTP/1.1 407 Who are you\r\n\r\n", Some(false)),
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1\r\n\r\nx", Some(false)),
            ("HTTP/1.1 100 Continue\r\n\r\n", Some(false)),
            ("HTTP/1.1 OK\r\n\r\n", Some(false)),
            ("SSH-2.0-x\r\n\r\n", Some(false)),
        ] {
            assert_eq!(read_answer(answer.as_bytes()).map(|read| read.is_ok()), expected, "{answer:?}");
        }
    }
}
