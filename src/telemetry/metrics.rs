//! Every number we count, in one struct. A field's doc comment is its help text in `/metrics`.

use std::sync::OnceLock;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::base::http::Note;

/// The content type of [`Metrics::render`]. Source: Prometheus text exposition format 0.0.4.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many different requests of one mount are counted without a look-up by label.
const SLOTS: usize = 256;

/// Seconds that upstreams take, from a near one's 304 to a distant one's worst day.
const UPSTREAM_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Declares the struct and its constructor from one list, so that no metric can be left unregistered.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ty = $name:literal $labels:expr;)+) => {
        /// Every metric there is.
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl Metrics {
            /// Makes all metrics, at zero.
            ///
            /// # Errors
            /// The metrics library's, when two of them have one name.
            pub fn new() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(let $field = <$kind>::build($name, concat!($($help),+).trim(), &$labels)?;
                registry.register(Box::new($field.clone()))?;)+
                Ok(Self { registry, $($field,)+ })
            }
        }
    };
}

metrics! {
    /// Requests answered, by mount, what was asked, status code and how the cache took part.
    requests: IntCounterVec = "heliostat_requests_total" ["mount", "action", "status", "cache"];
    /// Body bytes received from upstreams.
    bytes_in: IntCounter = "heliostat_bytes_in_total" [];
    /// Body bytes sent to clients.
    bytes_out: IntCounter = "heliostat_bytes_out_total" [];
    /// Connections of clients closed at once, since there were too many.
    connections_refused: IntCounter = "heliostat_connections_refused_total" [];
    /// Time from asking an upstream until its reply's header.
    upstream_seconds: HistogramVec = "heliostat_upstream_seconds" ["host"];
    /// Upstream requests that failed, by host and kind of fault.
    upstream_errors: IntCounterVec = "heliostat_upstream_errors_total" ["host", "kind"];
    /// Hosts whose breaker is open (1) or closed (0).
    breaker_open: IntGaugeVec = "heliostat_breaker_open" ["host"];
    /// Fills that are running.
    fills_in_flight: IntGauge = "heliostat_fills_in_flight" [];
    /// Requests that ride along with a fill.
    waiters: IntGauge = "heliostat_waiters" [];
    /// Bodies refused because a proof failed, by kind of proof.
    proofs_failed: IntCounterVec = "heliostat_proofs_failed_total" ["kind"];
    /// Releases that were proved and that a later document of their package lacks: withdrawn, or an old one replayed.
    releases_lost: IntCounter = "heliostat_releases_lost_total" [];
    /// Bytes kept on disk.
    store_bytes: IntGauge = "heliostat_store_bytes" [];
    /// Bytes kept on disk that are pinned, and never evicted.
    store_pinned_bytes: IntGauge = "heliostat_store_pinned_bytes" [];
    /// Entries kept on disk.
    store_entries: IntGauge = "heliostat_store_entries" [];
    /// Whether the store can no longer be read or written (1) or works (0).
    store_failing: IntGauge = "heliostat_store_failing" [];
    /// Look-ups in the memory tier, by result.
    hot_requests: IntCounterVec = "heliostat_hot_requests_total" ["result"];
    /// Entries whose bytes no longer had their digest when they were read again.
    scrub_broken: IntCounter = "heliostat_scrub_broken_total" [];
}

/// Counts the requests of one mount without hashing labels and without a lock.
pub struct Tally {
    requests: IntCounterVec,
    mount: String,
    slots: [OnceLock<Slot>; SLOTS],
}

struct Slot {
    note: Note,
    status: u16,
    counter: IntCounter,
}

/// A metric that can be made from its name, help and labels.
trait Build: Sized {
    fn build(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

// === impl Metrics ===

impl Metrics {
    /// Returns a counter of the requests of one mount.
    pub fn tally(&self, mount: impl Into<String>) -> Tally {
        Tally { requests: self.requests.clone(), mount: mount.into(), slots: [const { OnceLock::new() }; SLOTS] }
    }

    /// Prints all metrics in Prometheus' text format, [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// The metrics library's.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

// === impl Tally ===

impl Tally {
    /// Counts one request.
    pub fn count(&self, note: Note, status: u16) {
        let start = slot_of(note, status);
        for step in 0..SLOTS {
            let slot = self.slots[(start + step) % SLOTS].get_or_init(|| self.slot(note, status));
            if slot.note == note && slot.status == status {
                slot.counter.inc();
                return;
            }
        }
        // More kinds than slots: right, only slower.
        self.slot(note, status).counter.inc();
    }

    fn slot(&self, note: Note, status: u16) -> Slot {
        let code = status.to_string();
        let labels = [self.mount.as_str(), note.action, &code, note.cache.as_str()];
        Slot { note, status, counter: self.requests.with_label_values(&labels) }
    }
}

/// Spreads the few kinds of request that there are over the slots.
fn slot_of(note: Note, status: u16) -> usize {
    let action = note.action.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    action.wrapping_add(usize::from(status) * 7 + note.cache as usize * 3)
}

// === impl Build ===

impl Build for IntCounter {
    fn build(name: &str, help: &str, _labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(name, help)
    }
}

impl Build for IntGauge {
    fn build(name: &str, help: &str, _labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(name, help)
    }
}

impl Build for IntCounterVec {
    fn build(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Build for IntGaugeVec {
    fn build(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Build for HistogramVec {
    fn build(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(HistogramOpts::new(name, help).buckets(UPSTREAM_SECONDS.to_vec()), labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::http::CacheState;

    fn rendered(metrics: &Metrics) -> String {
        String::from_utf8(metrics.render().unwrap()).unwrap()
    }

    #[test]
    fn the_doc_comment_is_the_help_text() {
        let text = rendered(&Metrics::new().unwrap());
        assert!(text.contains("# HELP heliostat_waiters Requests that ride along with a fill.\n"), "{text}");
    }

    #[test]
    fn requests_are_counted_by_what_they_were() {
        let metrics = Metrics::new().unwrap();
        let (tally, other) = (metrics.tally("npm"), metrics.tally("two"));
        let hit = Note { action: "packument", cache: CacheState::Hit, ..Note::default() };
        for _ in 0..3 {
            tally.count(hit, 200);
        }
        tally.count(hit, 304);
        tally.count(Note { cache: CacheState::Miss, ..hit }, 200);
        other.count(hit, 200);
        let text = rendered(&metrics);
        for line in [
            r#"heliostat_requests_total{action="packument",cache="hit",mount="npm",status="200"} 3"#,
            r#"heliostat_requests_total{action="packument",cache="hit",mount="npm",status="304"} 1"#,
            r#"heliostat_requests_total{action="packument",cache="miss",mount="npm",status="200"} 1"#,
            r#"heliostat_requests_total{action="packument",cache="hit",mount="two",status="200"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn counting_goes_on_when_all_slots_are_taken() {
        let metrics = Metrics::new().unwrap();
        let tally = metrics.tally("npm");
        for status in 100..700 {
            tally.count(Note::default(), status);
        }
        tally.count(Note::default(), 699);
        assert!(rendered(&metrics).contains(r#"status="699"} 2"#));
    }
}
