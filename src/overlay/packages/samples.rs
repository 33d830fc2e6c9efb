//! Packages for tests.

use std::time::SystemTime;

use super::{Edition, NewRelease, Package, Release, Replaces, SecondFactor};

/// A version 1.0.0 without any files.
pub const RELEASE: NewRelease<'_> = NewRelease {
    version: "1.0.0",
    variant: "",
    manifest: b"{}",
    publisher: None,
    files: Vec::new(),
    replaces: Replaces::Nothing,
};

/// Returns the package `x` of the mount `npm`, which belongs to nobody, with releases by version and manifest.
pub fn package(releases: &[(&str, &str)], tags: &[(&str, &str)]) -> Package {
    let now = SystemTime::UNIX_EPOCH;
    let release = |(version, manifest): &(&str, &str)| Release {
        version: (*version).to_owned(),
        variant: String::new(),
        manifest: manifest.as_bytes().to_vec(),
        publisher: None,
        published_at: now,
        modified_at: now,
        removed_at: None,
        files: Vec::new(),
    };
    Package {
        mount: "npm".to_owned(),
        name: "x".to_owned(),
        edition: Edition { revision: 1, stamp: 0 },
        is_restricted: false,
        second_factor: SecondFactor::Never,
        bindings: Vec::new(),
        created_at: now,
        modified_at: now,
        releases: releases.iter().map(release).collect(),
        tags: tags.iter().map(|(tag, version)| ((*tag).to_owned(), (*version).to_owned())).collect(),
        owners: Vec::new(),
        stars: Vec::new(),
    }
}
