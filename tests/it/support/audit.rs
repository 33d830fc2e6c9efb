//! What lies in a data directory, held against what its index says: the two must agree whatever happened to the process.
//!
//! It only looks, so that a process may be running: what changes meanwhile is looked at again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::random::hex;

/// How often to look again before a contradiction is believed.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What must hold for every row of the index, as counts of the rows for which it does not.
const RULES: [(&str, &str); 4] = [
    (
        "entries without their content",
        "SELECT count(*) FROM entries e WHERE digest IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.digest = e.digest)",
    ),
    (
        "contents with a wrong count of entries",
        "SELECT count(*) FROM contents c
        WHERE refs != (SELECT count(*) FROM entries e WHERE e.digest = c.digest)",
    ),
    ("segments of no entry", "SELECT count(*) FROM segments WHERE entry NOT IN (SELECT id FROM entries)"),
    (
        "wrong totals",
        "SELECT count(*) FROM totals WHERE entries != (SELECT count(*) FROM entries)
        OR absences != (SELECT count(*) FROM entries WHERE digest IS NULL)
        OR bytes != (SELECT coalesce(sum(size), 0) FROM contents)",
    ),
];

/// Looks at one data directory, again and again.
pub struct Auditor {
    cache: PathBuf,
    /// Files that hashed to their addresses, by inode, length and time: they need not be hashed again.
    hashed: BTreeMap<PathBuf, (u64, u64, i128)>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Content files.
    pub files: usize,
    /// Addresses of content files that no row knows of: left by a commit that did not end, and no harm.
    pub orphans: Vec<String>,
    /// Rows of entries.
    pub entries: usize,
    /// Bytes of all content files.
    pub bytes: u64,
    /// What contradicts.
    pub wrong: Vec<String>,
}

/// A content as the index knows it: its digest in hexadecimal, its length, and how many entries refer to it.
type Row = (String, u64, u64);

impl Auditor {
    pub fn new(data: &Path) -> Self {
        Self { cache: data.join("cache/v1"), hashed: BTreeMap::new() }
    }

    /// Forgets what was hashed, so that the next look hashes everything.
    pub fn forget(&mut self) {
        self.hashed.clear();
    }

    /// Looks until nothing contradicts, or long enough to believe it.
    pub fn look(&mut self) -> Audit {
        let mut audit = self.look_once();
        for _ in 1..LOOKS {
            if audit.wrong.is_empty() {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
            audit = self.look_once();
        }
        audit
    }

    /// Returns the directories that runs have for their temporary files.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.cache.join("tmp")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    fn look_once(&mut self) -> Audit {
        let mut audit = Audit::default();
        let rows = self.read_index(&mut audit);
        let files = self.files();
        for (address, (path, length)) in &files {
            audit.files += 1;
            audit.bytes += length;
            if !self.is_right(path, address) {
                audit.wrong.push(format!("{address} holds other bytes, {length} of them"));
            }
            if !rows.iter().any(|(digest, ..)| digest == address) {
                audit.orphans.push(address.clone());
            }
        }
        for (digest, size, references) in &rows {
            // What nothing refers to is about to go, its file first.
            let length = files.get(digest).map(|(_, length)| *length);
            if *references > 0 && length != Some(*size) {
                audit.wrong.push(format!("{digest} should have {size} bytes and has {length:?}"));
            }
        }
        audit
    }

    /// Reads every row of contents, and notes where the index contradicts itself.
    fn read_index(&self, audit: &mut Audit) -> Vec<Row> {
        let file = self.cache.join("index.sqlite");
        if !file.exists() {
            return Vec::new();
        }
        let rows = open(&file).and_then(|connection| {
            // One transaction: all that is read is of one moment.
            connection.execute_batch("BEGIN")?;
            check(&connection, audit)?;
            contents(&connection)
        });
        rows.unwrap_or_else(|error| {
            audit.wrong.push(format!("the index cannot be read: {error}"));
            Vec::new()
        })
    }

    /// Returns the content files by address, with their lengths.
    fn files(&self) -> BTreeMap<String, (PathBuf, u64)> {
        let root = self.cache.join("content-v2/sha256");
        let mut found = BTreeMap::new();
        let below = |path: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        for path in below(&root).iter().flat_map(|first| below(first)).flat_map(|second| below(&second)) {
            let address = path.strip_prefix(&root).map(|rest| rest.to_string_lossy().replace('/', ""));
            // One that is gone meanwhile was not kept.
            if let (Ok(address), Ok(metadata)) = (address, path.metadata()) {
                found.insert(address, (path, metadata.len()));
            }
        }
        found
    }

    /// Tells whether a file's bytes hash to its address; one that is gone meanwhile is not wrong.
    fn is_right(&mut self, path: &Path, address: &str) -> bool {
        let Ok(metadata) = path.metadata() else { return true };
        let time = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let mark = (metadata.ino(), metadata.len(), time);
        if self.hashed.get(path) == Some(&mark) {
            return true;
        }
        let Ok(bytes) = std::fs::read(path) else { return true };
        let right = hex(&Sha256::digest(&bytes)) == address;
        if right {
            self.hashed.insert(path.to_owned(), mark);
        }
        right
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn check(connection: &Connection, audit: &mut Audit) -> rusqlite::Result<()> {
    let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if said != "ok" {
        audit.wrong.push(format!("the index is damaged: {said}"));
    }
    for (name, sql) in RULES {
        let count: u64 = connection.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            audit.wrong.push(format!("{count} {name}"));
        }
    }
    audit.entries = connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    Ok(())
}

fn contents(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare("SELECT lower(hex(digest)), size, refs FROM contents")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}
