//! What of a configuration is settled when the server starts, and what may change while it runs.

use std::collections::BTreeSet;

use super::{Config, Limits, Listen, Log};

impl Config {
    /// Names the settings of `newer` that differ from these and need a restart. The rest is taken over by a reload: mounts,
    /// mirrors of binaries, `public_url`, `offline`, `log.filter`, `limits.request_body_bytes` and `[accounts]`.
    pub fn needs_restart(&self, newer: &Self) -> Vec<&'static str> {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            listen,
            data,
            offline: _,
            log,
            store,
            fetch,
            limits,
            overlay,
            accounts: _,
            hooks,
            sync,
            mounts: _,
            schedules,
            binaries: _,
        } = self;
        // Those of single mounts are among the addresses.
        let Listen { addresses: _, public_url: _, trusted_proxies, threads, tls } = listen;
        let addresses = |config: &Self| config.addresses().copied().collect::<BTreeSet<_>>();
        let Log { filter: _, format, access } = log;
        [
            ("listen", addresses(self) != addresses(newer)),
            ("trusted_proxies", *trusted_proxies != newer.listen.trusted_proxies),
            ("threads", *threads != newer.listen.threads),
            ("tls", *tls != newer.listen.tls),
            ("data", *data != newer.data),
            ("log.format", *format != newer.log.format),
            ("log.access", *access != newer.log.access),
            ("store", *store != newer.store),
            ("fetch", *fetch != newer.fetch),
            ("overlay", *overlay != newer.overlay),
            ("hooks", *hooks != newer.hooks),
            ("sync", *sync != newer.sync),
            ("schedule", *schedules != newer.schedules),
        ]
        .into_iter()
        .chain(limits.differ(&newer.limits))
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

impl Limits {
    fn differ(&self, newer: &Self) -> [(&'static str, bool); 12] {
        let Self {
            request_body_bytes: _,
            request_bodies_bytes,
            request_head_bytes,
            request_headers,
            head_timeout,
            body_idle_timeout,
            body_bytes_per_second,
            keep_alive_timeout,
            connections,
            connections_per_address,
            requests_per_second,
            in_flight,
            stream_buffer_bytes,
        } = self;
        [
            ("limits.request_bodies_bytes", *request_bodies_bytes != newer.request_bodies_bytes),
            ("limits.request_head_bytes", *request_head_bytes != newer.request_head_bytes),
            ("limits.request_headers", *request_headers != newer.request_headers),
            ("limits.head_timeout", *head_timeout != newer.head_timeout),
            ("limits.body_idle_timeout", *body_idle_timeout != newer.body_idle_timeout),
            ("limits.body_bytes_per_second", *body_bytes_per_second != newer.body_bytes_per_second),
            ("limits.keep_alive_timeout", *keep_alive_timeout != newer.keep_alive_timeout),
            ("limits.connections", *connections != newer.connections),
            ("limits.connections_per_address", *connections_per_address != newer.connections_per_address),
            ("limits.requests_per_second", *requests_per_second != newer.requests_per_second),
            ("limits.in_flight", *in_flight != newer.in_flight),
            ("limits.stream_buffer_bytes", *stream_buffer_bytes != newer.stream_buffer_bytes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogFormat, Tls};

    fn changed(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        let mut newer = Config::default();
        change(&mut newer);
        Config::default().needs_restart(&newer)
    }

    #[test]
    fn what_needs_a_restart_is_named_and_the_rest_is_not() {
        assert_eq!(changed(|_| {}), Vec::<&str>::new());
        let taken_over = |config: &mut Config| {
            config.offline = true;
            config.log.filter = "debug".to_owned();
            config.limits.request_body_bytes += 1;
            config.listen.public_url = Some("https://mirror.example/".parse::<url::Url>().unwrap().into());
            config.mounts[0].passthrough = false;
        };
        assert_eq!(changed(taken_over), Vec::<&str>::new());
        let tls = || Tls { certificate: "c.pem".into(), key: "k.pem".into() };
        assert_eq!(changed(|config| config.listen.tls = Some(tls())), ["tls"]);
        assert_eq!(changed(|config| config.listen.threads = 3), ["threads"]);
        assert_eq!(changed(|config| config.listen.addresses[0].set_port(1)), ["listen"]);
        let own = || vec!["127.0.0.1:4871".parse().unwrap()];
        assert_eq!(changed(|config| config.mounts[0].listen = own()), ["listen"]);
        assert_eq!(changed(|config| config.data = "elsewhere".into()), ["data"]);
        assert_eq!(changed(|config| config.log.format = LogFormat::Json), ["log.format"]);
        assert_eq!(changed(|config| config.log.access = false), ["log.access"]);
        assert_eq!(changed(|config| config.limits.in_flight = 1), ["limits.in_flight"]);
        assert_eq!(changed(|config| config.limits.stream_buffer_bytes += 1), ["limits.stream_buffer_bytes"]);
        assert_eq!(changed(|config| config.limits.request_headers += 1), ["limits.request_headers"]);
        assert_eq!(changed(|config| config.limits.head_timeout *= 2), ["limits.head_timeout"]);
        assert_eq!(changed(|config| config.limits.connections_per_address = 0), ["limits.connections_per_address"]);
        let several = |config: &mut Config| {
            config.fetch.attempts = 9;
            config.store.scrub_days = 9;
        };
        assert_eq!(changed(several), ["store", "fetch"]);
    }
}
