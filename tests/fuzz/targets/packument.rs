//! Packuments: whatever an upstream sends as one, what is made of it is JSON, every link in it leads here, and each
//! version is found where the index says.
#![no_main]

use std::collections::HashMap;

use heliostat::registries::npm::name::PackageName;
use heliostat::registries::npm::wire::{self, Dists, Sinks};
use heliostat_fuzz::json;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

const BASE: &str = "http://mirror.example/npm";

struct Forms {
    full: Vec<u8>,
    abbreviated: Vec<u8>,
    index: Vec<u8>,
}

fuzz_target!(|document: &[u8]| {
    for name in ["tool", "@acme/tool"] {
        let name = PackageName::parse(name).expect("a constant is a name");
        let checked = wire::check(document, &name).ok();
        let prepared = prepare(document, &name);
        assert_eq!(checked.is_some(), prepared.is_some(), "what is proved can be served");
        let Some(forms) = prepared else { continue };
        json(document);
        check_form(&forms.full);
        check_form(&forms.abbreviated);
        check_index(document, &forms);
        check_again(&forms, &name);
        check_united(document, &name);
        let dists = Dists::parse(document, &name).expect("what is proved can be read");
        assert_eq!(dists.with(&[]), document);
    }
});

fn prepare(document: &[u8], name: &PackageName) -> Option<Forms> {
    let mut forms = Forms { full: Vec::new(), abbreviated: Vec::new(), index: Vec::new() };
    let Forms { full, abbreviated, index } = &mut forms;
    wire::prepare(document, name, BASE, Sinks { full, abbreviated, index }).ok()?;
    Some(forms)
}

type Members<'a> = HashMap<String, &'a RawValue>;

/// Returns an object's members; `None` for what is none, and where a key is half a character, which no client can read.
fn members(text: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(text.get()).ok()
}

fn check_form(form: &[u8]) {
    let Some(whole) = members(json(form)) else { return };
    members(whole["dist-tags"]);
    let versions = members(whole["versions"]).unwrap_or_default();
    for version in versions.values().copied().filter_map(members) {
        let Some(dist) = version.get("dist").copied().and_then(members) else { continue };
        let attestations = dist.get("attestations").copied().and_then(members).unwrap_or_default();
        for link in [dist.get("tarball"), attestations.get("url")].into_iter().flatten() {
            if !link.get().starts_with('"') {
                continue;
            }
            let link: String = serde_json::from_str(link.get()).expect("a link that is printed is text");
            let rest = link.strip_prefix(BASE).unwrap_or_else(|| panic!("{link} leads elsewhere"));
            assert!(rest.starts_with('/'), "{link} leads elsewhere");
        }
    }
}

/// Holds that each line of the index finds its version, and that it is a manifest in each form.
fn check_index(document: &[u8], forms: &Forms) {
    let mut earlier = None;
    for line in wire::versions(&forms.index) {
        assert!(earlier < Some(line.version), "the index is not sorted");
        earlier = Some(line.version);
        assert_eq!(wire::find_version(&forms.index, line.version).as_ref(), Some(&line));
        let places = [(document, &line.original), (&forms.full, &line.full), (&forms.abbreviated, &line.abbreviated)];
        for (form, place) in places {
            let manifest = &form[place.start as usize..place.end as usize];
            assert!(json(manifest).get().starts_with('{'));
        }
        let manifest = &document[line.original.start as usize..line.original.end as usize];
        let dist = wire::find_dist(manifest).expect("a version that is proved has one");
        // What it says may still be of the wrong type.
        let _ = wire::parse_dist(dist);
    }
    for (tag, version) in wire::tags(&forms.index) {
        assert_eq!(wire::find_tag(&forms.index, tag), Some(version));
    }
}

/// Holds that what was published here can be served over it, wherever a client can read it.
fn check_united(document: &[u8], name: &PackageName) {
    let ours = r#"{"_rev":"1-a","dist-tags":{"acme":"1.0.0-acme"},"versions":{"1.0.0-acme":{"dist":{}}},"time":{}}"#;
    let Ok(united) = wire::unite(document, ours.as_bytes()) else { return };
    let forms = prepare(&united, name).expect("what is united can be served");
    assert!(wire::find_version(&forms.index, "1.0.0-acme").is_some());
}

/// Holds that a mirror of this mirror would serve the same.
fn check_again(forms: &Forms, name: &PackageName) {
    let again = prepare(&forms.full, name).expect("what is served is a packument");
    assert!(again.full == forms.full, "{}", String::from_utf8_lossy(&again.full));
    assert!(again.abbreviated == forms.abbreviated, "{}", String::from_utf8_lossy(&again.abbreviated));
}
