//! niso, read side: the list, versions, tags, archives, manifests, chunks. Contract: niso §1–5, §8.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET /v1/packages` | the upstream's list, filtered here | it parses: it carries no digest |
//! | `GET /v1/packages/{name}/versions` | the upstream's rows, one form printed | it parses, it is of that name |
//! | `GET /v1/packages/{name}/tags` | the upstream's tags, and `latest` | it parses |
//! | `GET /v1/packages/{name}/{version}/{arch}` | store, or upstream as it comes | length and SHA-256 from the versions; its own sums, name and version |
//! | `GET /v1/packages/{name}/latest/{arch}` | the same: what is latest is decided here | the same |
//! | `GET …/{version}/manifest` | cut from the proved archive | the same |
//! | `GET …/{version}/{arch}/chunks` | cut here, from the proved archive | the same |
//! | `GET /v1/chunks/{hash}` | part of an archive, else upstream | its name is its SHA-256 |
//! | `GET /health` | ourselves | |
//!
//! Archives may carry Ed25519 signatures; what they sign is not documented, and without a key that somebody trusts they
//! prove nothing, so they are passed on unread (contract niso §4).
//!
//! One request: [`routes::parse`] reads the path once into an action; the action names the handler, the cache key and
//! the label in the log; [`error`] is the one place where a fault becomes a status.

pub mod error;
mod fault;
pub mod first_seen;
pub mod name;
pub mod proofs;
pub mod replies;
pub mod routes;
#[cfg(test)]
mod samples;
pub mod sources;
pub mod vouch;
pub mod wire;
