//! What pages of other origins may read by way of a browser: whatever its visitor could. Source: Fetch standard §3.3,
//! contract npm §2.4.
//!
//! | answer | `Access-Control-Allow-Origin` | so it is read by |
//! |---|---|---|
//! | shown to everybody | the origin, with credentials | any page |
//! | a tarball, a file in one | `*` | any page |
//! | shown to some | `*` | pages that hold a token themselves, by none that would borrow the browser's credentials |
//! | an error | `*` | the same |
//! | to a write | none | no page |

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderValue, StatusCode};

use super::door::Readership;
use crate::base::http::{Reply, Request};
use crate::registries::paths::is_read;

/// What is said of what any page may read.
pub const ANYBODY: HeaderValue = HeaderValue::from_static("*");

/// `OPTIONS` on what can be read. What is asked for afterwards is judged then.
pub fn preflight(request: &Request<'_>, is_tarball: bool) -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    reply.set(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    // `*` would stand for all but `Authorization`.
    let headers = request.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    reply.set(ACCESS_CONTROL_ALLOW_HEADERS, headers.unwrap_or(HeaderValue::from_static("Authorization")));
    if is_tarball {
        reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    } else {
        reflect(&mut reply, request);
    }
    reply
}

/// Says which pages may read an answer. Tarballs and files have said so already.
pub fn allowed(mut reply: Reply, request: &Request<'_>, readership: Readership) -> Reply {
    let is_said = reply.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    match readership {
        _ if is_said || !is_read(request.method) => {}
        Readership::Everybody => reflect(&mut reply, request),
        Readership::Readers | Readership::This => reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY),
    }
    reply
}

/// Says which pages may read an error.
pub fn allowed_error(mut reply: Reply, request: &Request<'_>) -> Reply {
    if is_read(request.method) {
        reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    }
    reply
}

fn reflect(reply: &mut Reply, request: &Request<'_>) {
    // Where something is said already, the origin is part of it.
    if !reply.headers.contains_key(VARY) {
        reply.set(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = request.headers.get(ORIGIN) {
        reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        reply.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
