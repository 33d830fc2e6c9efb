//! HTTP/2 has frames, and lengths beside them: where both are told and differ, an upstream of HTTP/1.1 would believe the
//! length. Source: RFC 9113 §8.1.1, §8.2.2.

use super::{World, check_upstream};
use crate::framing::case::{PAYLOAD, SMUGGLED};
use crate::support::http::Ask;
use crate::support::streams::Streams;
use crate::support::tls::Authority;
use crate::support::wire::Ending;

const PASSED: &str = "/files/tree/passed";
/// The upstream may hear of a request without a body here, since one was announced.
const EMPTY: &str = "/files/tree/empty";

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_not_that_of_the_frames_reaches_no_upstream() {
    let authority = Authority::new("clients believe in it");
    let identity = authority.issue("front");
    let world = World::start_with(|builder| builder.tls(&authority, &identity)).await;
    let client = authority.client(&["h2", "http/1.1"]);
    let tail = format!("{PAYLOAD}{SMUGGLED}");
    let mut sent = 0;
    for (path, length, body, is_right) in [
        (PASSED, "11", PAYLOAD, true),
        (EMPTY, "0", SMUGGLED, false),
        (PASSED, "11", &tail, false),
        (PASSED, "12", PAYLOAD, false),
        (PASSED, "1000", PAYLOAD, false),
        (PASSED, "11, 11", PAYLOAD, false),
        (PASSED, "+11", PAYLOAD, false),
        (PASSED, "0x0b", PAYLOAD, false),
        (PASSED, "99999999999999999999", PAYLOAD, false),
    ] {
        // A connection each: it may be given up with the stream.
        let streams = Streams::open(world.heliostat.address(), &client).await;
        let answer = streams.ask(&Ask::new("POST", path).header("content-length", length).body(body)).await;
        let is_refused = (400..600).contains(&answer.status) || !answer.completed();
        let echoed = format!("POST /passed {PAYLOAD}");
        let is_as_it_must = if is_right { answer.is(echoed.as_bytes()) } else { is_refused };
        assert!(is_as_it_must && answer.ending != Ending::Stalled, "{length}: {}", answer.summary());
        let probe = Streams::open(world.heliostat.address(), &client).await;
        let target = format!("/files/tree/probe-{sent}");
        let answer = probe.ask(&Ask::post(&target, "probe")).await;
        assert!(answer.is(format!("POST /probe-{sent} probe").as_bytes()), "after {length}: {}", answer.summary());
        sent += 1;
    }
    check_upstream(&world.upstream, sent);
}
