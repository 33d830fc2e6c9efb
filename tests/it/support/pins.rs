//! Pins what a process keeps, as another one that has its store open.

use std::sync::Arc;

use heliostat::base::clock::Clock;
use heliostat::config;
use heliostat::mirror::store::Store;
use heliostat::telemetry::metrics::Metrics;

use super::heliostat::Heliostat;

impl Heliostat {
    /// Stops the process, pins what has such keys, and starts it again. Returns how many entries that were.
    pub async fn pin(&mut self, chosen: impl Fn(&str) -> bool) -> usize {
        self.stop();
        let (directory, metrics) = (self.data().join("cache").join("v1"), Metrics::new().expect("metrics"));
        let store = Store::open(&directory, config::Store::default(), Clock::default(), Arc::new(metrics));
        let store = store.expect("the store of a process that has ended");
        let keys = store.keys_below("").await.expect("an index that can be read");
        let chosen: Vec<_> = keys.iter().filter(|key| chosen(key)).collect();
        for key in &chosen {
            assert!(store.pin(key, true).await.expect("an index that can be written"), "{key} is gone");
        }
        store.close().await.expect("all is on the disk");
        self.start().await;
        chosen.len()
    }
}
