//! What an install really put on disk: every package below a `node_modules` folder, by its own `package.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A package's own name and its version.
pub type NameAndVersion = (String, String);

/// Finds every package installed below `folder/node_modules`, nested ones and pnpm's virtual store included.
pub fn installed(folder: &Path) -> BTreeSet<NameAndVersion> {
    let mut found = BTreeSet::new();
    let mut to_visit = vec![folder.join("node_modules")];
    while let Some(modules) = to_visit.pop() {
        for entry in real_folders(&modules) {
            let name = file_name(&entry);
            match name.as_str() {
                // One level more: node_modules/.pnpm/send@0.19.0/node_modules/send
                ".pnpm" => to_visit.extend(real_folders(&entry).iter().map(|package| package.join("node_modules"))),
                hidden if hidden.starts_with('.') => {}
                scope if scope.starts_with('@') => to_visit.push(entry),
                _ => {
                    found.insert(manifest_of(&entry));
                    to_visit.push(entry.join("node_modules"));
                }
            }
        }
    }
    found
}

/// Lists folders that are no links: pnpm links each package to its one real place.
fn real_folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    paths.filter(|path| path.is_dir() && !path.is_symlink()).collect()
}

fn manifest_of(package: &Path) -> NameAndVersion {
    let path = package.join("package.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: Value = serde_json::from_str(&text).expect("a package's manifest is JSON");
    let member = |name: &str| manifest[name].as_str().unwrap_or_else(|| panic!("{name} of {}", path.display()));
    (member("name").to_owned(), member("version").to_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("an entry of a folder has a name").to_string_lossy().into_owned()
}
