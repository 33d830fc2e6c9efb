//! Single flight: at most one fill a key is under way, and everybody who wants the key rides along.
//!
//! The fill publishes what it has in blocks; a rider takes them from a small window in memory, or from the temporary
//! file when it is too slow for the window. So neither a slow rider nor the length of the object costs memory, and no
//! rider ever holds the fill back. The last [`WITHHELD`] bytes are published only when all proofs hold.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use prometheus::IntGauge;
use tokio::sync::watch;

use super::error::Error;
use super::fetch::Response;
use super::resource::Kind;
use super::store::{Entry, Http};
use crate::base::fs::{Slice, Temp};
use crate::base::http::{Cut, Source, WITHHELD};

/// How much of a running fill is held in memory for its riders, in bytes.
const WINDOW: usize = 2 * 1024 * 1024;

/// How much a rider that fell behind the window reads from disk at once, in bytes: there may be a thousand of them.
const READ: usize = 16 * 1024;

/// The fills under way.
pub struct Flights {
    /// Held for a few lines only, never across an await.
    running: Mutex<HashMap<String, Arc<Flight>>>,
    in_flight: IntGauge,
    waiters: IntGauge,
}

/// One fill under way, as its riders see it.
pub struct Flight {
    progress: watch::Sender<Progress>,
    body: OnceLock<LiveBody>,
}

/// How far a fill is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Bytes that may be handed out.
    released: u64,
    landed: Option<Landed>,
}

/// How a fill ended.
#[derive(Clone, Debug)]
pub enum Landed {
    /// Proved; kept, or at least held until its last reader is done when the disk is full.
    Held {
        entry: Arc<Entry>,
        change: Change,
    },
    /// May not be kept, nor shared.
    Passed(Handed),
    Failed(Error),
}

/// An answer for one rider, its body still at the upstream: whoever takes it reads it from there.
#[derive(Clone)]
pub struct Handed(Arc<Mutex<Option<Response>>>);

/// What a fill found out about the entry there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none.
    New,
    /// Upstream said that it still holds.
    Same,
    /// Another has taken its place.
    Replaced,
    /// Another fill has brought it, before this one had begun.
    Before,
}

/// The head of a body that is still coming.
#[derive(Clone, Debug)]
pub struct Head {
    /// What it is going to be kept under.
    pub key: String,
    pub status: u16,
    pub http: Http,
}

/// A body that is still coming.
pub struct LiveBody {
    pub head: Head,
    /// The whole length in bytes, where upstream told it.
    pub length: Option<u64>,
    /// Where the bytes are written; held for a few lines only.
    temp: Mutex<Slice>,
    /// The newest blocks, each with its offset. Held for a few lines only.
    window: Mutex<VecDeque<(u64, Bytes)>>,
}

/// The fill's end of a flight: whatever becomes of the fill, its riders are told.
pub struct Pilot {
    flights: Arc<Flights>,
    key: String,
    flight: Arc<Flight>,
    landed: bool,
}

/// A rider's end of a flight.
pub struct Rider {
    flight: Arc<Flight>,
    progress: watch::Receiver<Progress>,
    waiters: IntGauge,
}

/// What a rider first sees of a flight.
pub enum Sight {
    /// A body is coming.
    Body,
    Landed(Landed),
}

// === impl Flights ===

impl Flights {
    pub fn new(in_flight: IntGauge, waiters: IntGauge) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), in_flight, waiters })
    }

    /// Boards the fill of `key`. Whoever comes first is also given its [`Pilot`], and must start the fill.
    pub fn board(self: &Arc<Self>, key: &str) -> (Rider, Option<Pilot>) {
        let mut running = lock(&self.running);
        if let Some(flight) = running.get(key) {
            return (self.rider(flight), None);
        }
        let flight = Arc::new(Flight { progress: watch::Sender::default(), body: OnceLock::new() });
        running.insert(key.to_owned(), Arc::clone(&flight));
        self.in_flight.inc();
        let pilot =
            Pilot { flights: Arc::clone(self), key: key.to_owned(), flight: Arc::clone(&flight), landed: false };
        (self.rider(&flight), Some(pilot))
    }

    fn rider(&self, flight: &Arc<Flight>) -> Rider {
        self.waiters.inc();
        Rider { flight: Arc::clone(flight), progress: flight.progress.subscribe(), waiters: self.waiters.clone() }
    }
}

// === impl Handed ===

impl Handed {
    pub fn new(response: Response) -> Self {
        Self(Arc::new(Mutex::new(Some(response))))
    }

    /// Takes the answer; `None` when somebody else has.
    pub fn take(&self) -> Option<Response> {
        lock(&self.0).take()
    }
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Handed(…)")
    }
}

// === impl Pilot ===

impl Pilot {
    /// Lets riders follow a body as it comes.
    pub fn stream(&self, head: Head, length: Option<u64>, temp: &Temp) {
        let body = LiveBody { head, length, temp: Mutex::new(temp.slice(u64::MAX)), window: Mutex::default() };
        let first = self.flight.body.set(body).is_ok();
        debug_assert!(first, "a fill has one body");
    }

    /// Tells the riders that the bytes, all of those so far included, are written elsewhere from now on.
    pub fn moved(&self, temp: &Temp) {
        if let Some(body) = self.flight.body.get() {
            *lock(&body.temp) = temp.slice(u64::MAX);
        }
    }

    /// Adds a block that has been written to the temporary file at `offset`, and hands out all but the last
    /// [`WITHHELD`] bytes of what there is.
    pub fn publish(&self, offset: u64, block: Bytes) {
        let Some(body) = self.flight.body.get() else { return };
        let end = offset + block.len() as u64;
        body.remember(offset, block);
        self.release(end.saturating_sub(WITHHELD));
    }

    /// Tells whether riders follow a body already.
    pub fn is_streaming(&self) -> bool {
        self.flight.body.get().is_some()
    }

    /// Tells whether bytes have been handed out that cannot be taken back.
    pub fn released(&self) -> u64 {
        self.flight.progress.borrow().released
    }

    /// Hands out everything up to `end`: the proofs hold. Where no body is streamed, riders get it when it has landed.
    pub fn release(&self, end: u64) {
        if self.flight.body.get().is_none() {
            return;
        }
        self.flight.progress.send_if_modified(|progress| {
            let more = end > progress.released;
            progress.released = progress.released.max(end);
            more
        });
    }

    /// Ends the flight.
    pub fn land(mut self, landed: Landed) {
        self.end(landed);
    }

    fn end(&mut self, landed: Landed) {
        self.landed = true;
        lock(&self.flights.running).remove(&self.key);
        self.flights.in_flight.dec();
        self.flight.progress.send_modify(|progress| progress.landed = Some(landed));
        // Riders that are still under way read the file from here on: memory is for running fills only.
        if let Some(body) = self.flight.body.get() {
            lock(&body.window).clear();
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if !self.landed {
            self.end(Landed::Failed(Error::Died));
        }
    }
}

// === impl LiveBody ===

impl LiveBody {
    fn remember(&self, offset: u64, block: Bytes) {
        let mut window = lock(&self.window);
        window.push_back((offset, block));
        let mut held: usize = window.iter().map(|(_, block)| block.len()).sum();
        while held > WINDOW
            && let Some((_, oldest)) = window.pop_front()
        {
            held -= oldest.len();
        }
    }

    /// Returns bytes from `position` on that are still in memory, none beyond `end`.
    fn recent(&self, position: u64, end: u64) -> Option<Bytes> {
        let window = lock(&self.window);
        let (offset, block) =
            window.iter().rev().find(|(offset, block)| (*offset..offset + block.len() as u64).contains(&position))?;
        let start = (position - offset) as usize;
        let stop = block.len().min((end - offset) as usize);
        Some(block.slice(start..stop))
    }
}

// === impl Rider ===

impl Rider {
    /// Waits until there is something to answer with. What streams can be followed from its first byte on, a small
    /// body when all of it is proved, so that its failure is still an answer; a document only when it has landed.
    pub async fn sight(&mut self, kind: Kind) -> Sight {
        let seen = self
            .progress
            .wait_for(|progress| progress.landed.is_some() || (progress.released > 0 && kind != Kind::Document))
            .await;
        match seen {
            Ok(progress) => progress.landed.clone().map_or(Sight::Body, Sight::Landed),
            Err(_) => Sight::Landed(Landed::Failed(Error::Died)),
        }
    }

    /// Returns the head of the body that is coming.
    pub fn body(&self) -> Option<&LiveBody> {
        self.flight.body.get()
    }

    /// Follows the body from its start.
    pub fn follow(self) -> Following {
        Following { rider: self, position: 0 }
    }

    async fn landed(&mut self) -> Landed {
        match self.progress.wait_for(|progress| progress.landed.is_some()).await {
            Ok(progress) => progress.landed.clone().expect("that is what was waited for"),
            Err(_) => Landed::Failed(Error::Died),
        }
    }
}

impl Drop for Rider {
    fn drop(&mut self) {
        self.waiters.dec();
    }
}

/// A rider's body.
pub struct Following {
    rider: Rider,
    position: u64,
}

impl Following {
    /// Waits for bytes beyond the position: where they end, or `None` when there are no more to come.
    async fn more(&mut self) -> Option<Result<u64, Error>> {
        let position = self.position;
        let progress =
            self.rider.progress.wait_for(|progress| progress.released > position || progress.landed.is_some()).await;
        match progress.as_deref() {
            Ok(progress) if progress.released > position => Some(Ok(progress.released)),
            Ok(Progress { landed: Some(Landed::Failed(error)), .. }) => Some(Err(error.clone())),
            Ok(_) => None,
            Err(_) => Some(Err(Error::Died)),
        }
    }

    async fn read(&self, end: u64) -> Result<Bytes, Error> {
        let body = self.rider.body().ok_or(Error::Died)?;
        if let Some(bytes) = body.recent(self.position, end) {
            return Ok(bytes);
        }
        let want = (end - self.position).min(READ as u64) as usize;
        let temp = lock(&body.temp).clone();
        let read = temp.read_at(BytesMut::zeroed(want), self.position).await.map_err(Error::disk)?;
        if read.is_empty() { Err(Error::Died) } else { Ok(read.freeze()) }
    }
}

#[async_trait]
impl Source for Following {
    fn length(&self) -> Option<u64> {
        self.rider.body()?.length
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let read = match self.more().await? {
            Ok(end) => self.read(end).await,
            Err(error) => Err(error),
        };
        Some(read.inspect(|bytes| self.position += bytes.len() as u64).map_err(|error| Cut(Arc::new(error))))
    }

    fn seek(&mut self, position: u64) -> bool {
        self.position = position;
        true
    }

    async fn whole(mut self: Box<Self>) -> Result<Slice, Cut> {
        let cut = |error: Error| Cut(Arc::new(error));
        match self.rider.landed().await {
            Landed::Failed(error) => Err(cut(error)),
            Landed::Passed(_) => Err(cut(Error::Died)),
            Landed::Held { entry, .. } => entry.slice().map_err(|error| cut(error.into())),
        }
    }
}

/// A panic while one of these locks is held leaves the data whole: every critical section is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
