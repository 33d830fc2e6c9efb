//! What pages of other origins may read by way of a browser. Source: contract npm §2.4.

use serde_json::json;

use super::publisher::Publisher;
use crate::support::http::{Answer, Ask};
use crate::support::packages::Package;

const PAGE: &str = "https://page.example";
const ORIGIN: &str = "access-control-allow-origin";
const CREDENTIALS: &str = "access-control-allow-credentials";

/// Asks as a page does, with the credentials of joe if `is_joe`.
async fn ask(joe: &Publisher, method: &str, path: &str, is_joe: bool) -> Answer {
    let ask = Ask::new(method, &format!("/npm{path}")).header("origin", PAGE);
    let ask = if is_joe { ask.header("authorization", &format!("Bearer {}", joe.token)) } else { ask };
    joe.heliostat.ask(&ask).await
}

fn said(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header(ORIGIN), answer.header(CREDENTIALS))
}

const WITH_CREDENTIALS: (Option<&str>, Option<&str>) = (Some(PAGE), Some("true"));
const WITHOUT: (Option<&str>, Option<&str>) = (Some("*"), None);

#[tokio::test]
async fn what_everybody_may_read_any_page_may() {
    let joe = Publisher::start("").await;
    joe.registry.publish(&Package::with_versions("left", &["1.0.0"]));
    for path in ["/left", "/left/1.0.0", "/-/package/left/dist-tags", "/-/ping"] {
        let answer = ask(&joe, "GET", path, false).await;
        assert_eq!((answer.status, said(&answer)), (200, WITH_CREDENTIALS), "{path}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("Origin")), "{}", answer.summary());
        // What is kept of an answer to nobody's page is not shown to one.
        let plain = joe.heliostat.get(&format!("/npm{path}")).await;
        assert_eq!((said(&plain), plain.header("vary")), ((None, None), answer.header("vary")), "{path}");
    }
    for (path, status) in [("/left/-/left-1.0.0.tgz", 200), ("/absent", 404), ("/left/9.9.9", 404)] {
        let answer = ask(&joe, "GET", path, false).await;
        assert_eq!((answer.status, said(&answer)), (status, WITHOUT), "{path}");
    }
}

#[tokio::test]
async fn what_some_may_read_is_read_by_pages_that_hold_a_token() {
    let joe = Publisher::start("anonymous_reading = false").await;
    joe.registry.publish(&Package::with_versions("left", &["1.0.0"]));
    for path in ["/left", "/left/-/left-1.0.0.tgz", "/-/whoami", "/-/npm/v1/tokens"] {
        let answer = ask(&joe, "GET", path, true).await;
        assert_eq!((answer.status, said(&answer)), (200, WITHOUT), "{path}");
    }
    let turned_away = ask(&joe, "GET", "/left", false).await;
    assert_eq!((turned_away.status, said(&turned_away)), (401, WITHOUT));
    let joe = Publisher::start("").await;
    for path in ["/-/whoami", "/-/npm/v1/user", "/-/npm/v1/tokens", "/-/npm/v1/hooks", "/-/user/v1/star"] {
        let answer = ask(&joe, "GET", path, true).await;
        assert_eq!((answer.status, said(&answer)), (200, WITHOUT), "{path}: his own, wherever others may read");
    }
}

#[tokio::test]
async fn no_page_writes() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/own", "1.0.0", json!({})).await;
    let answer = ask(&joe, "DELETE", "/-/package/@acme%2fown/dist-tags/beta", true).await;
    assert_eq!(said(&answer), (None, None), "{}", answer.summary());
    let wish = Ask::new("OPTIONS", "/npm/@acme%2fown").header("origin", PAGE);
    let wish = wish.header("access-control-request-headers", "authorization,npm-otp");
    let preflight = joe.heliostat.ask(&wish).await;
    assert_eq!((preflight.status, said(&preflight)), (204, WITH_CREDENTIALS));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization,npm-otp"));
    let of_tarball = ask(&joe, "OPTIONS", "/@acme/own/-/own-1.0.0.tgz", false).await;
    assert_eq!((of_tarball.status, said(&of_tarball)), (204, WITHOUT));
    let of_write = ask(&joe, "OPTIONS", "/-/package/@acme%2fown/dist-tags/beta", false).await;
    assert_eq!((of_write.status, said(&of_write)), (405, (None, None)));
}
