//! What a document says of an archive when that was proved before: the first `shasum` is remembered, and put back where a
//! later document names another one. SHA-1 can be made to collide, so that the bytes themselves are held to
//! their SHA-256 besides; that is the engine's work (contract nessemble §7).

use std::io;

use super::name::{Title, Version};
use super::wire::{parse_package, with_shasum};
use crate::mirror::first_seen::{Chronicle, IsOf, Reading, Rival};
use crate::mirror::firsts::First;

/// The releases of one package, of which a document describes one.
pub struct Releases {
    title: Title,
    /// The version that was asked for; without one, the document says which it is of.
    version: Option<Version>,
    prefix: String,
}

// === impl Releases ===

impl Releases {
    pub fn of(mount: &str, title: &Title, version: Option<&Version>) -> Self {
        let text = version.map_or("", Version::as_str);
        Self { title: title.clone(), version: version.cloned(), prefix: format!("{mount}/{title}@{text}") }
    }

    /// Names one of them: `nessemble/foo@1.0.1`.
    pub fn name(mount: &str, title: &Title, version: &Version) -> String {
        format!("{mount}/{title}@{version}")
    }

    /// Tells whether a release is the one of this version.
    fn is_of(&self, release: &str, version: &Version) -> bool {
        let rest = release.strip_prefix(&self.prefix);
        rest == Some(if self.version.is_some() { "" } else { version.as_str() })
    }
}

impl Chronicle for Releases {
    /// Other versions may begin like the one that was asked for; they are passed over.
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn read(&self, document: &[u8], firsts: &[First], _is_of: &IsOf<'_>) -> io::Result<Reading> {
        let package = parse_package(document, &self.title, self.version.as_ref()).map_err(io::Error::other)?;
        let mut reading = Reading::default();
        for First { release, testimony, .. } in firsts {
            if !self.is_of(release, &package.version) {
                reading.passed_over.push(release.clone());
            } else if let (Some(first), Some(now)) = (testimony, &package.shasum)
                && first != now
            {
                reading.rivals.push(Rival { release: release.clone(), claim: format!("sha1 {now}") });
                reading.mended = Some(with_shasum(document, first).map_err(io::Error::other)?);
            }
        }
        Ok(reading)
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

    /// Reads a document as the one of 1.0.1, and as that of whichever version it is: it says the same.
    fn read(document: &str, firsts: &[First]) -> Reading {
        let is_of = |_: Digest, _: &Integrity| panic!("nobody needs the bytes");
        let read = |version: Option<&Version>| {
            let releases = Releases::of("nessemble", &Title::parse("foo").unwrap(), version);
            releases.read(document.as_bytes(), firsts, &is_of).unwrap()
        };
        let (exact, open) = (read(Some(&Version::parse("1.0.1").unwrap())), read(None));
        let said = |reading: &Reading| (reading.rivals.clone(), reading.mended.clone(), reading.passed_over.clone());
        assert_eq!(said(&exact), said(&open), "{document}");
        exact
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
        assert_eq!(reading.passed_over, ["nessemble/foo@1.0.10"], "of which others speak");
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
