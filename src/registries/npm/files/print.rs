//! Files as clients read them: their types, and how they and their directories are listed. Pure. Source: contract npm §17.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::unpack::{File, Listing};

/// Types by the ends of names. What a browser would take for a page, or for something that may hold scripts, is plain text.
const TYPES: [(&str, &str); 40] = [
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("cjs", SCRIPT),
    ("css", "text/css"),
    ("csv", TEXT),
    ("cts", TEXT),
    ("eot", "application/vnd.ms-fontobject"),
    ("flow", TEXT),
    ("gif", "image/gif"),
    ("htm", TEXT),
    ("html", TEXT),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", SCRIPT),
    ("json", JSON),
    ("jsx", TEXT),
    ("less", TEXT),
    ("lock", TEXT),
    ("map", JSON),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", SCRIPT),
    ("mts", TEXT),
    ("otf", "font/otf"),
    ("png", "image/png"),
    ("scss", TEXT),
    ("sh", TEXT),
    ("svg", TEXT),
    ("ts", TEXT),
    ("tsx", TEXT),
    ("ttf", "font/ttf"),
    ("txt", TEXT),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", TEXT),
    ("xml", TEXT),
    ("yml", TEXT),
];

/// Names without an end that are text.
const NAMES: [&str; 8] = ["license", "licence", "readme", "history", "changelog", "makefile", "authors", "notice"];

const SCRIPT: &str = "application/javascript";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const OCTETS: &str = "application/octet-stream";

/// Latest time that is printed, in seconds since 1970: HTTP has none after the year 9999.
const MAX_TIME: u64 = 253_402_300_799;

/// Returns the type of a file by its name.
pub fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((_, end)) => TYPES.iter().find(|(known, _)| *known == end).map_or(OCTETS, |(_, kind)| kind),
        None if NAMES.contains(&name.as_str()) => TEXT,
        None => OCTETS,
    }
}

/// Returns the type of a file as a header has it: we hold text for UTF-8, as package managers do.
pub fn header(path: &str) -> &'static str {
    match content_type(path) {
        TEXT => "text/plain; charset=utf-8",
        SCRIPT => "application/javascript; charset=utf-8",
        "text/css" => "text/css; charset=utf-8",
        "text/markdown" => "text/markdown; charset=utf-8",
        other => other,
    }
}

/// Prints one file.
pub fn print_file(path: &str, file: &File) -> Value {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(file.modified.min(MAX_TIME));
    json!({
        "path": format!("/{path}"),
        "type": "file",
        "contentType": content_type(path),
        "integrity": file.digest.to_sri(),
        "lastModified": httpdate::fmt_http_date(modified),
        "size": file.size,
    })
}

/// Prints a directory with what lies directly in it; `None`: there is none of that path.
pub fn print_directory(listing: &Listing, path: &str) -> Option<Value> {
    let (directories, files) = listing.within(path)?;
    let print = |path: &str| json!({ "path": format!("/{path}"), "type": "directory", "files": [] });
    let directories = directories.into_iter().map(print);
    let within: Vec<Value> = directories.chain(files.into_iter().map(|(path, file)| print_file(path, file))).collect();
    Some(json!({ "path": format!("/{path}"), "type": "directory", "files": within }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::files::samples::pack;
    use crate::registries::npm::files::unpack::list;

    #[test]
    fn what_may_hold_scripts_of_its_own_is_plain_text() {
        for (path, expected) in [
            ("index.js", "application/javascript; charset=utf-8"),
            ("lib/INDEX.HTML", "text/plain; charset=utf-8"),
            ("a.svg", "text/plain; charset=utf-8"),
            ("a.xml", "text/plain; charset=utf-8"),
            ("a.xhtml", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.js.map", "application/json"),
            ("LICENSE", "text/plain; charset=utf-8"),
            ("a.d.ts", "text/plain; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.pdf", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.html/b", "application/octet-stream"),
        ] {
            assert_eq!(header(path), expected, "{path}");
        }
        assert!(TYPES.is_sorted());
    }

    #[test]
    fn a_directory_is_listed_with_what_lies_directly_in_it() {
        let listing = list(pack(&[("p/lib/a.js", "a"), ("p/lib/b/c.js", "c"), ("p/README", "read")])).unwrap();
        let root = print_directory(&listing, "").unwrap();
        assert_eq!((&root["path"], &root["type"]), (&json!("/"), &json!("directory")));
        assert_eq!(root["files"][0], json!({ "path": "/lib", "type": "directory", "files": [] }));
        let expected = json!({
            "path": "/README", "type": "file", "contentType": "text/plain",
            "integrity": crate::base::digest::Digest::of(b"read").to_sri(),
            "lastModified": "Thu, 01 Jan 1970 00:00:07 GMT", "size": 4,
        });
        assert_eq!(root["files"][1], expected);
        assert_eq!(print_directory(&listing, "lib").unwrap()["files"].as_array().unwrap().len(), 2);
        assert_eq!(print_directory(&listing, "lib/a.js"), None);
        let late = File { modified: u64::MAX, ..*listing.file("README").unwrap() };
        assert_eq!(print_file("x", &late)["lastModified"], "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
