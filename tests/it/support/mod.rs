//! What every behaviour test stands on: a raw client, a registry that lies on demand, and the real process between them.
//!
//! [`http`] and [`streams`] speak to the process and tell how each message ended; [`upstream`] serves resources with
//! [`fault`]s on order; [`registry`] makes an npm registry of it, [`hex`] a Hex repository, [`niso`] and [`nessemble`]
//! theirs; [`heliostat`] starts, stops, kills and measures the process; [`tls`] makes certificates for either, and
//! [`proxy`] stands between them. [`backends`] are the servers that several nodes share.

pub mod audit;
pub mod backends;
pub mod beside;
pub mod crowd;
pub mod fault;
pub mod heliostat;
pub mod hex;
pub mod http;
pub mod nessemble;
pub mod niso;
pub mod packages;
pub mod pins;
pub mod proxy;
pub mod random;
pub mod registry;
pub mod resource;
#[path = "../../../src/overlay/db/compliance/server.rs"]
pub mod server;
pub mod shared;
pub mod signing;
#[path = "../../../src/overlay/db/compliance/store.rs"]
pub mod store;
pub mod streams;
pub mod tarball;
pub mod tls;
pub mod totp;
pub mod upstream;
pub mod wire;

#[cfg(test)]
mod tests;
