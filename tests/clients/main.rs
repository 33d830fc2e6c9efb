//! Real package clients against a running Heliostat: what they accept is what counts.
//!
//! [`tools`] installs the pinned clients once, [`mirror`] starts the server under test, [`sandbox`] gives each run of a
//! client a home and a cache of its own. [`installs`] uses the registry this machine's npm is configured with, whatever
//! it lacks; [`full`] uses our own upstream, which has everything the contract knows. [`rebar3`] is the machine's own, with
//! Hex repositories of ours; [`gleam`] asks them by Gleam's own crate. [`cache_suite`] is no client of a registry, but asks all
//! that the public suite of tests for HTTP caches asks. [`publishing`] has Heliostat be the registry, [`sharing`]
//! one with organisations and packages that not everybody sees; [`accounts`] has users log in to one, and answers what
//! their clients ask by [`dialogue`]; [`cnpm`] does all of that its own way. [`publishers`] has clients other than npm
//! publish, [`provenance`] npm with what a build says, [`merged`] over upstream's names, [`rush`] many at once, and [`hooks`]
//! has others hear of it.
//!
//! Without npm or rebar3 on the machine their tests skip aloud; with `CI=true` they fail instead.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests run programs and make their own files")]

mod accounts;
mod cache_suite;
mod client;
mod cnpm;
mod dialogue;
mod full;
mod gleam;
mod hooks;
mod installs;
mod lockfile;
mod merged;
mod mirror;
mod modules;
mod project;
mod provenance;
mod publishers;
mod publishing;
mod rebar3;
mod run;
mod rush;
mod sandbox;
mod sharing;
mod tools;

// The raw client and the fake registries of tests/it; what they themselves promise is tested there.
#[expect(dead_code, reason = "tests/it uses the rest")]
#[path = "../it/support"]
mod support {
    pub mod backends;
    pub mod fault;
    pub mod heliostat;
    pub mod hex;
    pub mod http;
    pub mod packages;
    pub mod random;
    pub mod registry;
    pub mod resource;
    #[path = "../../../src/overlay/db/compliance/server.rs"]
    pub mod server;
    pub mod signing;
    #[path = "../../../src/overlay/db/compliance/store.rs"]
    pub mod store;
    pub mod tarball;
    pub mod tls;
    pub mod totp;
    pub mod upstream;
    pub mod wire;
}
