//! Tar archives of strangers, read in one pass and never unpacked: every path is judged, and everything has an end.
//!
//! The members of an archive may be described by members before them (long names). Those are read here, and only as
//! far as a path goes: what would change a member's length or content is refused, and so is a description that is no
//! member's, of two that both name it, or in a header that not everyone knows, because two readers of such an archive
//! may see different files.

use std::borrow::Cow;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, Header, PaxExtensions};

/// Longest path of a member, in bytes.
const MAX_PATH: u64 = 4096;
/// Longest description of a member in the manner of pax, in bytes.
const MAX_PAX: u64 = 64 << 10;

/// How much of an archive is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members, those included that describe others.
    pub members: usize,
    /// Bytes of the tar file, unpacked.
    pub unpacked_bytes: u64,
}

/// One member of an archive.
pub struct Member<'a> {
    /// Relative, without `.`, `..` and empty parts.
    pub path: &'a str,
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// When it was last changed, in seconds since 1970; 0 where nobody can tell.
    pub modified: u64,
    /// Of a link: where it leads, and from where.
    link: Option<Link>,
    body: &'a mut dyn Read,
}

struct Link {
    target: Vec<u8>,
    /// How many directories deep it starts: a symbolic one in its own, a hard one at the root.
    depth: usize,
}

/// What members before it say of a member.
#[derive(Default)]
struct Described {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// In the manner of pax, of whatever.
    has_pax: bool,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// Symbolic or hard.
    Link,
    /// A device, a pipe.
    Special,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    #[error("the archive has more than {0} members")]
    Members(usize),
    #[error("the archive unpacks to more than {0} bytes")]
    Bytes(u64),
    #[error("the path {0:?} leads out of the archive, or nowhere")]
    Path(String),
    #[error("a path of the archive is too long")]
    LongPath,
    #[error("a member of the archive is of a kind that is not read: {0}")]
    Kind(&'static str),
    #[error("the archive goes on after its end")]
    Trailing,
    /// What is said of a member by whoever looks at it.
    #[error("{0}")]
    Member(Cow<'static, str>),
}

/// Shows every member of a tar file to `visit`, in order, and makes sure that nothing but padding follows them.
///
/// # Errors
/// [`Error`]; a [`Error::Member`] is the visitor's own.
pub fn walk(
    source: impl Read,
    limits: Limits,
    mut visit: impl FnMut(&mut Member<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut archive = Archive::new(source.take(limits.unpacked_bytes.saturating_add(1)));
    let walked = walk_members(&mut archive, limits.members, &mut visit);
    let mut rest = archive.into_inner();
    let ended = walked.and_then(|()| skip_padding(&mut rest));
    // Cut off by the limit, an archive fails in many ways; this is the reason for all of them.
    if rest.limit() == 0 { Err(Error::Bytes(limits.unpacked_bytes)) } else { ended }
}

fn walk_members<R: Read>(
    archive: &mut Archive<R>,
    limit: usize,
    visit: &mut dyn FnMut(&mut Member<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut described = Described::default();
    for (count, entry) in archive.entries().map_err(Error::Read)?.raw(true).enumerate() {
        if count == limit {
            return Err(Error::Members(limit));
        }
        let mut entry = entry.map_err(Error::Read)?;
        match entry.header().entry_type() {
            kind if is_description(kind) && !is_known(entry.header()) => {
                return Err(Error::Kind("a description in an unknown format"));
            }
            EntryType::GNULongName => put(&mut described.path, read_long_name(&mut entry)?)?,
            EntryType::GNULongLink => put(&mut described.link, read_long_name(&mut entry)?)?,
            EntryType::XHeader => described.read_pax(&mut entry)?,
            EntryType::XGlobalHeader => judge_global(&mut entry)?,
            EntryType::GNUSparse => return Err(Error::Kind("a sparse file")),
            _ => show(&mut entry, std::mem::take(&mut described), visit)?,
        }
    }
    if described.is_empty() { Ok(()) } else { Err(Error::Kind("a description of no member")) }
}

fn is_description(kind: EntryType) -> bool {
    matches!(kind, EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader)
}

/// Tells whether a header says that it is of the formats that have descriptions; in others, some read them as files.
fn is_known(header: &Header) -> bool {
    header.as_ustar().is_some() || header.as_gnu().is_some()
}

/// Some readers take the first of two descriptions, others the last.
fn put(place: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), Error> {
    if place.replace(value).is_none() { Ok(()) } else { Err(Error::Kind("one described twice")) }
}

/// Reads what is said of all members that follow; where they are cannot be part of it, since not everyone looks at it.
fn judge_global(entry: &mut impl Read) -> Result<(), Error> {
    let mut described = Described::default();
    described.read_pax(entry)?;
    match described {
        Described { path: None, link: None, .. } => Ok(()),
        _ => Err(Error::Kind("a path for all that follow")),
    }
}

fn show<R: Read>(
    entry: &mut Entry<'_, R>,
    described: Described,
    visit: &mut dyn FnMut(&mut Member<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = described.path.unwrap_or_else(|| entry.path_bytes().into_owned());
    let kind = kind_of(entry.header().entry_type(), &path);
    let path = judge_path(&path)?;
    if path.is_empty() && kind == Kind::Directory {
        return Ok(());
    }
    let depth = if entry.header().entry_type().is_symlink() { path.split('/').count() - 1 } else { 0 };
    let target = described.link.or_else(|| entry.link_name_bytes().map(Cow::into_owned)).unwrap_or_default();
    let link = (kind == Kind::Link).then_some(Link { target, depth });
    let modified = entry.header().mtime().unwrap_or_default();
    visit(&mut Member { path: &path, kind, size: entry.size(), modified, link, body: entry })
}

fn kind_of(kind: EntryType, path: &[u8]) -> Kind {
    match kind {
        // Before there was a kind for directories, a slash at the end told them.
        EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink | EntryType::Link => Kind::Link,
        _ => Kind::Special,
    }
}

/// Returns a path without its `./` and without a slash at its end.
fn judge_path(path: &[u8]) -> Result<String, Error> {
    let refused = || Error::Path(String::from_utf8_lossy(path).into_owned());
    if path.len() as u64 > MAX_PATH {
        return Err(Error::LongPath);
    }
    let text = str::from_utf8(path).map_err(|_| refused())?;
    if text.is_empty() || text.starts_with('/') || text.contains('\0') || text.split('/').any(|part| part == "..") {
        return Err(refused());
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/"))
}

/// Reads a path in the manner of GNU: a member of its own, ended by a NUL.
fn read_long_name(entry: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut name = read_at_most(entry, MAX_PATH)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn read_at_most(source: &mut impl Read, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes).map_err(Error::Read)?;
    if bytes.len() as u64 > limit { Err(Error::LongPath) } else { Ok(bytes) }
}

/// Reads what follows the last member, so that whatever wraps the archive comes to its own end and its own checks.
fn skip_padding(rest: &mut impl Read) -> Result<(), Error> {
    let mut buffer = [0; 8 << 10];
    loop {
        match rest.read(&mut buffer).map_err(Error::Read)? {
            0 => return Ok(()),
            read if buffer[..read].iter().any(|byte| *byte != 0) => return Err(Error::Trailing),
            _ => {}
        }
    }
}

// === impl Described ===

impl Described {
    fn is_empty(&self) -> bool {
        !self.has_pax && self.path.is_none() && self.link.is_none()
    }

    /// Reads a description in the manner of pax: lines of names and values. Source: POSIX pax(1), "pax Extended Header".
    fn read_pax(&mut self, entry: &mut impl Read) -> Result<(), Error> {
        if std::mem::replace(&mut self.has_pax, true) {
            return Err(Error::Kind("one described twice"));
        }
        let lines = read_at_most(entry, MAX_PAX)?;
        for line in PaxExtensions::new(&lines) {
            let line = line.map_err(Error::Read)?;
            match line.key_bytes() {
                b"path" => put(&mut self.path, line.value_bytes().to_owned())?,
                b"linkpath" => put(&mut self.link, line.value_bytes().to_owned())?,
                b"size" => return Err(Error::Kind("a length in an extension")),
                key if key.starts_with(b"GNU.sparse.") => return Err(Error::Kind("a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

// === impl Link ===

impl Link {
    /// Tells whether the link leaves the archive on its way, or leads nowhere.
    fn leads_out(&self) -> bool {
        let is_odd = self.target.first().is_none_or(|first| *first == b'/') || self.target.contains(&0);
        let step = |depth: usize, part: &[u8]| match part {
            b"" | b"." => Some(depth),
            b".." => depth.checked_sub(1),
            _ => Some(depth + 1),
        };
        is_odd || self.target.split(|byte| *byte == b'/').try_fold(self.depth, step).is_none()
    }
}

// === impl Member ===

impl Member<'_> {
    /// Tells whether the member is a link that leaves the archive, or leads nowhere.
    pub fn leads_out(&self) -> bool {
        self.link.as_ref().is_some_and(Link::leads_out)
    }

    /// Reads a member of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Member`]: it is longer.
    pub fn read(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        if self.size > limit {
            return Err(Error::refuse(format!("{} is longer than {limit} bytes", self.path)));
        }
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.body.read_to_end(&mut bytes).map_err(Error::Read)?;
        Ok(bytes)
    }

    /// Writes a member to `out`.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn copy(&mut self, out: &mut dyn io::Write) -> Result<(), Error> {
        io::copy(&mut self.body, out).map(drop).map_err(Error::Read)
    }
}

// === impl Error ===

impl Error {
    /// Refuses a member for a visitor's own reason.
    pub fn refuse(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Member(reason.into())
    }
}

#[cfg(test)]
mod tests;
