//! What a client of files reads when something goes wrong: one plain sentence. What upstream answers, whatever its
//! status, is no error.

use std::sync::Arc;

use ::http::{HeaderValue, header};

use crate::base::http::Reply;
use crate::mirror;
use crate::registries::failure;

pub use crate::registries::failure::Error;

/// Tells why the engine has no answer. `what` was asked for. A transport fault is never an absence.
pub fn of_mirror(error: mirror::Error, what: &str) -> Error {
    match error {
        // A server's refusals are passed on; of what a mirror needs to prove a file, one is no answer.
        mirror::Error::Refused { .. } => Error::BadGateway { what: what.to_owned(), cause: Some(Arc::new(error)) },
        error => failure::of_mirror(error, what),
    }
}

/// Returns the answer: a line. `request_id` is shown where the fault is ours.
pub fn reply(error: &Error, request_id: &str) -> Reply {
    let line = format!("{}\n", error.sentence(request_id));
    let mut reply = Reply::bytes(error.status(), "text/plain; charset=utf-8", line);
    error.explain(&mut reply);
    reply.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::failure::{every, of_engine};

    #[test]
    fn every_error_has_its_status_and_is_one_sentence() {
        let told = every().into_iter().map(|error| {
            let reply = reply(&error, "r-1");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{error:?}");
            let body = reply.text();
            assert!(body.len() > 2 && body.lines().count() == 1 && !body.contains("secret detail"), "{body}");
            assert_eq!(body.contains("r-1"), error.is_ours(), "{body}");
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
        let status = |error| reply(&of_mirror(error, "a/b"), "r").status.as_u16();
        let refused = [502, 502, 502, 502];
        let others = [404, 404, 502, 403, 503, 504, 502, 502, 502, 502, 503, 504, 500, 500, 503, 500];
        assert_eq!(of_engine().into_iter().map(status).collect::<Vec<_>>(), [&refused[..], &others].concat());
    }

    #[test]
    fn what_a_client_can_do_about_it_stands_in_the_headers() {
        for (error, name, value) in
            [(Error::only("GET, HEAD"), "allow", "GET, HEAD"), (Error::TooMany, "retry-after", "1")]
        {
            assert_eq!(reply(&error, "r").header(name), Some(value), "{error:?}");
        }
    }
}
