//! Mounts of files: what a shared cache must do, requirement by requirement, and what a mirror does beyond.

mod forwarding;
mod freshness;
mod mirror;
mod parts;
mod requests;
mod storing;
mod table;
mod unlisted;
mod unsafe_methods;
mod validation;
mod vary;
