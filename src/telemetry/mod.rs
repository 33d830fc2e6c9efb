//! What an operator sees from outside: log lines, numbers, and whether the server is well.

pub mod health;
pub mod log;
pub mod metrics;
mod sink;
