//! Requests that two readers could understand in two ways, each with an innocent one behind it: the front and the
//! upstream never disagree where one ends. What is plain is answered, in order; what is not is refused or closed; nothing
//! that lies within a request is answered or asked for, and nothing waits for ever.

mod bodies;
mod case;
mod exchange;
mod heads;
mod streams;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;

use self::case::{Case, Route};
use self::exchange::{Manner, exchange};
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

/// Connections at once.
const AT_ONCE: usize = 24;

struct World {
    upstream: FakeUpstream,
    heliostat: Heliostat,
}

impl World {
    async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    async fn start_with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let upstream = FakeUpstream::start();
        upstream.answer_with(Arc::new(|seen| Some(echo(seen))));
        let methods = r#"methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]"#;
        let builder = Heliostat::builder()
            .set("limits", "head_timeout", "\"2s\"")
            .set("limits", "body_idle_timeout", "\"2s\"")
            .set("limits", "keep_alive_timeout", "\"2s\"")
            .dialect("files", &upstream.url(), &format!("name = \"tree\"\n{methods}"), "")
            .npm(&upstream.url(), "");
        let heliostat = configure(builder).start().await;
        let kept = heliostat.get("/files/tree/kept").await;
        assert!(kept.is(b"GET /kept "), "{}", kept.summary());
        Self { upstream, heliostat }
    }
}

/// Says what was asked.
fn echo(seen: &Seen) -> Resource {
    if seen.path.starts_with("/-/") {
        return Resource::new("application/json", "{}");
    }
    let text = format!("{} {} {}", seen.method, seen.target, String::from_utf8_lossy(&seen.body));
    let cache_control = if seen.path == "/kept" { "max-age=3600" } else { "no-store" };
    Resource::new("text/plain", text).cache_control(cache_control)
}

fn corpus() -> Vec<Case> {
    let mut cases: Vec<Case> = Route::ALL.into_iter().flat_map(bodies::cases).collect();
    cases.extend(heads::cases());
    cases
}

#[test]
fn the_corpus_is_of_different_requests() {
    let cases = corpus();
    let different: HashSet<&[u8]> = cases.iter().map(|case| &case.bytes[..]).collect();
    assert!(different.len() >= 300, "{} of {}", different.len(), cases.len());
    assert!(cases.iter().all(|case| !case.section.is_empty() && !case.what.is_empty()));
}

#[tokio::test]
async fn front_and_upstream_never_disagree_where_a_request_ends() {
    let world = World::start().await;
    let cases = corpus();
    let sendings = cases.iter().flat_map(|case| [(case, Manner::Whole), (case, Manner::InParts)]).enumerate();
    let address = world.heliostat.address();
    let exchanges = sendings.map(async |(number, (case, manner))| {
        let judged = exchange(address, case, number, manner).await;
        judged.map_err(|why| {
            format!("{} {:?} {manner:?} {:?} {}\n    {why}", case.section, case.route, case.may, case.what)
        })
    });
    let judged: Vec<_> = futures_util::stream::iter(exchanges).buffer_unordered(AT_ONCE).collect().await;
    let (mut outcomes, mut desyncs) = (BTreeMap::new(), Vec::new());
    for outcome in judged {
        match outcome {
            Ok(outcome) => *outcomes.entry(outcome).or_insert(0) += 1,
            Err(why) => desyncs.push(why),
        }
    }
    println!("{} requests, each sent twice: {outcomes:?}, {} desyncs", cases.len(), desyncs.len());
    assert!(desyncs.is_empty(), "{} desyncs:\n{}", desyncs.len(), desyncs.join("\n"));
    check_upstream(&world.upstream, 2 * cases.len());
}

/// Checks that the upstream was asked for nothing but what was sent, each with one length and the body that was meant.
fn check_upstream(upstream: &FakeUpstream, sent: usize) {
    let seen = upstream.all_seen();
    assert!(seen.len() <= 2 * sent + 1, "{} requests of {sent} and their probes", seen.len());
    let mut probes = HashSet::new();
    for seen in seen {
        let Seen { method, target, headers, body, .. } = &seen;
        let body = String::from_utf8_lossy(body);
        assert!(!target.contains("smuggled") && !body.contains("HTTP/1"), "{seen:?}");
        assert!(headers.all("content-length").count() + headers.all("transfer-encoding").count() <= 1, "{seen:?}");
        let expected = match (target.as_str(), method.as_str()) {
            ("/passed", _) | ("/-/npm/v1/security/advisories/bulk", _) => case::PAYLOAD,
            (target, "POST") if target.starts_with("/probe-") => "probe",
            _ => "",
        };
        assert_eq!(body, expected, "{seen:?}");
        assert!(!target.starts_with("/probe-") || probes.insert(target.clone()), "{target} was asked twice");
    }
}
