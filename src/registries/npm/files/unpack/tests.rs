//! Tarballs of all kinds, opened.

use std::io::Read;

use flate2::Compression;
use flate2::read::GzEncoder;

use super::*;
use crate::registries::npm::files::samples::{archive, pack};

fn listed(files: &[(&str, &str)]) -> Listing {
    list(pack(files)).unwrap()
}

fn paths(within: Option<Within<'_>>) -> Option<String> {
    let (directories, files) = within?;
    let files = files.into_iter().map(|(path, _)| path.to_owned());
    let all: Vec<String> = directories.into_iter().map(|path| format!("{path}/")).chain(files).collect();
    Some(all.join(" "))
}

#[test]
fn files_are_found_by_their_paths_below_the_folder_at_the_top() {
    let listing = listed(&[
        ("package/package.json", r#"{"main":"./lib/main"}"#),
        ("package/lib/main.js", "main"),
        ("package/lib/a/b.js", "b"),
        ("package/lib-x", ""),
        ("beside", "no"),
        ("package/lib/main.js", "the last"),
    ]);
    assert_eq!(paths(listing.within("")).unwrap(), "lib/ lib-x package.json");
    assert_eq!(paths(listing.within("lib")).unwrap(), "lib/a/ lib/main.js");
    assert_eq!(paths(listing.within("lib/a")).unwrap(), "lib/a/b.js");
    for none in ["li", "lib/main.js", "lib/a/b.js", "x", "package"] {
        assert_eq!(paths(listing.within(none)), None, "{none}");
    }
    let file = listing.file("lib/main.js").unwrap();
    assert_eq!((file.size, file.digest), (8, Digest::of(b"the last")));
    assert_eq!(listing.main(), "lib/main");
    assert_eq!(listing.meant_by("lib/main").as_deref(), Some("lib/main.js"));
    assert_eq!(listing.meant_by("lib"), None);
}

#[test]
fn what_package_json_says_is_asked_for_leads_nowhere_else() {
    for (manifest, expected) in [
        (r#"{"main":"/x.js"}"#, "x.js"),
        (r#"{"main":"../../etc/passwd"}"#, "index.js"),
        (r#"{"main":"./"}"#, "index.js"),
        (r#"{"main":["x.js"]}"#, "index.js"),
        ("{}", "index.js"),
        ("no JSON", "index.js"),
    ] {
        assert_eq!(listed(&[("p/package.json", manifest)]).main(), expected, "{manifest}");
    }
}

#[tokio::test]
async fn the_bytes_of_all_files_stand_one_after_another() {
    let long = "x".repeat(PIECE * 3 + 7);
    let files = [("p/a", "one"), ("p/b", &long), ("p/c", ""), ("p/d", "two")];
    let listing = listed(&files);
    let all = pieces(pack(&files), Arc::new(Semaphore::new(1))).try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(Digest::of(&all), listing.digest);
    for (path, text) in files {
        let file = listing.file(&path[2..]).unwrap();
        let (start, end) = (file.start as usize, (file.start + file.size) as usize);
        assert_eq!(&all[start..end], text.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn who_leaves_early_ends_the_reading() {
    let turns = Arc::new(Semaphore::new(1));
    let long = "x".repeat(PIECE * 9);
    let mut stream = Box::pin(pieces(pack(&[("p/a", &long)]), Arc::clone(&turns)));
    assert_eq!(stream.try_next().await.unwrap().unwrap().len(), PIECE);
    drop(stream);
    let turn = tokio::time::timeout(std::time::Duration::from_secs(10), turns.acquire()).await;
    assert!(turn.unwrap().is_ok());
}

fn zip(bytes: &[u8]) -> Body {
    let mut zipped = Vec::new();
    GzEncoder::new(bytes, Compression::best()).read_to_end(&mut zipped).unwrap();
    Body::Bytes(zipped.into())
}

#[tokio::test]
async fn a_tarball_that_has_no_end_or_leads_out_is_refused() {
    let bomb = "\0".repeat(UNJUDGED as usize + 1);
    let many: Vec<(String, String)> = (0..=MAX_MEMBERS).map(|at| (format!("p/{at}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut cut = archive(&[("p/a", &"x".repeat(4096))]);
    cut.truncate(2048);
    for (tarball, what) in [
        (pack(&[("p/a", &bomb)]), "more than 16777216 bytes"),
        (pack(&many), "more than 100000 members"),
        (pack(&[("p/../../a", "x")]), "leads out"),
        (zip(&cut), "cannot be read"),
        (Body::Bytes(Bytes::from_static(b"no gzip")), "cannot be read"),
    ] {
        let again = tarball.slice(0..tarball.length().unwrap());
        let error = list(tarball).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        let read = pieces(again, Arc::new(Semaphore::new(1))).try_collect::<Vec<_>>().await;
        assert!(read.unwrap_err().to_string().contains(what), "{what}");
    }
}
