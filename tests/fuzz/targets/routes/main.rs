//! Paths: whatever a client asks of any dialect, what is understood has one spelling that is understood the same, and
//! no part of it leads out of its place.
#![no_main]

use heliostat_fuzz::Asked;
use libfuzzer_sys::fuzz_target;

mod files;
mod hex;
mod nessemble;
mod niso;
mod npm;

fuzz_target!(|input: &str| {
    let Some(asked) = Asked::read(input) else { return };
    npm::check(&asked);
    hex::check(&asked);
    niso::check(&asked);
    nessemble::check(&asked);
    files::check(&asked);
});
