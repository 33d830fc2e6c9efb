//! The one thread of this process that writes to the index. Works that wait together are written in one transaction,
//! and answered when it has been committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::Error;
use super::fitness::{Deed, Fitness};
use super::hot::Hot;
use super::values::Count;
use crate::telemetry::metrics::Metrics;

/// How many works may wait; more wait outside.
const QUEUE: usize = 1024;
/// How many works share a transaction.
const BATCH: usize = 128;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries, absences included.
    pub entries: u64,
    /// Remembered 404s and 410s.
    pub absences: u64,
    /// Content on disk, in bytes.
    pub bytes: u64,
    /// As much of it is pinned, in bytes.
    pub pinned: u64,
}

/// What the writer shares with everybody.
pub(super) struct Shared {
    pub(super) hot: Hot,
    pub(super) metrics: Arc<Metrics>,
    pub(super) fitness: Fitness,
    entries: AtomicU64,
    absences: AtomicU64,
    bytes: AtomicU64,
    pinned: AtomicU64,
    /// A transaction failed, so that content may lie about that no row knows of.
    pub(super) orphans: AtomicBool,
}

/// Takes works to the writing thread. The thread ends when the last of these is gone.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Command>);

enum Command {
    /// Shares a transaction with others.
    Together(Box<dyn Work>),
    /// Has the connection to itself, outside of any transaction.
    Alone(Alone),
}

/// Does its work, and returns what answers whoever waits.
type Alone = Box<dyn FnOnce(&Connection) -> Box<dyn FnOnce()> + Send>;

/// Something to write.
trait Work: Send {
    /// Writes, inside a transaction.
    fn write(&mut self, connection: &Connection);
    /// Answers whoever waits, after the transaction. Returns why it could not be done.
    fn end(self: Box<Self>, committed: Result<(), Error>) -> Option<Error>;
}

struct Task<T, W, A> {
    work: Option<W>,
    after: A,
    done: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
}

struct Thread {
    connection: Connection,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Command>,
    /// SQLite's count of other connections' commits.
    seen: i64,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(hot: Hot, metrics: Arc<Metrics>) -> Self {
        Self {
            hot,
            fitness: Fitness::new(metrics.store_failing.clone()),
            metrics,
            entries: AtomicU64::default(),
            absences: AtomicU64::default(),
            bytes: AtomicU64::default(),
            pinned: AtomicU64::default(),
            orphans: AtomicBool::default(),
        }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            entries: self.entries.load(Ordering::Relaxed),
            absences: self.absences.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            pinned: self.pinned.load(Ordering::Relaxed),
        }
    }

    /// Reads the totals that the index keeps.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn count(&self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare_cached("SELECT entries, absences, bytes, pinned FROM totals")?;
        let (Count(entries), Count(absences), Count(bytes), Count(pinned)) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        self.entries.store(entries, Ordering::Relaxed);
        self.absences.store(absences, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.pinned.store(pinned, Ordering::Relaxed);
        self.metrics.store_entries.set(entries as i64);
        self.metrics.store_bytes.set(bytes as i64);
        self.metrics.store_pinned_bytes.set(pinned as i64);
        Ok(())
    }
}

// === impl Writer ===

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// SQLite's, or the system's.
    pub(super) fn start(connection: Connection, shared: Arc<Shared>) -> Result<Self, Error> {
        shared.count(&connection)?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let seen = data_version(&connection)?;
        let thread = Thread { connection, shared, queue, seen };
        std::thread::Builder::new().name("store-writer".into()).spawn(move || thread.run())?;
        Ok(Self(sender))
    }

    /// Does `work` in a transaction that it may share with others; if it fails, only its own part is undone. `after`
    /// runs on the writing thread once the transaction is committed, in the order of the works.
    ///
    /// Not undone when the caller goes away.
    ///
    /// # Errors
    /// The work's, or the transaction's.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let task = Task { work: Some(work), after, done: None, answer };
        self.send(Command::Together(Box::new(task))).await?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Does `work` with the connection to itself.
    ///
    /// # Errors
    /// The work's.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work = move |connection: &Connection| -> Box<dyn FnOnce()> {
            let done = work(connection);
            // Whoever asked may have gone away; what was done stays.
            Box::new(move || drop(answer.send(done)))
        };
        self.send(Command::Alone(Box::new(work))).await?;
        answered.await.map_err(|_| Error::Closed)?
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.0.send(command).await.map_err(|_| Error::Closed)
    }
}

// === impl Task ===

impl<T, W, A> Work for Task<T, W, A>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, Error> + Send,
    A: FnOnce(&T) + Send,
{
    fn write(&mut self, connection: &Connection) {
        if let Some(work) = self.work.take() {
            self.done = Some(in_savepoint(connection, work));
        }
    }

    fn end(self: Box<Self>, committed: Result<(), Error>) -> Option<Error> {
        let result = match (self.done, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::Closed),
        };
        if let Ok(value) = &result {
            (self.after)(value);
        }
        let failed = result.as_ref().err().cloned();
        // Whoever asked may have gone away; what was written stays.
        drop(self.answer.send(result));
        failed
    }
}

fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let done = work(connection);
    if done.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    // After a full disk SQLite may have undone the whole transaction by itself; then no savepoint is left.
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE work")?.execute([])?;
    }
    done
}

// === impl Thread ===

impl Thread {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let (works, alone) = self.gather(first);
            self.look_around();
            self.transact(works);
            if let Some(alone) = alone {
                let answer = alone(&self.connection);
                self.recount();
                answer();
            }
        }
    }

    /// Takes what waits: works to be done together, and at most one that comes after them, alone.
    fn gather(&mut self, first: Command) -> (Vec<Box<dyn Work>>, Option<Alone>) {
        let mut works = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next.take() {
            match command {
                Command::Together(work) => works.push(work),
                Command::Alone(alone) => return (works, Some(alone)),
            }
            next = if works.len() < BATCH { self.queue.try_recv().ok() } else { None };
        }
        (works, None)
    }

    fn transact(&self, mut works: Vec<Box<dyn Work>>) {
        if works.is_empty() {
            return;
        }
        let committed = self.commit(&mut works);
        match &committed {
            Ok(()) => self.recount(),
            Err(_) => self.shared.orphans.store(true, Ordering::Relaxed),
        }
        for work in works {
            if let Some(error) = work.end(committed.clone()) {
                self.shared.fitness.failed(Deed::Write, &error);
            }
        }
    }

    fn commit(&self, works: &mut [Box<dyn Work>]) -> Result<(), Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        for work in works {
            work.write(&self.connection);
            if self.connection.is_autocommit() {
                return Err(Error::Full);
            }
        }
        let committed = self.connection.execute_batch("COMMIT").map_err(Error::from);
        if committed.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        committed
    }

    fn recount(&self) {
        if let Err(error) = self.shared.count(&self.connection) {
            self.shared.fitness.failed(Deed::Read, &error);
            tracing::warn!(error = &error as &dyn std::error::Error, "totals not read");
        }
    }

    /// Drops the hot tier when another process has written.
    fn look_around(&mut self) {
        match data_version(&self.connection) {
            Ok(found) if found == self.seen => {}
            Ok(found) => {
                self.seen = found;
                self.shared.hot.clear();
                self.recount();
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "index not watched"),
        }
    }
}

fn data_version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}
