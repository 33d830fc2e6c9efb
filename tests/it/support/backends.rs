//! PostgreSQL and an S3-compatible store behind one or several nodes, gone with the test.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::heliostat::Builder;
use super::server::Server;
use super::store::{KEYS, Store};

const BUCKET: &str = "published";
/// What all nodes seal secrets with.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Both servers.
pub struct Backends {
    /// `None` once it was stopped.
    database: Option<Server>,
    store: Store,
    /// Where the store keeps what is published.
    bucket: PathBuf,
}

impl Backends {
    /// Starts both; `None` after saying aloud what is missing, which in CI is a failure.
    pub fn start() -> Option<Self> {
        let started = Server::start().and_then(|database| {
            let store = Store::start()?;
            let bucket = store.bucket(BUCKET);
            Ok(Self { database: Some(database), store, bucket })
        });
        let why = match started {
            Ok(backends) => return Some(backends.answering()),
            Err(why) => why,
        };
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL and S3 are needed in CI: {why}");
        // Not by a macro: the harness would keep it to itself when the test passes.
        writeln!(std::io::stderr(), "SKIPPED: several nodes: {why}").expect("stderr can be written");
        None
    }

    /// Puts what is written at a node there.
    pub fn behind(&self, node: Builder) -> Builder {
        let quoted = |text: &str| format!("{text:?}");
        node.set("overlay", "database", &quoted(&self.database().url("postgres")))
            .set("overlay", "key", &quoted(KEY))
            .set("overlay.s3", "endpoint", &quoted(&self.store.endpoint()))
            .set("overlay.s3", "bucket", &quoted(BUCKET))
            .set("overlay.s3", "prefix", &quoted("p"))
            .set("overlay.s3", "access_key", &quoted(KEYS.0))
            .set("overlay.s3", "secret_key", &quoted(KEYS.1))
    }

    /// Returns the directory of published bytes.
    pub fn bucket(&self) -> &Path {
        &self.bucket
    }

    /// Stops the database.
    pub fn stop_database(&mut self) {
        self.database = None;
    }

    fn database(&self) -> &Server {
        self.database.as_ref().expect("a database that runs")
    }

    fn answering(self) -> Self {
        let (start, database) = (Instant::now(), self.database());
        while TcpStream::connect(("127.0.0.1", database.port())).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "PostgreSQL does not answer:\n{}", database.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        self
    }
}
