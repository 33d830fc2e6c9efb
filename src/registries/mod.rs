//! The registries: one folder a dialect, the same files in each.
//!
//! A dialect turns a request into an action once (`routes.rs`), names what it wants of the mirror (`sources.rs`, with
//! the proofs of `proofs.rs`), and shapes what comes back (`merge.rs`, `wire.rs`). What they share is the engine and
//! [`crate::base::http::Handler`]; none of them imports another.

pub mod npm;
