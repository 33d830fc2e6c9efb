//! The tarball of a package's documentation. Nobody signs it and no checksum of it exists, so what can be asked of it is
//! that it is whole and keeps to itself. Source: contract hex §2.4, §3.3, §3.4.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{Error, MAX_ENTRIES};

/// Longest, uncompressed, in bytes (contract hex §3.3).
const MAX_DOCS: u64 = 128 * 1024 * 1024;

/// Longest extended header, in bytes: it holds one path, or a few.
const MAX_EXTENSION: u64 = 64 * 1024;

/// What an extended header says of the entry behind it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Checks that a body is one whole gzip stream of a tar archive, within bounds, of which nothing leads out of the
/// directory it is unpacked in. Holds no more than one header of it in memory.
///
/// # Errors
/// [`Error::Gzip`], [`Error::Tar`], [`Error::TooLong`], [`Error::TooMany`], [`Error::Trailing`], [`Error::Escapes`],
/// [`Error::Special`].
pub fn check_docs(body: &[u8]) -> Result<(), Error> {
    let mut plain = GzDecoder::new(body).take(MAX_DOCS + 1);
    let checked = check_entries(&mut plain);
    // The checksum stands at the end, behind the padding.
    let drained = io::copy(&mut plain, &mut io::sink());
    if plain.limit() == 0 {
        return Err(Error::TooLong { limit: MAX_DOCS });
    }
    drained.map_err(Error::Gzip)?;
    checked?;
    if plain.into_inner().into_inner().is_empty() { Ok(()) } else { Err(Error::Trailing) }
}

fn check_entries(plain: &mut dyn Read) -> Result<(), Error> {
    let mut extended = Extended::default();
    let mut archive = Archive::new(plain);
    let mut count = 0;
    for entry in archive.entries().map_err(Error::Tar)?.raw(true) {
        let mut entry = entry.map_err(Error::Tar)?;
        count += 1;
        if count > MAX_ENTRIES {
            return Err(Error::TooMany);
        }
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => {}
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink => extended.read(&mut entry)?,
            kind => std::mem::take(&mut extended).check(kind, &entry)?,
        }
    }
    if count == 0 { Err(Error::NoEntry("entry")) } else { Ok(()) }
}

impl Extended {
    /// Reads an extended header. Source: POSIX pax(1), "pax Header Block"; GNU tar's `L` and `K`.
    fn read(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), Error> {
        if entry.size() > MAX_EXTENSION {
            return Err(Error::BadEntry("an extended header"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(Error::Tar)?;
        let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        match entry.header().entry_type() {
            EntryType::GNULongName => self.path = Some(text.to_vec()),
            EntryType::GNULongLink => self.link = Some(text.to_vec()),
            _ => self.read_pax(&bytes)?,
        }
        Ok(())
    }

    fn read_pax(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for extension in PaxExtensions::new(bytes) {
            let extension = extension.map_err(Error::Tar)?;
            match extension.key_bytes() {
                b"path" => self.path = Some(extension.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(extension.value_bytes().to_vec()),
                _ => {}
            }
        }
        Ok(())
    }

    fn check(self, kind: EntryType, entry: &Entry<'_, impl Read>) -> Result<(), Error> {
        let path = self.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = self.link.or_else(|| entry.link_name_bytes().map(|link| link.into_owned()));
        let depth = depth(&path, 0).ok_or_else(|| escapes(&path))?;
        match (kind, link) {
            (EntryType::Regular | EntryType::Continuous | EntryType::Directory, _) => Ok(()),
            // A symbolic link starts in its own directory, a hard one at the root.
            (EntryType::Symlink, Some(link)) if leads_inside(&link, depth.saturating_sub(1)) => Ok(()),
            (EntryType::Link, Some(link)) if leads_inside(&link, 0) => Ok(()),
            (EntryType::Symlink | EntryType::Link, _) => Err(escapes(&path)),
            _ => Err(Error::Special),
        }
    }
}

fn escapes(path: &[u8]) -> Error {
    Error::Escapes { path: String::from_utf8_lossy(path).into_owned() }
}

fn leads_inside(path: &[u8], from: usize) -> bool {
    depth(path, from).is_some()
}

/// Returns how many directories deep a path leads, started `from` so many deep; `None` when it leaves on the way, or
/// means another place to some systems.
fn depth(path: &[u8], from: usize) -> Option<usize> {
    let is_odd = path.first().is_none_or(|first| *first == b'/') || path.iter().any(|byte| b"\\\0".contains(byte));
    if is_odd || path.get(1) == Some(&b':') {
        return None;
    }
    path.split(|byte| *byte == b'/').try_fold(from, |depth, part| match part {
        b"" | b"." => Some(depth),
        b".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    })
}
