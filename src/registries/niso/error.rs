//! What a niso client reads when something goes wrong.
//!
//! Clients read `{"error": "message"}`, for every failure (contract niso §1). What is our own fault is told as one plain
//! sentence and the request's id. A transport fault is never an absence.

use std::sync::Arc;

use ::http::{HeaderValue, header};

use super::{name, proofs, wire};
use crate::base::http::Reply;

pub use crate::registries::failure::{Error, of_mirror};

/// Methods of a path that is only read.
pub const ALLOW_READ: &str = "GET, HEAD";
/// Methods of a path that other registries write to, and that a mirror has no use for. Source: RFC 9110 §10.2.1.
pub const ALLOW_NONE: &str = "";

/// The request needs a key, and there are no users here.
pub const NO_USERS: Error = Error::Unauthorized("this mirror has no users: no key opens this");

/// Returns the answer in niso's shape. `request_id` is shown where the fault is ours.
pub fn reply(error: &Error, request_id: &str) -> Reply {
    let body = serde_json::json!({ "error": error.sentence(request_id) });
    let mut reply = Reply::bytes(error.status(), "application/json", body.to_string());
    error.explain(&mut reply);
    if let Error::Unauthorized(_) = error {
        reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

impl From<name::Error> for Error {
    fn from(error: name::Error) -> Self {
        Self::BadRequest(error.to_string().into())
    }
}

/// A document was proved before it was kept: one that cannot be read is our own fault.
impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        Self::Internal(Arc::new(error))
    }
}

/// An archive was proved before it was kept, too.
impl From<proofs::Error> for Error {
    fn from(error: proofs::Error) -> Self {
        Self::Internal(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::failure::{every, of_engine};

    #[test]
    fn every_error_has_its_status_and_one_member() {
        let told = every().into_iter().map(|error| {
            let reply = reply(&error, "r-1");
            assert_eq!(reply.header("content-type"), Some("application/json"), "{error:?}");
            let body: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
            assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"], "{error:?}");
            assert!(!body["error"].as_str().unwrap().is_empty(), "{error:?}");
            assert!(!body.to_string().contains("secret detail"), "{error:?}");
            reply.status.as_u16()
        });
        let expected = [
            400, 401, 403, 404, 405, 406, 410, 413, 429, 451, 451, 500, 501, 502, 502, 503, 504, 504, 508, 409, 422,
            429, 503, 401, 404,
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_error_of_the_engine_has_its_status() {
        let status = |error| reply(&of_mirror(error, "app"), "r").status.as_u16();
        let refused = [403, 403, 403, 502];
        let others = [404, 404, 502, 403, 503, 504, 502, 502, 502, 502, 503, 504, 500, 500, 503, 500];
        assert_eq!(of_engine().into_iter().map(status).collect::<Vec<_>>(), [&refused[..], &others].concat());
    }

    #[test]
    fn what_a_client_can_do_about_it_stands_in_the_headers() {
        for (error, name, value) in [
            (Error::only(ALLOW_READ), "allow", "GET, HEAD"),
            (Error::only(ALLOW_NONE), "allow", ""),
            (NO_USERS, "www-authenticate", "Bearer"),
            (Error::TooMany, "retry-after", "1"),
            (Error::not_found("app"), "cache-control", "no-cache"),
            (Error::TooLarge, "cache-control", "no-store"),
        ] {
            assert_eq!(reply(&error, "r").header(name), Some(value), "{error:?}");
        }
    }
}
