//! What a version's document says of its archive when that was proved before: the first `shasum` is remembered, and put
//! back where a later document names another one. SHA-1 can be made to collide, so that the bytes themselves are held to
//! their SHA-256 besides; that is the engine's work (contract nessemble §7).

use std::io;

use super::name::{Title, Version};
use super::wire::{parse_package, with_shasum};
use crate::mirror::first_seen::{Chronicle, IsOf, Reading, Rival};
use crate::mirror::store::First;

/// The releases that a version's document is of: one.
pub struct Releases {
    title: Title,
    version: Version,
    name: String,
}

// === impl Releases ===

impl Releases {
    pub fn of(mount: &str, title: &Title, version: &Version) -> Self {
        Self { title: title.clone(), version: version.clone(), name: Self::name(mount, title, version) }
    }

    /// Names it: `nessemble/foo@1.0.1`.
    pub fn name(mount: &str, title: &Title, version: &Version) -> String {
        format!("{mount}/{title}@{version}")
    }
}

impl Chronicle for Releases {
    /// Other versions may begin like this one; they are passed over.
    fn prefix(&self) -> &str {
        &self.name
    }

    fn read(&self, document: &[u8], firsts: &[First], _is_of: &IsOf<'_>) -> io::Result<Reading> {
        let package = parse_package(document, &self.title, Some(&self.version)).map_err(io::Error::other)?;
        let first = firsts.iter().find(|first| first.release == self.name).and_then(|first| first.testimony.as_deref());
        match (first, package.shasum) {
            (Some(first), Some(now)) if first != now => Ok(Reading {
                rivals: vec![Rival { release: self.name.clone(), claim: format!("sha1 {now}") }],
                mended: Some(with_shasum(document, first).map_err(io::Error::other)?),
                ..Reading::default()
            }),
            _ => Ok(Reading::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{Digest, Integrity};
    use crate::registries::nessemble::samples::shasum;

    fn document(shasum: &str) -> String {
        let start = r#"{"title":"foo", "version":"1.0.1","tags":[1.50] "#;
        format!(r#"{start},"shasum": {shasum} ,"version":{{"1.0.1":null}},"x":{{"shasum":"y"}}}}"#)
    }

    fn first(name: &str, testimony: Option<&str>) -> First {
        let testimony = testimony.map(str::to_owned);
        First { release: name.to_owned(), digest: Digest::of(b"first"), testimony, rival: None }
    }

    fn read(document: &str, firsts: &[First]) -> Reading {
        let first = Releases::of("nessemble", &Title::parse("foo").unwrap(), &Version::parse("1.0.1").unwrap());
        let is_of = |_: Digest, _: &Integrity| panic!("nobody needs the bytes");
        first.read(document.as_bytes(), firsts, &is_of).unwrap()
    }

    #[test]
    fn a_document_that_names_another_sum_gets_the_first_one_back() {
        let (old, new) = (shasum(b"old"), shasum(b"new"));
        let firsts = [first("nessemble/foo@1.0.10", Some(&new)), first("nessemble/foo@1.0.1", Some(&old))];
        let reading = read(&document(&format!("\"{}\"", new.to_uppercase())), &firsts);
        let claim = format!("sha1 {new}");
        assert_eq!(reading.rivals, [Rival { release: "nessemble/foo@1.0.1".to_owned(), claim }]);
        let mended = String::from_utf8(reading.mended.unwrap()).unwrap();
        let expected = r#"{"title":"foo","version":"1.0.1","tags":[1.50],"shasum":"OLD","version":{"1.0.1":null},"#
            .to_owned()
            + r#""x":{"shasum":"y"}}"#;
        assert_eq!(mended, expected.replace("OLD", &old));
        assert!(read(&mended, &firsts).mended.is_none(), "what was mended is right");
    }

    #[test]
    fn a_document_that_agrees_or_says_nothing_is_left_as_it_is() {
        let (old, new) = (shasum(b"old"), shasum(b"new"));
        let known = || first("nessemble/foo@1.0.1", Some(&old));
        for (shasum, first) in [
            (format!("\"{old}\""), known()),
            (format!("\"{}\"", old.to_uppercase()), known()),
            ("null".to_owned(), known()),
            ("\"\"".to_owned(), known()),
            (format!("\"{new}\""), first("nessemble/foo@1.0.1", None)),
            (format!("\"{new}\""), first("nessemble/foo@1.0.10", Some(&old))),
        ] {
            let reading = read(&document(&shasum), &[first]);
            assert!(reading.rivals.is_empty() && reading.mended.is_none(), "{shasum}");
        }
    }
}
