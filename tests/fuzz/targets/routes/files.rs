use heliostat::config::Files;
use heliostat::registries::files::routes::{Action, parse};
use heliostat_fuzz::{Asked, assert_below};

pub fn check(asked: &Asked<'_>) {
    let rules = Files {
        methods: ["GET", "HEAD", "PUT"].map(str::to_owned).to_vec(),
        checksums: Some("SHASUMS256.txt".to_owned()),
        ..Files::default()
    };
    let Ok(action) = parse(&asked.method, asked.path, asked.query, &rules) else { return };
    let (Action::File(place) | Action::Sums(place) | Action::Forward(place)) = &action;
    let mut parts: Vec<&str> = place.path.split('/').collect();
    // Empty for a directory.
    assert_eq!(parts.pop(), Some(place.name()));
    assert!(!parts.iter().chain([&place.name()]).any(|part| matches!(*part, "." | "..")), "{place:?}");
    assert!(!parts.contains(&"") && !place.path.contains(['\\', '?', '#']), "{place:?}");
    let has_hidden = |escape: &str| place.path.to_ascii_uppercase().contains(escape);
    assert!(!["%2F", "%5C", "%2E", "%00"].into_iter().any(has_hidden), "{place:?}");
    assert_below(&place.path);
    assert_eq!(parse(&asked.method, &place.path, &place.query, &rules).ok(), Some(action.clone()), "{place:?}");
    let beside = place.beside("SHASUMS256.txt");
    assert_eq!(parse(&"GET".parse().expect("a method"), &beside.path, "", &rules).ok(), Some(Action::Sums(beside)));
}
