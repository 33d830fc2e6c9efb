//! Heliostat: a caching mirror that proves what it keeps.

pub mod base;
pub mod config;
pub mod front;
pub mod mirror;
pub mod telemetry;
