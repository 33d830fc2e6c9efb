//! Sends a request of the corpus with an innocent one behind it, and judges what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::http::{Answer, Ask, Connection};
use crate::support::wire::Ending;

use super::case::May::{Answer as Answered, Both, Refuse};
use super::case::{Case, Route};

/// Nothing may take longer: the limits of the server under test are a few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Whole,
    /// In three parts, so that no reader finds all of it at once.
    InParts,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It and the one behind it were answered.
    AllAnswered,
    /// It was answered, and the connection closed.
    Answered,
    /// It was refused, and the connection closed.
    Refused,
    /// It was refused, and the one behind it answered.
    RefusedAlone,
    /// The connection was closed without an answer.
    Closed,
}

/// Sends a case and its probe of that number.
///
/// # Errors
/// What is wrong with the answers.
pub async fn exchange(address: SocketAddr, case: &Case, number: usize, manner: Manner) -> Result<Outcome, String> {
    let mut connection = Connection::open(address).await.map_err(|ending| format!("{ending:?}"))?;
    let bytes = [&case.bytes[..], probe(case.route, number).as_bytes()].concat();
    match manner {
        Manner::Whole => connection.send(&bytes).await,
        Manner::InParts => {
            for part in bytes.chunks(bytes.len() / 3 + 1) {
                connection.send(part).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
    judge(case, number, &read(&mut connection, case).await?)
}

fn probe(route: Route, number: usize) -> String {
    let target = format!("/files/tree/probe-{number}");
    let (method, body) = if route == Route::Passed { ("POST", "probe") } else { ("GET", "") };
    let length = body.len();
    let lines = if body.is_empty() { String::new() } else { format!("Content-Length: {length}\r\n") };
    format!("{method} {target} HTTP/1.1\r\nHost: mirror.example\r\n{lines}Connection: close\r\n\r\n{body}")
}

/// Reads answers until the peer closes.
async fn read(connection: &mut Connection, case: &Case) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    loop {
        let is_head = answers.is_empty() && case.bytes.starts_with(b"HEAD ");
        let ask = if is_head { Ask::head("/") } else { Ask::get("/") };
        let answer = connection.receive(&ask.within(PATIENCE)).await;
        match &answer.ending {
            Ending::Complete | Ending::ByClose if answers.len() < 3 => answers.push(answer),
            Ending::Cut(_) if answer.status == 0 => return Ok(answers),
            _ => return Err(format!("after {} answers: {}", answers.len(), answer.summary())),
        }
    }
}

fn judge(case: &Case, number: usize, answers: &[Answer]) -> Result<Outcome, String> {
    let said = || answers.iter().map(Answer::summary).collect::<Vec<_>>().join("; ");
    let [first, rest @ ..] = answers else {
        return if case.may == Answered { Err("closed without an answer".to_owned()) } else { Ok(Outcome::Closed) };
    };
    let is_refused = (400..600).contains(&first.status);
    let is_right = match case.may {
        Refuse => is_refused && rest.is_empty(),
        Answered if case.route == Route::Read => first.status == 200 && first.text() == "{}",
        Answered => first.status == 200 && first.text() == expected(case),
        Both if case.route == Route::Passed => is_refused || first.text() == expected(case),
        Both => is_refused || is_innocent(first),
    };
    let probe_is_right = match rest {
        [] => true,
        [answer] => answer.status == 200 && answer.text() == expected_of_probe(case.route, number),
        _ => false,
    };
    match (is_right && probe_is_right, is_refused, rest.is_empty()) {
        (false, ..) => Err(said()),
        (true, true, true) => Ok(Outcome::Refused),
        (true, true, false) => Ok(Outcome::RefusedAlone),
        (true, false, true) => Ok(Outcome::Answered),
        (true, false, false) => Ok(Outcome::AllAnswered),
    }
}

fn is_innocent(answer: &Answer) -> bool {
    let text = answer.text();
    !text.contains("smuggled") && !text.contains("probe-")
}

/// What the upstream says of the request that it sees.
fn expected(case: &Case) -> String {
    let method = case.bytes.trim_ascii_start().split(|byte| *byte == b' ').next().unwrap_or_default();
    match case.route {
        Route::Passed => format!("{} /passed {}", String::from_utf8_lossy(method), case.body),
        Route::Kept | Route::Read => "GET /kept ".to_owned(),
    }
}

fn expected_of_probe(route: Route, number: usize) -> String {
    match route {
        Route::Passed => format!("POST /probe-{number} probe"),
        Route::Kept | Route::Read => format!("GET /probe-{number} "),
    }
}
