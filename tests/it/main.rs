//! Behaviours of the real process, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests are no part of the house, whose doors these lints hold")]

mod conformance;
mod crash;
mod engine;
mod faults;
mod files;
mod framing;
mod fullness;
mod harm;
mod herd;
mod hex;
mod house;
mod layers;
mod nessemble;
mod niso;
mod nodes;
mod npm;
mod process;
mod readiness;
mod sparing;
mod support;
mod sync;
mod tasks;
mod tls;
mod upgrade;
