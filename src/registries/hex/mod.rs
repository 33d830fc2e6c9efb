//! Hex, read side: signed documents, tarballs, documentation, keys, builds of Hex itself. Contract: hex §1–3, §6, §7.4.
//!
//! `ROOT` is the mount, or `repos/NAME` below it for a repository that lives beside it.
//!
//! | request | answered from | proved by |
//! |---|---|---|
//! | `GET ROOT/names`, `ROOT/versions` | mirrored, byte for byte | the repository's signature; of this repository |
//! | `GET ROOT/packages/{name}` | the same | the same; of this name, each release once and with its checksums |
//! | `GET ROOT/policies/{name}` | the same | the same; of this name |
//! | `GET ROOT/tarballs/{name}-{version}.tar` | store, or upstream as it comes | outer checksum of the package's document; the inner one as well |
//! | `GET ROOT/docs/{name}-{version}.tar.gz` | mirrored | none exists: whole, well-formed, keeps to itself |
//! | `GET ROOT/public_key` | ourselves | pinned by the operator, or by its fingerprint when it is first fetched |
//! | `GET installs/{list}` | mirrored | the signature of Elixir's builds, where its key is known |
//! | `GET installs/{elixir}/{build}` | mirrored | its SHA-512 in the list |
//! | `GET registry.ets.gz`, `.signed` | mirrored | the repository's signature, from the file or a header |
//! | `api/…` | passed through | nothing is kept |
//!
//! What clients get is what was signed: a document is served as upstream's very bytes, never printed again and never
//! under a `Content-Encoding`. One request: [`routes::parse`] reads the path once into an action; the action names the
//! handler, the one path at the upstream and the label in the log; [`vouch`] says what must hold before it is kept;
//! [`error`] is the one place where a fault becomes a status.

pub mod error;
mod fault;
pub mod keys;
pub mod name;
pub mod proofs;
pub mod routes;
pub mod vouch;
pub mod wire;

#[cfg(test)]
mod tests;
