//! The certificate that clients are shown, and HTTP/1.1 behind it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::version;

use super::{LARGE, Secured};
use crate::support::heliostat::free_address;
use crate::support::http::{Ask, Connection, ask_over};
use crate::support::tls::Authority;

#[tokio::test]
async fn documents_and_tarballs_come_over_https_and_name_it() {
    let world = Secured::start().await;
    let (document, tarball) = (world.publish_document("secured"), world.publish("secured-tarball", LARGE));
    assert!(document.contains("\"tarball\":\"https://127.0.0.1:"), "{document}");
    for cache in ["fwd=uri-miss", "hit"] {
        for (path, right) in [("/npm/secured", document.as_bytes()), (&tarball.path, &tarball.bytes)] {
            let answer = world.heliostat.get(path).await;
            assert!(answer.is(right) && answer.cache_says(cache), "{path}: {}", answer.summary());
        }
    }
    assert!(world.heliostat.said().contains(&world.heliostat.url()), "the start screen names it too");
}

#[tokio::test]
async fn requests_on_one_connection_are_kept_apart() {
    let world = Secured::start().await;
    let (document, tarball) = (world.publish_document("apart"), world.publish("apart-tarball", LARGE));
    let tls = world.authority.client(&["http/1.1"]);
    let mut connection = Connection::open_tls(world.heliostat.address(), &tls).await.expect("it is believed");
    for _ in 0..3 {
        assert!(connection.ask(&Ask::get("/npm/apart")).await.is(document.as_bytes()));
        assert_eq!(connection.ask(&Ask::head(&tarball.path)).await.status, 200);
        assert!(connection.ask(&Ask::get(&tarball.path)).await.is(&tarball.bytes));
        assert_eq!(connection.ask(&Ask::get("/npm/apart-missing")).await.status, 404);
        assert_eq!(connection.leftover(), b"");
    }
}

#[tokio::test]
async fn old_clients_and_those_that_name_no_protocol_are_served() {
    let world = Secured::start().await;
    let document = world.publish_document("old");
    for tls in [
        world.authority.client_of(&[&version::TLS12], &["http/1.1"]),
        world.authority.client_of(&[&version::TLS13], &["http/1.1"]),
        world.authority.client(&[]),
    ] {
        let answer = ask_over(world.heliostat.address(), Some(&tls), &Ask::get("/npm/old")).await;
        assert!(answer.is(document.as_bytes()), "{}", answer.summary());
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_does_not_believe_us_harms_nobody() {
    let world = Secured::start().await;
    let document = world.publish_document("harmless");
    let address = world.heliostat.address();
    let plain = ask_over(address, None, &Ask::get("/npm/harmless").within(Duration::from_secs(5))).await;
    assert!(plain.status == 0 && plain.body.is_empty(), "nothing is served in the clear: {}", plain.summary());
    let stranger = Authority::new("somebody else").client(&["http/1.1"]);
    assert!(Connection::open_tls(address, &stranger).await.is_err(), "our certificate is signed by nobody it knows");
    assert!(world.heliostat.get("/npm/harmless").await.is(document.as_bytes()));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_after_sighup_and_a_broken_one_is_not() {
    let world = Secured::start().await;
    let document = world.publish_document("renewed");
    let (address, others) = (world.heliostat.address(), Authority::new("the next one"));
    let (old, new) = (world.authority.client(&["http/1.1"]), others.client(&["http/1.1"]));
    let mut kept = Connection::open_tls(address, &old).await.expect("it is believed");
    let renew = |certificate: &[u8], key: &[u8]| {
        let place = world.authority.file();
        std::fs::write(place.with_file_name("front-certificate.pem"), certificate).expect("it can be written");
        std::fs::write(place.with_file_name("front-key.pem"), key).expect("it can be written");
        world.heliostat.signal(Signal::HUP);
    };
    let next = others.issue("next");
    let read = |path| std::fs::read(path).expect("it is there");
    renew(&read(&next.certificate), &read(&next.key));
    let start = Instant::now();
    while Connection::open_tls(address, &new).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(5), "it is not shown\n{}", world.heliostat.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(kept.ask(&Ask::get("/npm/renewed")).await.is(document.as_bytes()), "who is connected stays");
    renew(b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", &read(&next.key));
    while !world.heliostat.said().contains("certificate not taken over") {
        assert!(start.elapsed() < Duration::from_secs(10), "it is not told\n{}", world.heliostat.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = ask_over(address, Some(&new), &Ask::get("/npm/renewed")).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let authority = Authority::new("mistaken");
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .args(["serve", "--listen", &free_address().to_string()])
        .current_dir(directory.path())
        .env("HELIOSTAT_TLS__CERTIFICATE", &one.certificate)
        .env("HELIOSTAT_TLS__KEY", &other.key)
        .stdin(Stdio::null())
        .output()
        .expect("the binary can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the key does not belong to the certificate"), "{said}");
}
