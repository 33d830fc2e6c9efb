//! pingora's errors in the words of our log and our metrics.

use pingora::{Error, ErrorType};

/// Prints an error and what caused it, down to the first.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    // pingora has printed its own causes, and of ours the uppermost.
    let mut deepest: &dyn std::error::Error = error.root_cause();
    while let Some(source) = deepest.source() {
        text.push_str(": ");
        text.push_str(&source.to_string());
        deepest = source;
    }
    text
}

/// Names a fault of an upstream for metrics.
pub fn kind(error: &ErrorType) -> &'static str {
    match error {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => "timeout",
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => "tls",
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::SocketError => "connect",
        _ => "broken",
    }
}
