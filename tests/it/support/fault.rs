//! What can go wrong with an upstream, as a plan of what is done on the connection. Pure.

use std::time::Duration;

use bytes::Bytes;

use super::resource::{Resource, Response, Seen};
use super::wire::{Head, Pace};

/// Bytes of one chunk when the framing is chunked.
const CHUNK: usize = 16 * 1024;

/// One way to fail. Positions count bytes of the whole resource: a resumed range meets the fault at the same place.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Reads the request and says nothing.
    StallBeforeHead,
    StallAfter(usize),
    /// Closes before the head.
    CloseBeforeHead,
    /// Closes in good order after so many body bytes, whatever was promised.
    CutAt(usize),
    ResetBeforeHead,
    /// Resets the connection after so many body bytes.
    ResetAt(usize),
    Length(LengthLie),
    Drip(Pace),
    Status(u16),
    TooManyRequests {
        retry_after: u32,
    },
    /// This status, and this text as `Retry-After`.
    Later {
        status: u16,
        retry_after: String,
    },
    FlipBit {
        offset: usize,
        bit: u8,
    },
    /// Other bytes under the same name and validators.
    OtherBytes(Bytes),
    /// Another resource, with validators of its own.
    Replaced(Bytes),
    /// Something wrong with a part; whole answers are as they should be.
    Part(PartLie),
    /// A login page with status 200, as captive portals send.
    Html,
    /// 304, whatever was asked.
    NotModified,
    Redirect(String),
    RedirectLoop,
    /// Waits before the head.
    Latency(Duration),
    /// Sends at most so many body bytes a second.
    Bandwidth(usize),
    /// Sends what is no HTTP.
    Garbage,
}

/// What `Content-Length` says instead of the truth.
#[derive(Clone, Copy, Debug)]
pub enum LengthLie {
    Longer,
    Shorter,
    Absent,
    Garbage,
}

/// What comes in place of the part that was asked for.
#[derive(Clone, Copy, Debug)]
pub enum PartLie {
    /// The whole, as 200.
    Whole,
    /// The part, with no word of where it belongs.
    Placeless,
    /// The part, said to begin a byte later.
    OtherStart,
    /// The part, said to be of a longer whole.
    OtherLength,
    /// The start of the resource, said to be the part.
    OtherPlace,
    /// The part, with another entity tag.
    OtherTag,
    /// The start of the resource, said to be the part of one that was changed at another time.
    OtherDate,
    /// The part and ten bytes more.
    Longer,
    /// Nothing, as 416.
    Refused,
}

/// One thing done on a connection; after the last one it is kept alive.
#[derive(Clone, Debug)]
pub enum Step {
    Write(Bytes),
    Paced(Bytes, Pace),
    Sleep(Duration),
    /// Nothing more is said until the peer leaves.
    Stall,
    Close,
    Reset,
}

/// Decides how `seen` is answered.
pub fn plan(resource: &Resource, seen: &Seen, fault: Option<&Fault>) -> Vec<Step> {
    let Some(fault) = fault else { return send(&resource.respond(seen)) };
    if let Some(steps) = before_head(fault) {
        return steps;
    }
    if let Some(response) = instead(fault, seen) {
        return send(&response);
    }
    let mut response = match fault {
        Fault::OtherBytes(bytes) => Resource { body: bytes.clone(), gzip: None, ..resource.clone() }.respond(seen),
        Fault::Replaced(bytes) => Resource::artifact(bytes.clone()).respond(seen),
        _ => resource.respond(seen),
    };
    match fault {
        Fault::StallAfter(at) => broken(&response, *at, Step::Stall),
        Fault::CutAt(at) => broken(&response, *at, Step::Close),
        Fault::ResetAt(at) => broken(&response, *at, Step::Reset),
        Fault::Length(lie) => lying(response, *lie),
        Fault::Drip(pace) => paced(&response, *pace),
        Fault::Bandwidth(rate) => paced(&response, rate_pace(*rate)),
        Fault::Latency(pause) => [vec![Step::Sleep(*pause)], send(&response)].concat(),
        Fault::FlipBit { offset, bit } => {
            flip(&mut response, *offset, *bit);
            send(&response)
        }
        Fault::Part(lie) if response.status == 206 => {
            lie_about(&mut response, resource, *lie);
            send(&response)
        }
        _ => send(&response),
    }
}

/// Returns what is done by faults that never reach a head.
fn before_head(fault: &Fault) -> Option<Vec<Step>> {
    Some(match fault {
        Fault::StallBeforeHead => vec![Step::Stall],
        Fault::CloseBeforeHead => vec![Step::Close],
        Fault::ResetBeforeHead => vec![Step::Reset],
        Fault::Garbage => vec![Step::Write(Bytes::from_static(b"\x16\x03\x01 this is no HTTP\r\n\r\n")), Step::Close],
        _ => return None,
    })
}

/// Returns what is answered by faults that do not look at the resource.
fn instead(fault: &Fault, seen: &Seen) -> Option<Response> {
    let mut response = match fault {
        Fault::Status(status) => Response::plain(*status, "text/plain", "out of order"),
        Fault::TooManyRequests { .. } => Response::plain(429, "text/plain", "slow down"),
        Fault::Later { status, .. } => Response::plain(*status, "text/plain", "later"),
        Fault::Html => Response::plain(200, "text/html", "<!doctype html><title>Log in</title><p>Please log in."),
        Fault::NotModified => Response::plain(304, "text/plain", Bytes::new()),
        Fault::Redirect(_) | Fault::RedirectLoop => Response::plain(302, "text/plain", "elsewhere"),
        _ => return None,
    };
    match fault {
        Fault::TooManyRequests { retry_after } => response.headers.push("retry-after", retry_after),
        Fault::Later { retry_after, .. } => response.headers.push("retry-after", retry_after),
        Fault::Redirect(to) => response.headers.push("location", to),
        Fault::RedirectLoop => response.headers.push("location", format!("{}?round=again", seen.target)),
        _ => {}
    }
    response.head_only = seen.method == "HEAD";
    Some(response)
}

fn send(response: &Response) -> Vec<Step> {
    let mut steps = vec![head(response)];
    if !response.head_only && response.status != 304 {
        steps.push(Step::Write(framed(response, response.body.len(), true)));
    }
    steps
}

fn broken(response: &Response, at: usize, end: Step) -> Vec<Step> {
    let reached = at.saturating_sub(response.offset).min(response.body.len());
    let count = if response.head_only { 0 } else { reached };
    vec![head(response), Step::Write(framed(response, count, false)), end]
}

fn paced(response: &Response, pace: Pace) -> Vec<Step> {
    vec![head(response), Step::Paced(framed(response, response.body.len(), true), pace)]
}

/// Fifty pieces a second make a smooth enough flow.
fn rate_pace(rate: usize) -> Pace {
    Pace { bytes: (rate / 50).max(1), pause: Duration::from_millis(20) }
}

fn lying(mut response: Response, lie: LengthLie) -> Vec<Step> {
    let length = response.body.len();
    response.chunked = false;
    let mut steps = send(&response);
    let told = match lie {
        LengthLie::Longer => Some((length + 100).to_string()),
        LengthLie::Shorter => Some(length.saturating_sub(100).to_string()),
        LengthLie::Absent => None,
        LengthLie::Garbage => Some(format!("{length}x")),
    };
    steps[0] = Step::Write(print(&response, told).into());
    steps.push(Step::Close);
    steps
}

fn flip(response: &mut Response, offset: usize, bit: u8) {
    let mut bytes = response.body.to_vec();
    if let Some(byte) = offset.checked_sub(response.offset).and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << (bit % 8);
    }
    response.body = bytes.into();
}

fn lie_about(part: &mut Response, resource: &Resource, lie: PartLie) {
    let (offset, length, whole) = (part.offset, part.body.len(), &resource.body);
    let last = offset + length - 1;
    let mut place = Some(format!("bytes {offset}-{last}/{}", whole.len()));
    match lie {
        PartLie::Whole => {
            (part.status, part.offset, part.body) = (200, 0, whole.clone());
            place = None;
        }
        PartLie::Placeless => place = None,
        PartLie::OtherStart => place = Some(format!("bytes {}-{last}/{}", offset + 1, whole.len())),
        PartLie::OtherLength => place = Some(format!("bytes {offset}-{last}/{}", whole.len() + 1)),
        PartLie::OtherPlace => part.body = whole.slice(..length),
        PartLie::OtherTag => {
            part.headers.0.retain(|(name, _)| name != "etag");
            part.headers.push("etag", "\"another\"");
        }
        PartLie::OtherDate => {
            part.headers.0.retain(|(name, _)| name != "last-modified");
            part.headers.push("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT");
            part.body = whole.slice(..length);
        }
        PartLie::Longer => part.body = [part.body.as_ref(), b"0123456789"].concat().into(),
        PartLie::Refused => {
            (part.status, part.body) = (416, Bytes::new());
            place = Some(format!("bytes */{}", whole.len()));
        }
    }
    part.headers.0.retain(|(name, _)| name != "content-range");
    place.into_iter().for_each(|place| part.headers.push("content-range", place));
}

fn head(response: &Response) -> Step {
    let length = (!response.chunked && response.status != 304).then(|| response.body.len().to_string());
    Step::Write(print(response, length).into())
}

fn print(response: &Response, length: Option<String>) -> Vec<u8> {
    let mut headers = response.headers.clone();
    if response.chunked {
        headers.push("transfer-encoding", "chunked");
    } else if let Some(length) = length {
        headers.push("content-length", length);
    }
    if !headers.has("date") {
        headers.push("date", httpdate::fmt_http_date(std::time::SystemTime::now()));
    }
    Head { start: format!("HTTP/1.1 {} Whatever", response.status), headers }.print().into_bytes()
}

/// Returns the first `count` body bytes as they go on the wire, with the final chunk if `whole`.
fn framed(response: &Response, count: usize, whole: bool) -> Bytes {
    let body = response.body.slice(..count);
    if !response.chunked {
        return body;
    }
    let mut bytes = Vec::with_capacity(count + count / 512 + 64);
    for chunk in body.chunks(CHUNK) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    if whole {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    bytes.into()
}
