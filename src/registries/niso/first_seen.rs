//! What a list of versions says of archives that were proved before. What vouches for one is its row: that of the first
//! archive is remembered as it was written, and put back where a later list names another checksum.

use std::io;

use super::name::{Arch, PackageName, Version};
use super::wire::{Row, parse_versions};
use crate::mirror::first_seen::{Chronicle, IsOf, Reading, Rival};
use crate::mirror::firsts::First;

/// The releases of one package: one for each version and architecture.
pub struct Releases {
    package: PackageName,
    prefix: String,
}

// === impl Releases ===

impl Releases {
    pub fn of(mount: &str, package: &PackageName) -> Self {
        Self { package: package.clone(), prefix: format!("{mount}/{package}@") }
    }

    /// Names one of them: `niso/@acme/app@1.1.0/x86_64-linux`.
    pub fn name(mount: &str, package: &PackageName, version: &Version, arch: &Arch) -> String {
        format!("{mount}/{package}@{version}/{arch}")
    }

    /// Returns the first release that a row is rival to, with the row that vouched for it. A row without a checksum
    /// contradicts nothing.
    fn first<'a>(&self, row: &Row<'_>, firsts: &'a [First]) -> Option<(&'a First, &'a str)> {
        let (name, checksum) = (format!("{}{}/{}", self.prefix, row.version, row.arch), row.checksum?);
        let first = firsts.iter().find(|first| first.release == name && first.digest != checksum)?;
        Some((first, first.testimony.as_deref()?))
    }
}

impl Chronicle for Releases {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A checksum is the very digest that bytes are remembered by, so that nobody needs to look at them.
    fn read(&self, document: &[u8], firsts: &[First], _is_of: &IsOf<'_>) -> io::Result<Reading> {
        let versions = parse_versions(document, &self.package).map_err(io::Error::other)?;
        let (mut rivals, mut rows) = (Vec::new(), Vec::new());
        for row in &versions.rows {
            let rival = self.first(row, firsts);
            if let Some((first, _)) = rival {
                let claim = row.checksum.map(|checksum| format!("sha256 {checksum}")).unwrap_or_default();
                rivals.push(Rival { release: first.release.clone(), claim });
            }
            rows.push(rival.map_or(row.written, |(_, testimony)| testimony));
        }
        let mended = (!rivals.is_empty()).then(|| format!("[{}]", rows.join(",")).into_bytes());
        Ok(Reading { rivals, mended, ..Reading::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{Digest, Integrity};

    fn row(version: &str, arch: &str, bytes: &[u8]) -> String {
        let checksum = Digest::of(bytes);
        format!(r#"{{ "version":"{version}","arch":"{arch}","size":{},"checksum":"{checksum}","x":[1] }}"#, bytes.len())
    }

    fn first(version: &str, arch: &str, bytes: &[u8]) -> First {
        let release = format!("niso/@acme/app@{version}/{arch}");
        First { release, digest: Digest::of(bytes), testimony: Some(row(version, arch, bytes)), rival: None }
    }

    fn read(document: &str, firsts: &[First]) -> Reading {
        let is_of = |_: Digest, _: &Integrity| panic!("nobody needs the bytes");
        Releases::of("niso", &PackageName::parse("@acme/app").unwrap())
            .read(document.as_bytes(), firsts, &is_of)
            .unwrap()
    }

    #[test]
    fn a_list_that_names_another_checksum_gets_the_first_row_back() {
        let firsts = [first("1.0.0", "x86", b"first"), first("1.0.0", "arm", b"arm"), first("9.0.0", "x86", b"gone")];
        let (kept, new) = (row("1.0.0", "arm", b"arm"), row("2.0.0", "x86", b"new"));
        let reading = read(&format!("[{},{kept},{new}]", row("1.0.0", "x86", b"rival")), &firsts);
        let claim = format!("sha256 {}", Digest::of(b"rival"));
        assert_eq!(reading.rivals, [Rival { release: "niso/@acme/app@1.0.0/x86".to_owned(), claim }]);
        let mended = String::from_utf8(reading.mended.unwrap()).unwrap();
        assert_eq!(mended, format!("[{new},{kept},{}]", row("1.0.0", "x86", b"first")));
        assert!(read(&mended, &firsts).mended.is_none(), "what was mended is right");
    }

    #[test]
    fn a_list_that_agrees_or_says_nothing_is_left_as_it_is() {
        let firsts = [first("1.0.0", "x86", b"first"), First { testimony: None, ..first("1.1.0", "x86", b"first") }];
        for rows in [
            row("1.0.0", "x86", b"first"),
            row("1.0.0", "x86", b"first").replace("\"size\":5", "\"size\":6"),
            row("1.0.0", "arm", b"other"),
            row("1.0.0-x86", "x86", b"other"),
            r#"{"version":"1.0.0","arch":"x86"}"#.to_owned(),
            row("1.1.0", "x86", b"rival, and nobody wrote down what the first was"),
            String::new(),
        ] {
            let reading = read(&format!(r#"{{"versions":[{rows}]}}"#), &firsts);
            assert!(reading.rivals.is_empty() && reading.mended.is_none(), "{rows}");
        }
    }
}
