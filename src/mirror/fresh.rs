//! Freshness, as pure decisions over times: may a kept entry be served, must upstream be asked, may it be served all
//! the same when upstream cannot be asked.
//!
//! What an upstream's headers mean is judged once, by http-cache-semantics, when a response arrives ([`Lifetimes`]); a
//! hit compares instants. Source: RFC 9111 §4.2, RFC 5861.

use std::time::{Duration, SystemTime};

use http::header::{CACHE_CONTROL, ETAG, EXPIRES, LAST_MODIFIED, PRAGMA};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};
use serde::{Deserialize, Serialize};

use super::resource::{Kind, Rules};
use super::store::Http;

/// An entry validated this short a time ago is new enough even for a client that wants none from a cache: many
/// clients that insist at once make one upstream request.
const JUST_VALIDATED: Duration = Duration::from_secs(1);

/// Longer times than this mean no more than this. Source: RFC 9111 §1.2.2.
const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// What upstream's headers allow, counted from the moment they arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// `None`: upstream said nothing at all.
    pub fresh: Option<Duration>,
    /// How old the response was already (`Age`).
    pub age: Duration,
    /// For how long it had been stale already; only known of files.
    #[serde(default)]
    pub overdue: Duration,
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    /// Upstream forbids to serve it stale (`must-revalidate`, `proxy-revalidate`, `no-store`).
    pub never_stale: bool,
}

/// What a client asks of caches. Source: RFC 9111 §5.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Not older than this; zero for `no-cache`.
    pub max_age: Option<Duration>,
    /// Fresh for at least this much longer.
    pub min_fresh: Duration,
    /// Not stale for longer than this.
    pub max_stale: Option<Duration>,
    /// Nothing of the answer may be stored.
    pub no_store: bool,
    /// 504 rather than asking upstream.
    pub only_if_cached: bool,
    /// What upstream says now, and nothing older: the client is about to edit, or knows of something newer.
    pub newest: bool,
    /// Upstream's own failure rather than what is held, and no memory of earlier ones: who asks is to learn how upstream
    /// fares.
    pub strict: bool,
}

/// What may be done with a kept entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fresh,
    /// Serve it and ask upstream meanwhile.
    FreshEnough,
    /// Serve it: it is stale, and the client does not mind.
    Accepted,
    Stale,
}

/// The times of an entry that matter here.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub kind: Kind,
    /// Whether it is a remembered 404 or 410.
    pub absence: bool,
    /// Whether it was fetched to be there when upstream is not.
    pub pinned: bool,
    pub validated_at: SystemTime,
    pub lifetimes: Lifetimes,
}

/// Judges an entry.
pub fn judge(times: &Times, rules: &Rules, demand: &Demand, now: SystemTime) -> Verdict {
    if times.kind == Kind::Artifact && !times.absence {
        return Verdict::Fresh;
    }
    let age = age(times, now);
    let since = now.duration_since(times.validated_at).unwrap_or_default();
    if demand.newest {
        return Verdict::Stale;
    }
    if demand.max_age.is_some_and(|limit| age > limit) && since > JUST_VALIDATED {
        return Verdict::Stale;
    }
    let lifetime = lifetime(times, rules);
    if since.saturating_add(demand.min_fresh) < lifetime {
        return Verdict::Fresh;
    }
    let grace = rules.stale_while_revalidate.max(times.lifetimes.stale_while_revalidate);
    let may_be_stale = !times.absence && !times.lifetimes.never_stale;
    if may_be_stale && since < lifetime.saturating_add(grace) { Verdict::FreshEnough } else { Verdict::Stale }
}

/// Tells whether an entry that is no longer fresh may be served because upstream cannot be asked. What is pinned may be
/// for ever: there the operator's word stands against upstream's.
pub fn may_serve_stale(times: &Times, rules: &Rules, now: SystemTime) -> bool {
    let since = now.duration_since(times.validated_at).unwrap_or_default();
    let grace = rules.stale_if_error.max(times.lifetimes.stale_if_error);
    let is_allowed = !times.lifetimes.never_stale && since < lifetime(times, rules).saturating_add(grace);
    !times.absence && (times.pinned || is_allowed)
}

/// Returns how old the entry is now. Source: RFC 9111 §4.2.3.
pub fn age(times: &Times, now: SystemTime) -> Duration {
    times.lifetimes.age.saturating_add(now.duration_since(times.validated_at).unwrap_or_default())
}

/// Returns how much longer an entry is fresh; zero when it is not.
pub fn remaining(times: &Times, rules: &Rules, now: SystemTime) -> Duration {
    lifetime(times, rules).saturating_sub(now.duration_since(times.validated_at).unwrap_or_default())
}

fn lifetime(times: &Times, rules: &Rules) -> Duration {
    if times.absence {
        return rules.negative_ttl;
    }
    times.lifetimes.fresh.map_or(rules.max_ttl, |fresh| fresh.clamp(rules.min_ttl.min(rules.max_ttl), rules.max_ttl))
}

impl Lifetimes {
    /// Reads what a response allows.
    pub fn of(request: &http::Request<()>, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Self {
        let mut response = http::Response::new(());
        (*response.status_mut(), *response.headers_mut()) = (status, headers.clone());
        let policy = CachePolicy::new_options(request, &response, now, CacheOptions::default());
        let (left, storable, directives) = (policy.time_to_live(now), policy.is_storable(), directives(headers));
        let silent = left.is_zero() && !speaks_of_freshness(headers);
        Self {
            fresh: (!silent).then_some(if storable { left } else { Duration::ZERO }),
            age: policy.age(now).min(MAX_DELTA),
            overdue: Duration::ZERO,
            stale_while_revalidate: seconds(&directives, "stale-while-revalidate").unwrap_or_default(),
            stale_if_error: seconds(&directives, "stale-if-error").unwrap_or_default(),
            never_stale: !storable
                || directives.iter().any(|(name, _)| matches!(name.as_str(), "must-revalidate" | "proxy-revalidate")),
        }
    }
}

/// Returns the HTTP facts of an entry that upstream has just confirmed by a 304 with these headers; `None` when the 304
/// speaks of another state than the one held. Source: RFC 9111 §4.3.4.
pub fn renewed(held: &Http, request: &http::Request<()>, headers: &HeaderMap, now: SystemTime) -> Option<Http> {
    let opaque = |etag: &HeaderValue| etag.as_bytes().strip_prefix(b"W/").unwrap_or(etag.as_bytes()).to_vec();
    let other = |held: &HeaderValue, now: &HeaderValue| opaque(held) != opaque(now);
    if held.etag.as_ref().zip(headers.get(ETAG)).is_some_and(|(held, now)| other(held, now)) {
        return None;
    }
    let said = Lifetimes::of(request, StatusCode::OK, headers, now);
    // A 304 that says nothing of freshness leaves what was said before.
    let lifetimes = if speaks_of_freshness(headers) { said } else { Lifetimes { age: said.age, ..held.lifetimes } };
    let last_modified = headers.get(LAST_MODIFIED).or(held.last_modified.as_ref()).cloned();
    Some(Http { lifetimes, last_modified, ..held.clone() })
}

fn speaks_of_freshness(headers: &HeaderMap) -> bool {
    [CACHE_CONTROL, EXPIRES, PRAGMA].iter().any(|name| headers.contains_key(name))
}

impl Demand {
    /// Asks for nothing in particular.
    pub const NONE: Self = Self {
        max_age: None,
        min_fresh: Duration::ZERO,
        max_stale: None,
        no_store: false,
        only_if_cached: false,
        newest: false,
        strict: false,
    };

    /// Returns the demand of a client that knows of something newer than what is held.
    pub fn newest(&self) -> Self {
        Self { newest: true, only_if_cached: self.only_if_cached, strict: self.strict, ..Self::NONE }
    }

    /// Returns the demand of who brings up to date what is held, and must know when that fails.
    pub fn strict(&self) -> Self {
        Self { strict: true, ..self.newest() }
    }

    /// Reads a client's `Cache-Control` and `Pragma`.
    pub fn of(request: &HeaderMap) -> Self {
        if !request.contains_key(CACHE_CONTROL) && !request.contains_key(PRAGMA) {
            return Self::default();
        }
        let directives = directives(request);
        let has = |wanted: &str| directives.iter().any(|(name, _)| name == wanted);
        let pragma = !request.contains_key(CACHE_CONTROL)
            && request.get(PRAGMA).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache"));
        Self {
            max_age: if has("no-cache") || pragma { Some(Duration::ZERO) } else { seconds(&directives, "max-age") },
            min_fresh: seconds(&directives, "min-fresh").unwrap_or_default(),
            // Without a time, any. Source: RFC 9111 §5.2.1.2.
            max_stale: has("max-stale").then(|| max_stale(&directives)).flatten(),
            no_store: has("no-store"),
            only_if_cached: has("only-if-cached"),
            newest: false,
            strict: false,
        }
    }
}

/// Reads how stale an answer may be; a time that cannot be read is none.
fn max_stale(directives: &[(String, String)]) -> Option<Duration> {
    let any = directives.iter().any(|(name, value)| name == "max-stale" && value.is_empty());
    if any { Some(Duration::MAX) } else { seconds(directives, "max-stale") }
}

fn directives(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
        })
        .collect()
}

fn seconds(directives: &[(String, String)], wanted: &str) -> Option<Duration> {
    let (_, value) = directives.iter().find(|(name, _)| name == wanted)?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large to read is as good as the largest. Source: RFC 9111 §1.2.2.
    digits.then(|| value.parse().map_or(MAX_DELTA, Duration::from_secs).min(MAX_DELTA))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn rules() -> Rules {
        Rules {
            min_ttl: secs(0),
            max_ttl: secs(300),
            negative_ttl: secs(60),
            stale_while_revalidate: secs(0),
            stale_if_error: secs(3600),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn request() -> http::Request<()> {
        http::Request::get("https://registry.example/a").body(()).unwrap()
    }

    fn read(pairs: &[(&'static str, &str)]) -> Lifetimes {
        Lifetimes::of(&request(), StatusCode::OK, &headers(pairs), SystemTime::UNIX_EPOCH + secs(1 << 30))
    }

    fn times(lifetimes: Lifetimes) -> Times {
        let validated_at = SystemTime::UNIX_EPOCH + secs(1000);
        Times { kind: Kind::Document, absence: false, pinned: false, validated_at, lifetimes }
    }

    fn verdict_after(seconds: u64, lifetimes: Lifetimes, demand: Demand) -> Verdict {
        let times = times(lifetimes);
        judge(&times, &rules(), &demand, times.validated_at + secs(seconds))
    }

    #[test]
    fn upstreams_word_counts_between_floor_and_ceiling() {
        let fresh = |fresh| Lifetimes { fresh, ..Lifetimes::default() };
        for (lifetimes, after, expected) in [
            (fresh(Some(secs(100))), 99, Verdict::Fresh),
            (fresh(Some(secs(100))), 100, Verdict::Stale),
            (fresh(Some(secs(9999))), 299, Verdict::Fresh),
            (fresh(Some(secs(9999))), 300, Verdict::Stale),
            (fresh(Some(secs(0))), 0, Verdict::Stale),
            (fresh(None), 299, Verdict::Fresh),
            (fresh(None), 300, Verdict::Stale),
        ] {
            assert_eq!(verdict_after(after, lifetimes, Demand::default()), expected, "{lifetimes:?} {after}");
        }
    }

    #[test]
    fn an_artifact_is_fresh_for_ever() {
        let times = Times { kind: Kind::Artifact, ..times(Lifetimes::default()) };
        let demand = Demand { max_age: Some(secs(0)), ..Demand::default() };
        assert_eq!(judge(&times, &rules(), &demand, times.validated_at + secs(1 << 30)), Verdict::Fresh);
    }

    #[test]
    fn an_absence_is_remembered_for_its_own_time() {
        let times = Times { absence: true, ..times(Lifetimes::default()) };
        let at = |seconds| judge(&times, &rules(), &Demand::default(), times.validated_at + secs(seconds));
        assert_eq!((at(59), at(60)), (Verdict::Fresh, Verdict::Stale));
        assert!(!may_serve_stale(&times, &rules(), times.validated_at + secs(61)));
    }

    #[test]
    fn a_client_that_insists_is_given_a_new_answer_but_not_twice_within_a_second() {
        let demand = Demand { max_age: Some(secs(0)), ..Demand::default() };
        assert_eq!(verdict_after(1, Lifetimes::default(), demand), Verdict::Fresh);
        assert_eq!(verdict_after(2, Lifetimes::default(), demand), Verdict::Stale);
    }

    #[test]
    fn what_must_be_the_newest_is_always_asked_for() {
        let demand = Demand { newest: true, ..Demand::default() };
        assert_eq!(verdict_after(0, Lifetimes::default(), demand), Verdict::Stale);
    }

    #[test]
    fn stale_is_served_while_revalidating_and_on_errors_as_allowed() {
        let lifetimes = Lifetimes { fresh: Some(secs(10)), stale_while_revalidate: secs(5), ..Lifetimes::default() };
        assert_eq!(verdict_after(14, lifetimes, Demand::default()), Verdict::FreshEnough);
        assert_eq!(verdict_after(15, lifetimes, Demand::default()), Verdict::Stale);
        let entry = times(lifetimes);
        assert!(may_serve_stale(&entry, &rules(), entry.validated_at + secs(3609)));
        assert!(!may_serve_stale(&entry, &rules(), entry.validated_at + secs(3611)));
        let strict = times(Lifetimes { never_stale: true, ..lifetimes });
        assert!(!may_serve_stale(&strict, &rules(), strict.validated_at + secs(11)));
    }

    #[test]
    fn what_is_pinned_may_be_served_stale_for_ever_whatever_upstream_says() {
        let strict = times(Lifetimes { fresh: Some(secs(10)), never_stale: true, ..Lifetimes::default() });
        let pinned = Times { pinned: true, ..strict };
        let late = pinned.validated_at + secs(1 << 30);
        assert!(may_serve_stale(&pinned, &rules(), late));
        assert_eq!(judge(&pinned, &rules(), &Demand::NONE, late), Verdict::Stale);
        assert!(!may_serve_stale(&Times { absence: true, ..pinned }, &rules(), pinned.validated_at));
    }

    #[test]
    fn response_headers_are_read_once() {
        assert_eq!(read(&[]).fresh, None);
        assert_eq!(read(&[("cache-control", "public, max-age=300")]).fresh, Some(secs(300)));
        assert_eq!(read(&[("cache-control", "max-age=300"), ("age", "100")]).fresh, Some(secs(200)));
        assert_eq!(read(&[("cache-control", "no-cache")]).fresh, Some(secs(0)));
        let read_all = read(&[("cache-control", "max-age=1, stale-while-revalidate=2, stale-if-error=3")]);
        assert_eq!((read_all.stale_while_revalidate, read_all.stale_if_error), (secs(2), secs(3)));
        assert!(!read_all.never_stale);
        for strict in ["no-store", "max-age=9, must-revalidate", "private"] {
            assert!(read(&[("cache-control", strict)]).never_stale, "{strict}");
        }
    }

    #[test]
    fn a_304_renews_what_it_speaks_of_and_only_its_own_state() {
        let etag = Some(HeaderValue::from_static("\"a\""));
        let lifetimes = Lifetimes { fresh: Some(secs(60)), ..Lifetimes::default() };
        let held = Http { etag, lifetimes, ..Http::default() };
        let renew = |pairs: &[(&'static str, &str)]| {
            renewed(&held, &request(), &headers(pairs), SystemTime::UNIX_EPOCH + secs(1 << 30))
        };
        assert_eq!(renew(&[]).unwrap().lifetimes.fresh, Some(secs(60)));
        assert_eq!(
            renew(&[("etag", "W/\"a\""), ("cache-control", "max-age=9")]).unwrap().lifetimes.fresh,
            Some(secs(9))
        );
        assert!(renew(&[("etag", "\"b\"")]).is_none());
    }

    #[test]
    fn absurd_numbers_are_large_numbers() {
        let huge = u64::MAX.to_string();
        let lifetimes = read(&[("cache-control", &format!("max-age=1, stale-if-error={huge}")), ("age", &huge)]);
        assert_eq!((lifetimes.stale_if_error, lifetimes.age), (MAX_DELTA, MAX_DELTA));
        let demand = Demand::of(&headers(&[("cache-control", &format!("min-fresh={huge}9"))]));
        assert_eq!(verdict_after(5, lifetimes, demand), Verdict::Stale);
        assert!(may_serve_stale(&times(lifetimes), &rules(), SystemTime::UNIX_EPOCH + secs(1 << 30)));
    }

    #[test]
    fn a_clients_wishes_are_read() {
        let demand = |value: &str| Demand::of(&headers(&[("cache-control", value)]));
        assert_eq!(demand("no-cache").max_age, Some(secs(0)));
        assert_eq!(demand("max-age=5").max_age, Some(secs(5)));
        assert!(demand("only-if-cached").only_if_cached && demand("no-store").no_store);
        let max_stale = |value: &str| demand(value).max_stale;
        assert_eq!(
            (max_stale("max-stale=5"), max_stale("max-stale"), max_stale("max-stale=x"), max_stale("max-age=5")),
            (Some(secs(5)), Some(Duration::MAX), None, None)
        );
        assert_eq!(Demand::of(&headers(&[("pragma", "no-cache")])).max_age, Some(secs(0)));
        assert_eq!(Demand::of(&HeaderMap::new()), Demand::default());
    }
}
