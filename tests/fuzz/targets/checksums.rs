//! Files that list sums: of files, and of Hex's builds. A sum that is found stands there, and a stronger one wins.
#![no_main]

use heliostat::registries::files::proofs::{Ambiguous, find};
use heliostat::registries::hex::wire::{Install, check_list, find_sum};
use heliostat_fuzz::cut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (name, sums) = cut(input);
    let (Ok(name), Ok(text)) = (str::from_utf8(name), str::from_utf8(sums)) else { return };
    check_files(name, text);
    let path: Vec<&str> = name.split('/').collect();
    if let Some(install) = Install::parse(&path) {
        assert_eq!(Install::parse(&install.path().split('/').collect::<Vec<_>>()).as_ref(), Some(&install));
        if let Install::Archive(archive) = &install
            && check_list(sums).is_ok()
        {
            assert!(find_sum(sums, archive).is_ok(), "a list that was proved can be read");
        }
    }
});

fn check_files(name: &str, text: &str) {
    let found = find(text, name);
    if let Ok(Some(sum)) = &found {
        let (_, digits) = sum.as_str().split_once('-').expect("the kind of a sum stands before it");
        assert!(text.to_ascii_lowercase().contains(digits), "{digits} is not in the file");
    }
    let is_plain = !name.is_empty() && !name.starts_with("./") && !name.contains(['\n', '\r', '\\']);
    if !is_plain || text.lines().count() > 1000 {
        return;
    }
    let strongest = "5".repeat(128);
    let more = format!("{text}\n{strongest} *{name}\n");
    match (find(&more, name), found) {
        (Ok(Some(sum)), _) => assert_eq!(sum.as_str(), format!("sha512-{strongest}")),
        (Err(Ambiguous), Err(Ambiguous)) => {}
        (Err(Ambiguous), Ok(Some(sum))) => assert!(sum.as_str().starts_with("sha512-")),
        (found, _) => panic!("{found:?}"),
    }
}
