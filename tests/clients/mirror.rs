//! Heliostat in front of the registry that this machine's npm is configured with, as a user would start it.

use crate::support::heliostat::{Builder, Heliostat};

/// Starts Heliostat on an empty data folder; it finds its upstream by itself.
pub async fn start() -> Heliostat {
    // Where npm keeps the registry's URL.
    let home = std::env::var("HOME").expect("whoever runs the tests has a home");
    patient().set("fetch", "attempts", "4").environment("HOME", &home).start().await
}

/// Waits by the defaults of config/heliostat.toml, where short waits suit an upstream on the same machine.
pub fn patient() -> Builder {
    let waits = [("connect_timeout", "\"5s\""), ("idle_timeout", "\"15s\""), ("first_byte_timeout", "\"6s\"")];
    waits.iter().fold(Heliostat::builder(), |builder, (key, value)| builder.set("fetch", key, value))
}

/// Stops the mirror and starts it on the same data and port, cut off from its upstream.
pub async fn go_offline(mirror: &mut Heliostat) {
    mirror.stop();
    mirror.reconfigure(|builder| builder.argument("--offline"));
    mirror.start().await;
}

/// Returns the URL a client is given, with a slash at the end.
pub fn registry(mirror: &Heliostat) -> String {
    format!("{}/npm/", mirror.url())
}

/// Counts the tarballs fetched from upstream since the process started.
pub async fn tarballs_fetched(mirror: &Heliostat) -> u64 {
    let mut fetched = 0.0;
    for state in ["miss", "joined", "expired", "revalidated"] {
        let labels = [("action", "tarball"), ("status", "200"), ("cache", state)];
        fetched += mirror.metric("heliostat_requests_total", &labels).await;
    }
    fetched as u64
}
