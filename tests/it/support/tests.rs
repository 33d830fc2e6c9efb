//! The tools themselves: a tool that lies would hide what it should find.

use std::io::Read;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde_json::{Value, json};

use super::fault::{Fault, LengthLie, PartLie};
use super::heliostat::free_address;
use super::http::{Ask, Connection, ask, ask_over};
use super::packages::{Package, Release, Signing, iso};
use super::random::{Random, fingerprint};
use super::registry::{ABBREVIATED_ACCEPT, FakeRegistry, Switches};
use super::resource::{Resource, gzip};
use super::tarball;
use super::tls::{Authority, Wish};
use super::upstream::FakeUpstream;
use super::wire::{Ending, Pace};

const BODY: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn with_artifact() -> FakeUpstream {
    let upstream = FakeUpstream::start();
    upstream.put("/a", Resource::artifact(BODY));
    upstream
}

async fn under(fault: Fault) -> super::http::Answer {
    let upstream = with_artifact();
    upstream.fail("/a", fault);
    ask(upstream.address(), &Ask::get("/a").within(Duration::from_secs(1))).await
}

#[tokio::test]
async fn a_resource_arrives_whole_by_length_and_by_chunks() {
    let upstream = with_artifact();
    upstream.put("/chunks", Resource::new("text/plain", vec![b'x'; 50_000]).chunked());
    let mut connection = Connection::open(upstream.address()).await.unwrap();
    assert!(connection.ask(&Ask::get("/a")).await.is(BODY));
    let chunks = connection.ask(&Ask::get("/chunks")).await;
    assert!(chunks.is(&[b'x'; 50_000]) && chunks.header("transfer-encoding") == Some("chunked"));
    assert_eq!(connection.ask(&Ask::head("/a")).await.header("content-length"), Some("36"));
    assert_eq!(connection.leftover(), b"");
    assert_eq!((upstream.count("/a"), upstream.count("/chunks"), upstream.connections().0), (2, 1, 1));
}

#[tokio::test]
async fn a_cut_or_reset_body_is_never_taken_for_whole() {
    for at in [0, 1, 35] {
        for fault in [Fault::CutAt(at), Fault::ResetAt(at), Fault::StallAfter(at)] {
            let answer = under(fault.clone()).await;
            assert!(!answer.completed(), "{fault:?}: {}", answer.summary());
            assert!(BODY.starts_with(&answer.body), "{fault:?}");
        }
    }
    assert_eq!(under(Fault::CutAt(20)).await.body, &BODY[..20]);
    assert_eq!(under(Fault::StallAfter(20)).await.ending, Ending::Stalled);
    assert_eq!(under(Fault::StallBeforeHead).await.ending, Ending::Stalled);
    assert_eq!(under(Fault::CloseBeforeHead).await.status, 0);
    assert_eq!(under(Fault::ResetBeforeHead).await.status, 0);
}

#[tokio::test]
async fn cut_chunks_lack_their_end() {
    let upstream = FakeUpstream::start();
    upstream.put("/c", Resource::new("text/plain", BODY).chunked());
    upstream.fail("/c", Fault::CutAt(10));
    let answer = ask(upstream.address(), &Ask::get("/c")).await;
    assert_eq!((answer.body.as_slice(), answer.completed()), (&BODY[..10], false));
}

#[tokio::test]
async fn lengths_lie_as_ordered() {
    assert!(!under(Fault::Length(LengthLie::Longer)).await.completed());
    let shorter = under(Fault::Length(LengthLie::Shorter)).await;
    assert!(shorter.completed() && shorter.body.is_empty());
    assert_eq!(under(Fault::Length(LengthLie::Absent)).await.ending, Ending::ByClose);
    assert!(matches!(under(Fault::Length(LengthLie::Garbage)).await.ending, Ending::Malformed(_)));
}

#[tokio::test]
async fn other_faults_do_what_their_names_say() {
    assert_eq!(under(Fault::Status(503)).await.status, 503);
    assert_eq!(under(Fault::TooManyRequests { retry_after: 7 }).await.header("retry-after"), Some("7"));
    let later = under(Fault::Later { status: 503, retry_after: "soon".into() }).await;
    assert_eq!((later.status, later.header("retry-after")), (503, Some("soon")));
    assert_eq!(under(Fault::Html).await.header("content-type"), Some("text/html"));
    assert_eq!(under(Fault::NotModified).await.status, 304);
    assert_eq!(under(Fault::RedirectLoop).await.header("location"), Some("/a?round=again"));
    assert_eq!(under(Fault::Redirect("http://x.example/".into())).await.header("location"), Some("http://x.example/"));
    assert!(under(Fault::OtherBytes(Bytes::from_static(b"other"))).await.is(b"other"));
    let flipped = under(Fault::FlipBit { offset: 3, bit: 0 }).await;
    assert!(flipped.completed() && flipped.body[3] == BODY[3] ^ 1 && flipped.body[4..] == BODY[4..]);
    let slow = under(Fault::Drip(Pace { bytes: 12, pause: Duration::from_millis(30) })).await;
    assert!(slow.is(BODY) && slow.took >= Duration::from_millis(60), "{}", slow.summary());
    let late = under(Fault::Latency(Duration::from_millis(80))).await;
    assert!(late.is(BODY) && late.took >= Duration::from_millis(80));
}

#[tokio::test]
async fn parts_are_lied_about_as_ordered_and_wholes_are_not() {
    let rest = &BODY[10..];
    for (lie, status, range, body) in [
        (PartLie::Whole, 200, None, BODY),
        (PartLie::Placeless, 206, None, rest),
        (PartLie::OtherStart, 206, Some("bytes 11-35/36"), rest),
        (PartLie::OtherLength, 206, Some("bytes 10-35/37"), rest),
        (PartLie::OtherPlace, 206, Some("bytes 10-35/36"), &BODY[..26]),
        (PartLie::OtherTag, 206, Some("bytes 10-35/36"), rest),
        (PartLie::OtherDate, 206, Some("bytes 10-35/36"), &BODY[..26]),
        (PartLie::Longer, 206, Some("bytes 10-35/36"), &[rest, b"0123456789"].concat()),
        (PartLie::Refused, 416, Some("bytes */36"), b""),
    ] {
        let upstream = with_artifact();
        upstream.fail("/a", Fault::Part(lie));
        let part = ask(upstream.address(), &Ask::get("/a").header("range", "bytes=10-")).await;
        assert_eq!((part.status, part.header("content-range"), part.body.as_slice()), (status, range, body), "{lie:?}");
        let whole = ask(upstream.address(), &Ask::get("/a")).await;
        assert!(whole.is(BODY), "{lie:?}");
        let same_tag = part.header("etag") == whole.header("etag");
        assert_eq!(same_tag, !matches!(lie, PartLie::OtherTag), "{lie:?}");
    }
    let replaced = under(Fault::Replaced(Bytes::from_static(b"other"))).await;
    assert!(
        replaced.is(b"other") && replaced.header("etag") != with_artifact().resource("/a").unwrap().etag.as_deref()
    );
}

#[tokio::test]
async fn an_upstream_shows_what_it_was_told_to_and_fails_within_tls_too() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let tls = known.client(&["http/1.1"]);
    let upstream = with_artifact();
    let get = async || ask_over(upstream.address(), Some(&tls), &Ask::get("/a")).await;
    assert!(upstream.url().starts_with("http://") && get().await.status == 0);
    upstream.show(Some(&known.issue("right")));
    assert!(upstream.url().starts_with("https://") && get().await.is(BODY));
    for wrong in [unknown.issue("wrong"), known.issue_for("past", &Wish { names: &["127.0.0.1"], until: 2001 })] {
        upstream.show(Some(&wrong));
        assert_eq!(get().await.status, 0);
    }
    upstream.show(Some(&known.issue("right again")));
    for fault in [Fault::CutAt(10), Fault::ResetAt(10)] {
        upstream.fail_next("/a", 1, fault);
        assert!(matches!(get().await.ending, Ending::Cut(_)));
    }
    upstream.fail_next("/a", 1, Fault::Length(LengthLie::Absent));
    assert_eq!(get().await.ending, Ending::ByClose);
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_ordered_and_heals() {
    let upstream = with_artifact();
    upstream.fail_next("/a", 2, Fault::Status(500));
    for expected in [500, 500, 200] {
        assert_eq!(ask(upstream.address(), &Ask::get("/a")).await.status, expected);
    }
    upstream.fail_all(Fault::Status(502));
    assert_eq!(ask(upstream.address(), &Ask::get("/a")).await.status, 502);
    upstream.heal_all();
    assert_eq!(ask(upstream.address(), &Ask::get("/a")).await.status, 200);
}

#[tokio::test]
async fn conditions_and_ranges_are_honoured() {
    let upstream = FakeUpstream::start();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    upstream.put("/a", Resource::artifact(BODY).etag("\"x\"").last_modified(time));
    let at = upstream.address();
    for (name, value, status) in [
        ("if-none-match", "\"y\", W/\"x\"", 304),
        ("if-none-match", "\"y\"", 200),
        ("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT", 304),
        ("if-modified-since", "Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("range", "bytes=36-", 416),
    ] {
        assert_eq!(ask(at, &Ask::get("/a").header(name, value)).await.status, status, "{name}: {value}");
    }
    for (range, expected) in [("bytes=2-4", "234"), ("bytes=34-", "yz"), ("bytes=-1", "z"), ("bytes=34-99", "yz")] {
        let part = ask(at, &Ask::get("/a").header("range", range).header("if-range", "\"x\"")).await;
        assert_eq!((part.status, part.text().as_str()), (206, expected));
    }
    assert!(ask(at, &Ask::get("/a").header("range", "bytes=2-4").header("if-range", "\"y\"")).await.is(BODY));
}

#[tokio::test]
async fn a_resumed_range_meets_the_fault_at_the_same_place() {
    let upstream = with_artifact();
    upstream.fail("/a", Fault::CutAt(20));
    let rest = ask(upstream.address(), &Ask::get("/a").header("range", "bytes=15-")).await;
    assert_eq!((rest.status, rest.body.as_slice(), rest.completed()), (206, &BODY[15..20], false));
}

#[tokio::test]
async fn a_vanished_upstream_refuses_and_comes_back_on_its_port() {
    let upstream = with_artifact();
    let mut kept = Connection::open(upstream.address()).await.unwrap();
    upstream.vanish().await;
    assert!(kept.closes_within(Duration::from_secs(1)).await);
    assert!(Connection::open(upstream.address()).await.is_err());
    upstream.come_back().await;
    assert!(ask(upstream.address(), &Ask::get("/a")).await.is(BODY));
}

#[tokio::test]
async fn a_slow_reader_gets_all_and_a_leaving_one_a_part() {
    let upstream = FakeUpstream::start();
    upstream.put("/big", Resource::artifact(vec![7; 1 << 20]));
    let slow = ask(upstream.address(), &Ask::get("/big").slowly(1 << 18, Duration::from_millis(5))).await;
    assert!(slow.is(&[7; 1 << 20]));
    let left = ask(upstream.address(), &Ask::get("/big").leave_after(1000)).await;
    assert!(left.ending == Ending::Abandoned && left.body.len() >= 1000);
}

#[test]
fn bytes_from_a_seed_are_always_the_same() {
    assert_eq!(Random::new(1).bytes(13), Random::new(1).bytes(13));
    assert_ne!(Random::new(1).bytes(13), Random::new(2).bytes(13));
    assert_eq!(fingerprint(b""), "e3b0c44298fc1c14");
}

#[test]
fn times_print_as_npm_prints_them() {
    let at = |seconds| iso(std::time::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(at(951_827_696), "2000-02-29T12:34:56.000Z");
    assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59.000Z");
}

#[test]
fn a_tarball_has_the_length_asked_for_and_unpacks() {
    for size in [4096, 100_000, 1 << 20] {
        let packed = tarball::pack_to(&[("package.json".into(), b"{}".to_vec())], size, 7);
        assert_eq!(packed.len(), size);
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut archive).unwrap();
        assert!(archive.starts_with(b"package/package.json\0") && archive[512..514] == *b"{}");
        assert_eq!(archive.len() % 512, 0);
    }
    assert!(gzip(b"x").starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn the_registry_serves_both_forms_with_validators() {
    let registry = FakeRegistry::start();
    let package = Package::with_versions("@s/left", &["1.0.0", "1.1.0"]).tag("next", "1.1.0");
    registry.publish(&package);
    let at = registry.upstream.address();
    let full = ask(at, &Ask::get("/@s%2fleft").header("accept-encoding", "gzip")).await;
    assert_eq!(full.header("content-encoding"), Some("gzip"));
    let full = ask(at, &Ask::get("/@s%2Fleft")).await;
    assert_eq!(full.text(), registry.document(&package));
    assert_eq!(full.json()["time"]["1.1.0"], "2024-01-02T00:00:00.000Z");
    let short = ask(at, &Ask::get("/@s/left").header("accept", ABBREVIATED_ACCEPT)).await;
    assert_eq!(short.text(), registry.abbreviated(&package));
    assert_eq!((short.json()["dist-tags"]["next"].as_str(), short.json().get("time")), (Some("1.1.0"), None));
    let tag = short.header("etag").unwrap().to_owned();
    let again = Ask::get("/@s/left").header("accept", ABBREVIATED_ACCEPT).header("if-none-match", &tag);
    assert_eq!(ask(at, &again).await.status, 304);
    let path = package.tarball_path(package.release("1.0.0"));
    assert!(ask(at, &Ask::get(&path)).await.is(&package.release("1.0.0").tarball));
    assert_eq!(ask(at, &Ask::get("/@s%2fleft/next")).await.json()["version"], "1.1.0");
    assert_eq!(registry.upstream.count("/@s/left"), 4);
}

#[tokio::test]
async fn registry_signatures_verify_and_wrong_ones_do_not() {
    let registry = FakeRegistry::start();
    let package = Package::new("signed").with(Release::new("1.0.0"));
    registry.publish(&package.with(Release::new("1.0.1").signature(Signing::Wrong)));
    let at = registry.upstream.address();
    let keys = ask(at, &Ask::get("/-/npm/v1/keys")).await.json();
    let spki = STANDARD.decode(keys["keys"][0]["key"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_public_key_der(&spki).unwrap();
    let document = ask(at, &Ask::get("/signed")).await.json();
    let holds = |version: &str| {
        let dist = &document["versions"][version]["dist"];
        assert_eq!(dist["signatures"][0]["keyid"], keys["keys"][0]["keyid"]);
        let sig = STANDARD.decode(dist["signatures"][0]["sig"].as_str().unwrap()).unwrap();
        let text = format!("signed@{version}:{}", dist["integrity"].as_str().unwrap());
        key.verify(text.as_bytes(), &Signature::from_der(&sig).unwrap()).is_ok()
    };
    assert!(holds("1.0.0") && !holds("1.0.1"));
}

#[tokio::test]
async fn search_audit_and_attestations_answer_in_their_shapes() {
    let registry = FakeRegistry::start();
    let attested = Release { attested: true, ..Release::new("1.0.0") };
    registry.publish(&Package::new("left").with(attested));
    registry.publish_plain("right");
    registry.advise("left");
    let at = registry.upstream.address();
    let found = ask(at, &Ask::get("/-/v1/search?text=left&size=5")).await.json();
    assert_eq!((&found["total"], &found["objects"][0]["package"]["name"]), (&json!(1), &json!("left")));
    let asked = gzip(json!({"left": ["1.0.0"], "right": ["1.0.0"]}).to_string().as_bytes());
    let bulk = Ask::post("/-/npm/v1/security/advisories/bulk", asked).header("content-encoding", "gzip");
    let bulk: Value = ask(at, &bulk).await.json();
    assert_eq!(bulk.as_object().unwrap().keys().collect::<Vec<_>>(), ["left"]);
    assert_eq!(ask(at, &Ask::get("/-/npm/v1/attestations/left@1.0.0")).await.status, 200);
    assert_eq!(ask(at, &Ask::get("/-/npm/v1/attestations/right@1.0.0")).await.status, 404);
    assert_eq!(ask(at, &Ask::get("/-/package/left/dist-tags")).await.json(), json!({"latest": "1.0.0"}));
}

#[tokio::test]
async fn a_reduced_registry_lacks_what_it_should() {
    let registry = FakeRegistry::start_with(Switches::reduced());
    registry.publish(&Package::with_versions("left", &["1.0.0"]).tag("next", "1.0.0"));
    let at = registry.upstream.address();
    let answer = ask(at, &Ask::get("/left").header("accept", ABBREVIATED_ACCEPT)).await;
    assert!(["etag", "last-modified", "cache-control"].iter().all(|name| answer.header(name).is_none()));
    let document = answer.json();
    assert!(["_rev", "maintainers", "readme"].iter().all(|name| document.get(name).is_none()));
    assert_eq!(document["dist-tags"], json!({"latest": "1.0.0"}));
    assert!(document["versions"]["1.0.0"]["dist"].get("signatures").is_none());
    assert_eq!(ask(at, &Ask::get("/-/npm/v1/keys")).await.status, 404);
}

#[tokio::test]
async fn a_big_document_has_about_its_size() {
    let registry = FakeRegistry::start();
    let package = registry.publish_big("big", 10_000_000, 1_000);
    let length = registry.document(&package).len();
    assert!((9_000_000..12_000_000).contains(&length), "{length}");
    let document = ask(registry.upstream.address(), &Ask::get("/big")).await.json();
    assert_eq!(document["versions"].as_object().unwrap().len(), 1_000);
}

#[test]
fn the_same_package_is_always_the_same_bytes() {
    let made = || Package::with_versions("left", &["1.0.0"]).release("1.0.0").tarball.clone();
    assert_eq!(made(), made());
}

#[test]
fn no_two_processes_get_the_same_port() {
    assert_ne!(free_address(), free_address());
}
