//! Tarballs, opened: which files are in one, and where their bytes lie when they stand one after another.
//!
//! Nothing is unpacked to a path. Links, devices and what lies beside the one folder at the top are not there; of two files
//! of one path the last counts, as for clients that write them to a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::{Stream, TryStreamExt as _, stream};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use crate::base::digest::{Digest, Hasher};
use crate::base::http::Body;
use crate::registries::bodies;
use crate::registries::npm::error::Error;
use crate::registries::untar::{self, Kind, Limits, Member};

/// Most members of a tarball that is opened.
const MAX_MEMBERS: usize = 100_000;
/// Most bytes that it unpacks to for each of its own.
const MAX_RATIO: u64 = 100;
/// What a short one may unpack to all the same, in bytes.
const UNJUDGED: u64 = 16 << 20;
/// Most bytes that any unpacks to.
const MAX_UNPACKED: u64 = 512 << 20;

/// Longest package.json that is read, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// How much is handed on at once, in bytes, and how many such pieces wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 2;

/// What tries to stand in for a path at which there is no file. Source: contract npm §17.
const ENDINGS: [&str; 4] = [".js", ".json", "/index.js", "/index.json"];

/// The files of a tarball.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    /// Of the bytes of all files, one after another.
    pub digest: Digest,
    /// What package.json says is asked for where nothing is named.
    main: Option<String>,
    files: BTreeMap<Box<str>, File>,
}

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it starts among the bytes of all files.
    pub start: u64,
    pub size: u64,
    pub digest: Digest,
    /// In seconds since 1970, as the tarball says.
    pub modified: u64,
}

/// What lies directly in a directory: directories, then files, each by its whole path.
pub type Within<'a> = (BTreeSet<&'a str>, Vec<(&'a str, &'a File)>);

#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    main: Option<serde_json::Value>,
}

/// Reads a tarball through, and lists what is in it. Blocks.
///
/// # Errors
/// [`untar::Error`]: it cannot be read, or has no end.
pub fn list(tarball: Body) -> Result<Listing, untar::Error> {
    let (mut all, mut start) = (Hasher::new(None), 0);
    let (mut files, mut main) = (BTreeMap::new(), None);
    walk(tarball, |path, member| {
        let mut measure = Measure { one: Hasher::new(None), all: &mut all };
        if path == "package.json" && member.size <= MAX_MANIFEST {
            let manifest = member.read(MAX_MANIFEST)?;
            measure.write_all(&manifest).map_err(untar::Error::Read)?;
            main = serde_json::from_slice::<Manifest>(&manifest).unwrap_or_default().main;
        } else {
            member.copy(&mut measure)?;
        }
        let measured = measure.one.finish();
        let file = File { start, size: measured.length, digest: measured.digest, modified: member.modified };
        start += measured.length;
        files.insert(path.into(), file);
        Ok(())
    })?;
    let main = main.as_ref().and_then(serde_json::Value::as_str).and_then(plain);
    Ok(Listing { digest: all.finish().digest, main, files })
}

/// Returns the bytes of all files of a tarball, one after another, in pieces. It is read when they are asked for, and no
/// further; few at once.
pub fn pieces(tarball: Body, turns: Arc<Semaphore>) -> impl Stream<Item = Result<Bytes, Error>> {
    let begin = async move {
        let turn = turns.acquire_owned().await.map_err(|_| Error::internal("nothing is unpacked any more"))?;
        let (sender, mut receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut sink = BufWriter::with_capacity(PIECE, Sink(sender.clone()));
            let walked = walk(tarball, |_, member| member.copy(&mut sink));
            let ended = walked.and_then(|()| sink.flush().map_err(untar::Error::Read));
            // Who has left needs no reason.
            let _ = ended.map_err(|error| sender.blocking_send(Err(refused(&error))));
        });
        Ok::<_, Error>(stream::poll_fn(move |context| receiver.poll_recv(context)))
    };
    stream::once(begin).try_flatten()
}

/// Says why a tarball is not opened.
pub fn refused(error: &untar::Error) -> Error {
    Error::Unprocessable(format!("the files of this version cannot be shown: {error}").into())
}

fn walk(
    tarball: Body,
    mut visit: impl FnMut(&str, &mut Member<'_>) -> Result<(), untar::Error>,
) -> Result<(), untar::Error> {
    let limits = limits(tarball.length().unwrap_or_default());
    untar::walk(MultiGzDecoder::new(bodies::reader(tarball)), limits, |member| {
        match (member.kind, member.path.split_once('/')) {
            (Kind::File, Some((_, path))) => visit(path, member),
            _ => Ok(()),
        }
    })
}

fn limits(packed_bytes: u64) -> Limits {
    let unpacked_bytes = packed_bytes.saturating_mul(MAX_RATIO).clamp(UNJUDGED, MAX_UNPACKED);
    Limits { members: MAX_MEMBERS, unpacked_bytes }
}

/// Returns a path as files have them; `None` of one that leads out, or nowhere.
fn plain(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// Measures a file, and with it all of them.
struct Measure<'a> {
    one: Hasher,
    all: &'a mut Hasher,
}

impl Write for Measure<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.one.update(bytes);
        self.all.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands pieces on to who waits for them.
struct Sink(mpsc::Sender<Result<Bytes, Error>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Listing ===

impl Listing {
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Returns all files, each with its path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (&**path, file))
    }

    /// Returns what is shown where nothing is named.
    pub fn main(&self) -> &str {
        self.main.as_deref().unwrap_or("index.js")
    }

    /// Returns the file that is meant by a path at which there is none.
    pub fn meant_by(&self, path: &str) -> Option<String> {
        ENDINGS.iter().map(|ending| format!("{path}{ending}")).find(|path| self.files.contains_key(path.as_str()))
    }

    /// Returns what lies in a directory; nothing, of the one at the top. `None`: there is no such directory.
    pub fn within(&self, directory: &str) -> Option<Within<'_>> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let on = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let below = self.files.range::<str, _>(on).take_while(|(path, _)| path.starts_with(&prefix));
        let (mut directories, mut files) = (BTreeSet::new(), Vec::new());
        for (path, file) in below {
            match path[prefix.len()..].find('/') {
                Some(at) => drop(directories.insert(&path[..prefix.len() + at])),
                None => files.push((&**path, file)),
            }
        }
        let is_there = directory.is_empty() || !directories.is_empty() || !files.is_empty();
        is_there.then_some((directories, files))
    }

    /// Returns about how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        self.files.keys().map(|path| path.len() + 128).sum::<usize>() + 128
    }
}

#[cfg(test)]
mod tests;
