//! nessemble's documents: whatever an upstream sends, what is printed is JSON that reads as the same again, and that the
//! old client has room for.
#![no_main]

use heliostat::registries::nessemble::name::{Title, Version};
use heliostat::registries::nessemble::routes::Page;
use heliostat::registries::nessemble::wire::{
    Links, Listed, MAX_TOKENS, Package, Reader, merge, parse_package, parse_page, print_package, print_page,
    print_results, search, with_shasum,
};
use heliostat_fuzz::{assert_plain, cut, json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const BASE: &str = "http://mirror.example/nessemble";
const SHASUM: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

fuzz_target!(|input: &[u8]| {
    let (document, term) = cut(input);
    if let Ok(page) = parse_page(document) {
        check_list(&merge([page]), str::from_utf8(term).ok());
    }
    let title = Title::parse("tool").expect("a constant is a title");
    if let Ok(package) = parse_package(document, &title, None) {
        check_package(&package);
        let changed = with_shasum(document, SHASUM).expect("what was read is an object");
        json(&changed);
        let read = parse_package(&changed, &title, Some(&package.version)).expect("nothing else was changed");
        let shasum = package.shasum.as_ref().map(|_| SHASUM.to_owned());
        assert!(read.shasum == shasum || read.shasum.as_deref() == Some(SHASUM));
        assert_eq!(Package { shasum: package.shasum.clone(), ..read }, package);
        let other = Version::parse("9.9.9-other").expect("a version");
        assert!(package.version == other || parse_package(document, &title, Some(&other)).is_err());
    }
});

fn check_package(package: &Package) {
    assert!(package.versions.contains_key(&package.version));
    assert!(package.versions.contains_key(package.default_version()));
    let print = |package: &Package, reader| {
        let mut printed = Vec::new();
        let links = Links { base: BASE, is_exact: true };
        print_package(package, &links, reader, &mut printed).expect("memory takes it");
        printed
    };
    let printed = print(package, Reader::Any);
    let again = parse_package(&printed, &package.title, Some(&package.version)).expect("what is printed can be read");
    // A date of the version itself stands for one that the document has not.
    assert_eq!((&again.tags, &again.shasum), (&package.tags, &package.shasum));
    assert_eq!(printed, print(&again, Reader::Any));
    let old = print(package, Reader::Old);
    let value: Value = serde_json::from_slice(&old).expect("what is printed is JSON");
    assert!(tokens(&value) <= MAX_TOKENS, "{} tokens", tokens(&value));
    assert!(value["versions"].get(package.version.as_str()).is_some(), "the version itself is told");
    assert_eq!(value["resource"], format!("{BASE}/package/tool/{}/data", package.version));
}

fn check_list(packages: &[Listed], term: Option<&str>) {
    assert!(packages.is_sorted_by(|one, other| one.title < other.title), "a title is there twice");
    packages.iter().for_each(|listed| assert_plain(listed.title.as_str()));
    let mut printed = Vec::new();
    let page = Page { size: 1000, ..Page::default() };
    print_page(packages, &page, BASE, &mut printed).expect("memory takes it");
    let again = parse_page(&printed).expect("what is printed can be read");
    assert_eq!(again.packages, packages.iter().take(1000).cloned().collect::<Vec<_>>());
    assert_eq!(again.next.is_some(), packages.len() > 1000);
    let found = search(packages, term);
    for reader in [Reader::Old, Reader::Any] {
        let mut printed = Vec::new();
        print_results(term, &found, BASE, reader, &mut printed).expect("memory takes it");
        let value: Value = serde_json::from_slice(&printed).expect("what is printed is JSON");
        let results = value["results"].as_array().expect("there are results");
        assert!(reader == Reader::Any || tokens(&value) <= MAX_TOKENS, "{} tokens", tokens(&value));
        assert!(reader == Reader::Old || results.len() == found.len());
        assert_eq!(results.is_empty(), found.is_empty(), "the best match is told");
    }
}

/// Counts as the old client does: each object, array, name and value. Source: contract nessemble §2, W9.
fn tokens(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(tokens).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(|value| 1 + tokens(value)).sum::<usize>(),
        _ => 1,
    }
}
