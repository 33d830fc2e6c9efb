//! Listings of trees of binaries, in all forms: whatever an upstream sends, each entry has a name that can be asked for, and
//! lies below its tree.
#![no_main]

use heliostat::registries::binaries::hosted::{self, Targets};
use heliostat::registries::binaries::listing::{Listing, MAX_ENTRIES, MAX_PATH, is_name, place_of, url_of};
use heliostat::registries::binaries::{bucket, index, releases};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|input: &[u8]| {
    let root: Url = "https://files.example/dist/".parse().expect("a constant is a URL");
    let Some((form, input)) = input.split_first() else { return };
    let mut listing = Listing::default();
    match (form % 4, str::from_utf8(input)) {
        (0, Ok(html)) => {
            for entry in index::parse(html, &root, "v1/") {
                assert!(entry.place.starts_with("v1/"), "{entry:?}");
                listing.add_entry("v1/", entry);
            }
        }
        (1, Ok(xml)) => {
            if let Ok(page) = bucket::parse(xml) {
                let next = bucket::query("v1/", page.next.as_ref());
                assert!(next.is_ascii() && !next.contains([' ', '#']), "{next}");
                page.add_to(&mut listing, "v1/", "v1/");
            }
        }
        (2, _) => drop(releases::parse(input, &root, &mut listing)),
        (3, _) => drop(hosted::parse(input, &targets(), &root, &mut listing)),
        _ => return,
    }
    check(listing, &root);
});

fn targets() -> Targets {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let (platforms, architectures) = (texts(&["darwin", "linux"]), texts(&["arm64", "x64"]));
    Targets { platforms, architectures, libcs: texts(&["glibc", "musl"]), abis: vec![115, 127] }
}

fn check(listing: Listing, root: &Url) {
    let directories = listing.into_directories();
    assert!(directories.iter().map(|(_, entries)| entries.len()).sum::<usize>() <= MAX_ENTRIES);
    for (path, entries) in &directories {
        assert!(path.is_empty() || path.ends_with('/'), "{path}");
        assert!(entries.is_sorted_by(|one, other| one.name < other.name), "a name is there twice");
        for entry in entries {
            assert!(is_name(&entry.name) && path.len() + entry.name.len() < MAX_PATH, "{entry:?}");
            assert!(entry.is_directory || url_of(&entry.place, root).is_some(), "{entry:?}");
            let url = url_of(&entry.place, root);
            let is_below = |url: &Url| entry.place.is_empty() || place_of(url, root).is_some();
            assert!(entry.is_directory || url.as_ref().is_some_and(is_below), "{entry:?}");
        }
    }
}
