//! Faces clients: listens, speaks HTTP/1.1 and HTTP/2, finds the mount, and writes what its handler answers. The only
//! part that knows pingora, and it knows no registry.
//!
//! A request's way: [`server`] accepts the connection → `proxy` reads the [`target`] and finds the mount in [`mounts`] →
//! the mount's `Handler` answers → `reply` decides what of that the client is due → `delivery` writes it. What a handler
//! wants passed through goes on as a `passage` instead.

mod along;
mod body;
mod chunks;
mod cork;
mod crowd;
mod delivery;
mod ending;
mod fault;
pub mod forwarded;
mod frames;
mod framing;
mod hand_over;
pub mod limits;
pub mod mounts;
mod part;
mod passage;
pub mod patience;
mod proxy;
mod reply;
mod screen;
pub mod server;
pub mod target;
pub mod tls;
mod tunnel;
mod visit;
