//! niso's documents: whatever an upstream sends, what is printed is JSON that reads as the same again. An input is one
//! document, or versions and tags with a NUL between.
#![no_main]

use heliostat::registries::niso::name::{PackageName, Spec};
use heliostat::registries::niso::routes::Filter;
use heliostat::registries::niso::wire::{
    Tags, Versions, parse_list, parse_tags, parse_versions, print_list, print_tags, print_versions,
};
use heliostat_fuzz::{assert_plain, cut, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (one, other) = cut(input);
    check_list(one);
    let name = PackageName::parse("@acme/app").expect("a constant is a name");
    let Ok(versions) = parse_versions(one, &name) else { return };
    check_versions(&versions);
    if let Ok(tags) = parse_tags(other) {
        check_tags(&tags, &versions);
    }
});

fn check_list(document: &[u8]) {
    let Ok(packages) = parse_list(document) else { return };
    assert!(packages.is_sorted_by(|one, other| one.name < other.name), "a name is there twice");
    let print = |filter: &Filter| print_list(&packages).expect("memory takes it").select(filter, |_, _| false);
    let printed = print(&Filter::default());
    json(&printed);
    let again = parse_list(&printed).expect("what is printed can be read");
    let twice = print_list(&again).expect("memory takes it").select(&Filter::default(), |_, _| false);
    assert_eq!(printed, twice);
    let part = print(&Filter { text: "a".to_owned(), limit: Some(1), offset: 1 });
    assert!(parse_list(&part).expect("what is printed can be read").len() <= 1);
    packages.iter().for_each(|package| assert_plain(package.name.as_str()));
}

fn check_versions(versions: &Versions<'_>) {
    let order =
        |row: &heliostat::registries::niso::wire::Row<'_>| (std::cmp::Reverse(row.version.clone()), row.arch.clone());
    assert!(versions.rows.is_sorted_by(|one, other| order(one) < order(other)), "a row is there twice");
    let print = |versions: &Versions<'_>| {
        let mut printed = Vec::new();
        print_versions(versions, &mut printed).expect("memory takes it");
        printed
    };
    let printed = print(versions);
    json(&printed);
    let again = parse_versions(&printed, &versions.name).expect("what is printed can be read");
    assert_eq!(printed, print(&again));
    let provable: Vec<_> = versions.rows.iter().filter(|row| row.checksum.is_some()).collect();
    assert_eq!(again.rows.len(), provable.len());
    for (row, printed) in provable.iter().zip(&again.rows) {
        assert_eq!((&row.version, &row.arch, row.size), (&printed.version, &printed.arch, printed.size));
        assert_eq!(row.checksum, printed.checksum);
        assert!(versions.has(&row.version) && versions.find(&row.version, &row.arch).is_some());
    }
    let latest = versions.latest(None);
    assert_eq!(latest.is_some(), !provable.is_empty());
    let is_release = |row: &heliostat::registries::niso::wire::Row<'_>| !row.version.is_prerelease();
    assert!(latest.is_none_or(|latest| is_release(latest) || !provable.iter().any(|row| is_release(row))));
}

fn check_tags(tags: &Tags<'_>, versions: &Versions<'_>) {
    let mut printed = Vec::new();
    print_tags(tags, versions, &mut printed).expect("memory takes it");
    json(&printed);
    let again = parse_tags(&printed).expect("what is printed can be read");
    let mut twice = Vec::new();
    print_tags(&again, versions, &mut twice).expect("memory takes it");
    assert_eq!(printed, twice);
    let Ok(Spec::Tag(latest)) = Spec::parse("latest") else { panic!("latest is a tag") };
    let tagged = again.version(&latest);
    assert_eq!(tagged.is_some(), versions.latest(None).is_some(), "latest is there while a version is");
    assert!(tagged.is_none_or(|version| versions.has(version)));
}
