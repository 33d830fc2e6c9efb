//! Every error there is, for the tests of every dialect.

use std::io;
use std::sync::Arc;

use super::{Cause, Challenge, Error};
use crate::base::http::CacheState;
use crate::mirror;
use crate::mirror::verify::FIRST_SEEN;

/// The errors of the engine, each at least once.
pub fn of_engine() -> Vec<mirror::Error> {
    use mirror::Error as Engine;
    use mirror::verify::Broken;
    let host = || "registry.example".to_owned();
    let broken = |kind| Engine::Unproven(Broken { kind, detail: String::new() });
    let absent = |for_good| Engine::Absent { cache: CacheState::Hit, for_good };
    let refused = [401, 403, 451, 418].map(|status| Engine::Refused { status });
    let others = [
        absent(false),
        absent(true),
        broken("digest"),
        broken(FIRST_SEEN),
        Engine::Unreachable { host: host(), retry_after: None, cause: None },
        Engine::TimedOut { host: host() },
        Engine::Truncated { host: host(), cause: None },
        Engine::Senseless { host: host(), detail: "" },
        Engine::Forbidden { host: host(), reason: "" },
        Engine::TooLarge { limit: 1 },
        Engine::Offline,
        Engine::NotHeld,
        Engine::Broken { key: "k".into() },
        Engine::disk(io::Error::other("full")),
        Engine::unasked(io::Error::other("down")),
        Engine::Died,
    ];
    refused.into_iter().chain(others).collect()
}

/// The errors that a client may be told, each at least once; what lies behind them is secret.
pub fn every() -> Vec<Error> {
    let (what, cause) = (|| "left-pad".to_owned(), Some(Arc::new(io::Error::other("secret detail")) as Cause));
    vec![
        Error::bad_request("no"),
        Error::Unauthorized("no"),
        Error::Forbidden("no".into()),
        Error::NotFound { what: what(), cache: CacheState::Hit },
        Error::only("GET, HEAD"),
        Error::NotAcceptable("no"),
        Error::Gone { what: what(), cache: CacheState::Hit },
        Error::TooLarge,
        Error::TooMany,
        Error::Blocked { what: what() },
        Error::Barred { what: what(), reason: "it is evil".to_owned() },
        Error::Internal(cause.clone().expect("a cause")),
        Error::unknown_method(),
        Error::Unproven { what: what(), cause: cause.clone() },
        Error::BadGateway { what: what(), cause: cause.clone() },
        Error::Unreachable { what: what(), retry_after: None, cause: cause.clone() },
        Error::TimedOut { what: what(), cause },
        Error::NotHeld { what: what() },
        Error::Loop,
        Error::Conflict("no".into()),
        Error::Unprocessable("no".into()),
        Error::TooManyAttempts { seconds: 7 },
        Error::Unavailable(Arc::new(io::Error::other("secret detail"))),
        Error::Challenge(Challenge::Network),
        Error::NothingLeft { what: what(), reason: "it is evil".to_owned() },
    ]
}
