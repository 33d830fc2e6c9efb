//! nessemble, read side: the list, search, packages, READMEs, archives, the reference. Contract: nessemble §1–5, §7.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /` | every page of the upstream's list, sorted and cut here | each page parses: it carries no digest |
//! | `GET /search/{term}` | the same, searched here | the same |
//! | `GET /package/{title}` | the upstream's document: which version is meant is decided here | it parses, it is of that title |
//! | `GET /package/{title}/{version}` | the same, of that version | the same; it is of that version |
//! | `GET …/data` | store, or upstream as it comes | `shasum` of the versioned document; its files, title and version |
//! | `GET …/README` | `README.md` of the proved archive | the same |
//! | `GET /reference/…` | mirrored | it is text |
//! | `GET /status` | ourselves | |
//!
//! All of it below `/v1` too. The only client is a C program with an HTTP reader and a JSON reader of its own, both with
//! little room: what an answer must look like for it stands in [`replies`] and `wire/budget.rs`.
//!
//! One request: [`rate`] counts it; [`routes::parse`] reads the path once into an action; the action names the handler,
//! the cache key and the label in the log; [`error`] is the one place where a fault becomes a status; [`replies::dress`]
//! adds what every answer says.

pub mod error;
mod fault;
pub mod first_seen;
pub mod name;
pub mod proofs;
pub mod rate;
pub mod replies;
pub mod routes;
#[cfg(test)]
mod samples;
pub mod sources;
pub mod vouch;
pub mod wire;
