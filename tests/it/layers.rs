//! Holds the house's walls: who may import whom, one door for each dependency, and no file too long to be read.
//!
//! `main → cli → app → { front, hooks, web, sync, bundle } → registries → { mirror, overlay } → { config, telemetry } → base`

mod source;

use std::fs;
use std::path::{Path, PathBuf};

use self::source::{Named, paths};

/// The storeys, from the top. Who shares one has never met.
const STOREYS: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["app"],
    &["front", "hooks", "web", "sync", "bundle"],
    &["registries"],
    &["mirror", "overlay"],
    &["config", "telemetry"],
    &["base"],
];

/// Arrows that point down and are none all the same: `app` hands `front` a table of handlers.
const CLOSED: [(&str, &str); 1] = [("front", "registries")];

/// Dependencies, and the files that are their doors. A path ends in `/` for all files below it.
const DOORS: [(&str, &[&str]); 21] = [
    ("pingora", &["front/"]),
    ("reqwest", &["mirror/fetch/"]),
    ("cacache", &["mirror/store/"]),
    ("rusqlite", &["mirror/store/"]),
    ("moka", &["mirror/store/"]),
    ("sea_orm", &["overlay/db/"]),
    ("sqlx", &["overlay/db/"]),
    ("object_store", &["overlay/blobs.rs"]),
    ("argon2", &["overlay/passwords.rs"]),
    ("rustls_native_certs", &["base/roots.rs"]),
    ("toml", &["config/", "registries/niso/wire/manifest.rs"]),
    ("clap", &["cli/", "main.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("quick_xml", &["registries/binaries/bucket.rs"]),
    ("prost", &["registries/hex/samples.rs", "registries/hex/wire/"]),
    (
        "tar",
        &[
            "registries/hex/samples.rs",
            "registries/nessemble/samples.rs",
            "registries/niso/samples.rs",
            "registries/untar/",
        ],
    ),
    (
        "ring",
        &["hooks/sign.rs", "overlay/totp.rs", "overlay/vault.rs", "registries/hex/keys/", "registries/hex/samples.rs"],
    ),
    ("cronexpr", &["base/cron.rs"]),
    ("std::fs", &["base/fs/"]),
    ("tokio::fs", &["base/fs/"]),
    ("std::process::Command", &["registries/npm/sources/discover/"]),
];

const LONGEST_FILE: usize = 400;

/// One source file, its path from `src/`.
struct File {
    path: String,
    text: String,
}

#[test]
fn no_arrow_points_up_or_sideways() {
    let wrong: Vec<_> = files().iter().flat_map(wrong_arrows).collect();
    assert!(wrong.is_empty(), "imports against the order of the house:\n{}", wrong.join("\n"));
}

#[test]
fn every_dependency_has_its_one_door() {
    let wrong: Vec<_> = files().iter().flat_map(wrong_doors).collect();
    assert!(wrong.is_empty(), "dependencies used past their door:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let length = |file: &File| file.text.lines().count();
    let long: Vec<_> =
        files().iter().filter(|file| length(file) > LONGEST_FILE).map(|file| file.path.clone()).collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines: {long:?}");
}

/// Names each path of a file that leads to a part it may not know.
fn wrong_arrows(file: &File) -> Vec<String> {
    let from = module_of(&file.path);
    let wrong = |named: &&Named| target(&from, named).is_some_and(|to| !may_import(&from, &to));
    named(file).iter().filter(wrong).map(|named| describe(file, named)).collect()
}

/// Names each path of a file that uses a dependency whose door is elsewhere.
fn wrong_doors(file: &File) -> Vec<String> {
    let wrong = |named: &&Named| {
        DOORS
            .iter()
            .any(|(dependency, doors)| uses(named, dependency) && !doors.iter().any(|door| is_door(door, &file.path)))
    };
    named(file).iter().filter(wrong).map(|named| describe(file, named)).collect()
}

fn describe(file: &File, named: &Named) -> String {
    format!("  src/{}:{} {}", file.path, named.line, named.segments.join("::"))
}

fn is_door(door: &str, path: &str) -> bool {
    path == door || door.ends_with('/') && path.starts_with(door)
}

/// Tells whether a path starts with a dependency; a crate's satellites (`pingora_core`) count as the crate.
fn uses(named: &Named, dependency: &str) -> bool {
    let wanted: Vec<_> = dependency.split("::").collect();
    let satellite = format!("{}_", wanted[0]);
    let first = named.segments[0].as_str();
    let rest_matches = named.segments.len() >= wanted.len() && named.segments[1..wanted.len()] == wanted[1..];
    // A name alone is a variable or a field.
    named.segments.len() > 1
        && rest_matches
        && (first == wanted[0] || wanted.len() == 1 && first.starts_with(&satellite))
}

/// Returns the module of a file as segments: `["mirror", "store"]` for `mirror/store/mod.rs`.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// Returns the module that a path leads to; `None` when it leaves the crate, or stays where it is.
fn target(from: &[String], named: &Named) -> Option<Vec<String>> {
    let segments = &named.segments;
    match segments[0].as_str() {
        "crate" | "heliostat" if segments.len() > 1 => Some(segments[1..].to_vec()),
        "super" => {
            let ups = segments.iter().take_while(|segment| *segment == "super").count();
            let kept = from.len().checked_sub(ups)?;
            Some([&from[..kept], &segments[ups..]].concat())
        }
        _ => None,
    }
}

fn may_import(from: &[String], to: &[String]) -> bool {
    let (Some(from_part), Some(to_part)) = (from.first(), to.first()) else {
        // `lib.rs` names every part; nobody names the root itself.
        return from.is_empty();
    };
    let (Some(from_storey), Some(to_storey)) = (storey(from_part), storey(to_part)) else {
        // A name at the root that is no part of the house: only a macro or a re-export could be, and there is none.
        return false;
    };
    if from_part == to_part {
        return from_part != "registries" || same_registry(from, to);
    }
    from_storey < to_storey && !CLOSED.contains(&(from_part, to_part))
}

/// Tells whether two modules below `registries` belong to one dialect, or one of them to what all dialects share. Every
/// dialect says in its `vouch.rs` what its upstream vouches for; nothing that is shared has one.
fn same_registry(from: &[String], to: &[String]) -> bool {
    let is_dialect = |name: &&String| root().join("registries").join(name).join("vouch.rs").is_file();
    let dialect = |module: &[String]| module.get(1).filter(is_dialect).cloned();
    match (dialect(from), dialect(to)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn storey(part: &str) -> Option<usize> {
    STOREYS.iter().position(|storey| storey.contains(&part))
}

/// Returns the paths that a file names; none for a file of tests.
fn named(file: &File) -> Vec<Named> {
    let is_test =
        file.path.ends_with("/tests.rs") || ["/tests/", "/compliance/"].iter().any(|part| file.path.contains(part));
    if is_test { Vec::new() } else { paths(&file.text) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> Vec<File> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("it lies below the root").to_string_lossy().into_owned();
                found.push(File { path: name, text: fs::read_to_string(&path).expect("a source can be read") });
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {}", root().display());
    found
}

#[test]
fn a_wrong_arrow_would_be_noticed() {
    let is_wrong = |path: &str, text: &str| {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        !wrong_arrows(&file).is_empty()
    };
    for (path, text) in [
        ("base/fs/run.rs", "use crate::config::Config;"),
        ("config/mod.rs", "use crate::telemetry::log;"),
        ("mirror/fetch/mod.rs", "use crate::{base::fs, front::proxy};"),
        ("mirror/mod.rs", "fn f(x: crate::overlay::Token) {}"),
        ("front/proxy.rs", "use crate::registries::npm;"),
        ("registries/npm/mod.rs", "use super::super::app;"),
        ("mirror/store/mod.rs", "use super::super::registries::npm;"),
        ("app.rs", "use crate::cli;"),
        ("web/mod.rs", "use crate::front::mounts;"),
        ("config/mod.rs", "use crate::Config;"),
    ] {
        assert!(is_wrong(path, text), "{path}: {text}");
    }
    for (path, text) in [
        ("main.rs", "use heliostat::cli;"),
        ("app.rs", "use crate::{base::clock, registries::npm, front::server};"),
        ("mirror/store/mod.rs", "use super::fetch; use crate::mirror::error::Error;"),
        ("registries/npm/mod.rs", "use super::Registry; use crate::config;"),
        ("base/fs/run.rs", "// crate::app knows better\n#[cfg(test)]\nmod tests { use crate::config; }"),
        ("config/tests/mod.rs", "use crate::app;"),
    ] {
        assert!(!is_wrong(path, text), "{path}: {text}");
    }
}

#[test]
fn a_wrong_door_would_be_noticed() {
    let is_wrong = |path: &str, text: &str| {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        !wrong_doors(&file).is_empty()
    };
    for (path, text) in [
        ("config/mod.rs", "use std::{fs, io};"),
        ("web/mod.rs", "fn f() { tokio::fs::read(path); }"),
        ("mirror/mod.rs", "use reqwest::Client;"),
        ("app.rs", "use pingora_core::server::Server;"),
        ("mirror/fill.rs", "let x = cacache::read(a);"),
        ("registries/npm/mod.rs", "use std::process::Command;"),
        ("overlay/users.rs", "use sea_orm::Value;"),
    ] {
        assert!(is_wrong(path, text), "{path}: {text}");
    }
    for (path, text) in [
        ("front/proxy.rs", "use pingora::proxy::ProxyHttp;"),
        ("mirror/store/content.rs", "use cacache::Reader; use rusqlite::Connection;"),
        ("base/fs/run.rs", "use std::fs::File;"),
        ("main.rs", "use std::process::ExitCode;"),
        ("config/mod.rs", "let toml = 5; use std::io;"),
    ] {
        assert!(!is_wrong(path, text), "{path}: {text}");
    }
}
