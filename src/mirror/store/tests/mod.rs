//! The store as its users see it, on real directories. A helper here, a file a question.

mod carrying;
mod healing;
mod keeping;
mod pinning;
mod room;
mod sharing;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use tempfile::TempDir;

use super::{Draft, Entry, Error, Http, Segment, Store};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::fs;
use crate::base::http::Body;
use crate::config::Store as Settings;
use crate::mirror::fresh::Lifetimes;
use crate::telemetry::metrics::Metrics;

/// Makes the tables what they were when first digests were remembered here.
const WITH_FIRSTS: &str = "
    DROP TRIGGER pin_added; DROP TRIGGER pin_removed; DROP TRIGGER pin_moved; DROP TRIGGER content_pinned;
    ALTER TABLE contents DROP COLUMN pins;
    ALTER TABLE totals DROP COLUMN pinned;
    CREATE TABLE first_seen (
        release TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        seen_at INTEGER NOT NULL,
        testimony TEXT,
        rival TEXT
    ) WITHOUT ROWID;
    PRAGMA user_version = 3;";

/// Makes these the tables that they were before suspicion was of runs.
const AGE: &str = "
    DROP INDEX contents_by_run;
    ALTER TABLE contents DROP COLUMN run;
    ALTER TABLE runs DROP COLUMN mark;
    ALTER TABLE runs ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE suspects ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE suspects ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE suspects DROP COLUMN run;
    PRAGMA user_version = 2;";

/// A store in a directory of its own, at a time of its own.
struct Bench {
    directory: TempDir,
    clock: Clock,
    settings: Settings,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings { hot_bytes: 1 << 20, hot_object_bytes: 1000, ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let store = open(directory.path(), &settings, &clock);
        Self { directory, clock, settings, store }
    }

    /// Opens another store on the same directory, as another process would.
    fn second(&self) -> Store {
        open(self.directory.path(), &self.settings, &self.clock)
    }

    /// Stops without a word, and starts again a while later.
    fn crash(mut self) -> Self {
        self.clock.advance(Duration::from_secs(60));
        let gone = tempfile::tempdir().unwrap();
        drop(std::mem::replace(&mut self.store, open(gone.path(), &self.settings, &self.clock)));
        self.store = open(self.directory.path(), &self.settings, &self.clock);
        self
    }

    /// Stops in order, and starts again a while later.
    async fn restart(self) -> Self {
        self.store.close().await.unwrap();
        self.crash()
    }

    async fn keep(&self, key: &str, body: &[u8]) -> Arc<Entry> {
        keep(&self.store, self.draft(key), body).await.unwrap()
    }

    /// Keeps a body under a key, as the one that was asked for a minute later than all before.
    async fn keep_later(&self, key: &str, body: &[u8]) {
        self.clock.advance(Duration::from_secs(61));
        self.keep(key, body).await;
    }

    fn draft(&self, key: &str) -> Draft {
        draft(key, self.clock.now())
    }

    /// Reads an entry back; `None` when it is not there.
    async fn text(&self, key: &str) -> Option<String> {
        text(&self.store, key).await
    }

    /// Writes other bytes where a content lies.
    fn overwrite(&self, body: &[u8], with: &[u8]) {
        let temp = self.store.temp().unwrap();
        temp.write_all(with).unwrap();
        temp.persist(&self.store.0.content.place(Digest::of(body))).unwrap();
    }

    /// Returns how many content files there are.
    fn files(&self) -> usize {
        fs::files_below(&self.directory.path().join("content-v2")).unwrap().len()
    }
}

fn open(directory: &Path, settings: &Settings, clock: &Clock) -> Store {
    Store::open(directory, settings.clone(), clock.clone(), Arc::new(Metrics::new().unwrap())).unwrap()
}

fn draft(key: &str, now: SystemTime) -> Draft {
    let http = Http {
        content_type: Some(HeaderValue::from_static("text/plain")),
        etag: Some(HeaderValue::from_bytes(b"\"caf\xe9\"").unwrap()),
        last_modified: None,
        lifetimes: Lifetimes { fresh: Some(Duration::from_secs(300)), ..Lifetimes::default() },
        headers: None,
    };
    Draft {
        key: key.into(),
        mount: "npm".into(),
        package: key.split('@').next().unwrap().into(),
        status: 200,
        http,
        stored_at: now,
        validated_at: now,
        proofs: vec!["sha512".into()],
        pinned: false,
        source: None,
        segments: Vec::new(),
    }
}

async fn keep(store: &Store, draft: Draft, body: &[u8]) -> Result<Arc<Entry>, Error> {
    let temp = store.temp().unwrap();
    temp.write_all(body).unwrap();
    store.commit(draft, Some((temp, Digest::of(body), body.len() as u64))).await
}

/// Makes the index one of version 2, and runs more statements on it.
async fn age(bench: &Bench, sql: &'static str) {
    age_by(bench, [WITH_FIRSTS, AGE, sql].concat()).await;
}

/// Runs statements on the index that make it an older one.
async fn age_by(bench: &Bench, sql: String) {
    let age = move |connection: &rusqlite::Connection| Ok(connection.execute_batch(&sql)?);
    bench.store.0.writer.alone(age).await.unwrap();
}

async fn text(store: &Store, key: &str) -> Option<String> {
    let entry = store.find(key).await.unwrap()?;
    Some(String::from_utf8(bytes(&entry.body().unwrap())).unwrap())
}

fn bytes(body: &Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::File(slice) => slice.read_all().unwrap().to_vec(),
        Body::Stream(_) => panic!("the store does not stream"),
    }
}

fn segment(name: &str, offset: u64, length: u64) -> Segment {
    Segment { name: name.into(), offset, length, etag: Some(HeaderValue::from_static("\"s\"")), content_type: None }
}
