//! When documents were last modified, and who says so. Source: contract npm §2.4.

use std::time::{Duration, Instant, SystemTime};

use super::World;
use crate::support::beside::command;
use crate::support::packages::{Package, iso};
use crate::support::registry::ABBREVIATED_ACCEPT;
use crate::support::resource::Resource;

#[tokio::test]
async fn every_form_was_last_modified_when_its_document_says() {
    let world = World::shared().await;
    let package = Package::with_versions("dated", &["1.0.0"]).cache_control("max-age=0");
    world.registry.publish(&package);
    // Upstream has its own idea, which is its own validator and nobody else's.
    let elsewhere = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let resource = world.registry.upstream.resource("/dated").expect("a document");
    world.registry.upstream.put("/dated", Resource { etag: None, last_modified: Some(elsewhere), ..resource });
    let modified = httpdate::fmt_http_date(package.modified());
    let before = httpdate::fmt_http_date(package.modified() - Duration::from_secs(1));
    for accept in ["application/json", ABBREVIATED_ACCEPT] {
        for path in ["/npm/dated", "/npm/dated/1.0.0", "/npm/dated/latest", "/npm/-/package/dated/dist-tags"] {
            let ask = async |since: &str| {
                let headers = [("accept", accept), ("if-modified-since", since)];
                world.get_with(path, &headers).await
            };
            let answer = ask(&before).await;
            assert_eq!((answer.status, answer.header("last-modified")), (200, Some(modified.as_str())), "{path}");
            assert_eq!(ask(&modified).await.status, 304, "{path}");
        }
    }
    let seen = world.registry.upstream.seen("/dated");
    let expected = httpdate::fmt_http_date(elsewhere);
    assert!(seen.len() > 1);
    assert!(seen[1..].iter().all(|seen| seen.headers.get("if-modified-since") == Some(expected.as_str())));
}

#[tokio::test]
async fn a_document_without_a_believable_date_has_upstreams_or_none() {
    let world = World::shared().await;
    let elsewhere = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for (name, modified) in [("undated", "\"yesterday\""), ("far-ahead", "\"9999-12-31T23:59:59-23:00\""), ("odd", "7")]
    {
        let package = world.registry.publish_plain(name);
        let theirs = format!("\"modified\":\"{}\"", iso(package.modified()));
        let text = world.registry.document(&package).replace(&theirs, &format!("\"modified\":{modified}"));
        let path = format!("/{name}");
        for (upstreams, expected) in [(Some(elsewhere), Some(httpdate::fmt_http_date(elsewhere))), (None, None)] {
            let resource = Resource::new("application/json", text.clone()).cache_control("max-age=0");
            world.registry.upstream.put(&path, Resource { last_modified: upstreams, ..resource });
            let (well, said) = command(&world.heliostat, "purge", &["npm", name]);
            assert!(well, "{said}");
            let start = Instant::now();
            // The server looks every second whether somebody else has written.
            while world.get(&format!("/npm{path}")).await.header("last-modified") != expected.as_deref() {
                assert!(start.elapsed() < Duration::from_secs(5), "{name}: {expected:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
