//! Heliostat: a caching mirror for package registries that proves every byte before it keeps it.
//!
//! # The house
//!
//! ```text
//! main → cli → app → { front, hooks, sync, web } → registries → { mirror, overlay } → { config, telemetry } → base
//! ```
//!
//! | part | what for |
//! |---|---|
//! | [`base`] | words that everyone may use: requests and replies, conditions and ranges, digests, files, secrets |
//! | [`config`] | one section a part; every mistake listed at once |
//! | [`telemetry`] | logs, metrics, health |
//! | [`mirror`] | the engine: fetch once, prove, keep, serve; knows no registry |
//! | [`overlay`] | what was written here, for good: users, tokens, published packages, blocks |
//! | [`registries`] | one folder a dialect, the same files in each |
//! | [`front`] | pingora: listeners, mounts, replies as bytes, passthrough; knows no registry |
//! | [`hooks`] | tells webhooks of what is published here |
//! | [`sync`] | brings packages up to their upstreams without waiting to be asked |
//! | [`web`] | what the server says of itself: start screen, pages, incidents, metrics, health |
//! | `app` | builds every part once and mounts it; the only part that knows them all |
//! | [`cli`] | a file a command |
//!
//! Imports go along the arrows, never against them and never sideways: no registry imports another, and `front` sees a
//! table of handlers. Each dependency has one door: pingora in `front`, reqwest in `mirror/fetch`, cacache and
//! SQLite in `mirror/store`, all other SQL in `overlay/db`, files in `base/fs`. `tests/it/layers.rs` holds all of this.
//!
//! # One request
//!
//! `GET /npm/left-pad/-/left-pad-1.3.0.tgz`, not kept yet:
//!
//! 1. `front/proxy.rs` finds the mount `/npm` and hands its handler a [`base::http::Request`].
//! 2. `registries/npm/routes` reads the path once into an action: the tarball of `left-pad`, version `1.3.0`. What
//!    is no name or no version ends here, and upstream is never asked.
//! 3. `registries/npm/artifacts.rs` does not find the tarball in the store, so `release.rs` has the version described:
//!    by the package's document where that is held, or else by what upstream says of this version alone, if that proves
//!    as much. Both come from the mirror: fetched and proved, or found.
//! 4. `registries/npm/vouch.rs` makes proofs of what the description promises, and `sources` names a
//!    [`mirror::Resource`]: key, URL, proofs.
//! 5. [`mirror::Mirror::artifact`] boards the fill of that key. Whoever comes first starts it; all ride along.
//! 6. `mirror/fetch` asks upstream, within the egress rules. `mirror/download.rs` writes what comes to a temporary
//!    file, hashes it, and tells the riders of each block, but for the last 16 KiB.
//! 7. `mirror/verify.rs` finds that the digest is the promised one, and `mirror/first_seen.rs` holds it to the first that
//!    was ever seen, or remembers it as that. Then the rest is handed out, and `mirror/store` moves the file to its place
//!    and adds the row. Had either failed, every connection would have been cut, nothing kept, and an incident listed.
//! 8. `front/delivery.rs` has been writing all the while; `front/proxy.rs` logs one line.
//!
//! Asked again, the request ends at step 3 with a look into memory.

mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod front;
pub mod hooks;
pub mod mirror;
pub mod overlay;
pub mod registries;
pub mod sync;
pub mod telemetry;
pub mod web;
