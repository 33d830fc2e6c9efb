//! What is to be brought up to its upstream.

pub mod wish;

pub use self::wish::Wish;
