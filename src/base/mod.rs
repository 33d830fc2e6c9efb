//! Words that every other part may use. Imports nothing of ours.

pub mod chain;
pub mod clock;
pub mod conditional;
pub mod cron;
pub mod digest;
pub mod fs;
pub mod http;
pub mod negotiate;
pub mod network;
pub mod roots;
pub mod secret;
pub mod threads;
