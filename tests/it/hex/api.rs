//! The HTTP API: passed through with the client's own credentials, or refused in the client's own format.

use super::World;
use crate::support::http::Ask;
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

/// Starts an API, and a mirror whose mount has it and these further lines.
async fn start(mount: &str) -> (FakeUpstream, World) {
    let api = FakeUpstream::start();
    let resource = Resource::new("application/vnd.hex+erlang; charset=utf-8", &b"\x83t\0\0\0\0"[..]);
    for path in ["/api/packages/jason", "/api/users/me", "/api/packages/jason/releases"] {
        api.put(path, resource.clone());
    }
    let world = World::start(&format!("api = \"{}/api\"\n{mount}", api.url())).await;
    (api, world)
}

#[tokio::test]
async fn reads_pass_with_the_clients_own_credentials_and_writes_do_not() {
    let (api, world) = start("").await;
    let answer = world.get_with("/api/packages/jason?a=b", &[("authorization", "of-the-client")]).await;
    assert!(answer.is(b"\x83t\0\0\0\0"), "{}", answer.summary());
    assert_eq!(answer.header("content-type"), Some("application/vnd.hex+erlang; charset=utf-8"));
    let seen = api.seen("/api/packages/jason");
    assert_eq!((seen[0].query.as_str(), seen[0].headers.get("authorization")), ("a=b", Some("of-the-client")));
    assert_eq!(world.get("/api/users/me").await.status, 200);
    assert_eq!(api.seen("/api/users/me")[0].headers.get("authorization"), None);
    let post = Ask::post("/hex/api/packages/jason/releases", "tarball").header("accept", "application/json");
    let answer = world.heliostat.ask(&post).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{}", answer.summary());
    assert_eq!(answer.json()["status"], 405);
    assert_eq!(api.count("/api/packages/jason/releases"), 0);
    // The repository's own upstream is none of the API's business.
    assert!(world.fake.upstream.all_seen().iter().all(|seen| !seen.path.contains("/api/")));
}

#[tokio::test]
async fn writes_pass_where_the_mount_allows_them() {
    let (api, world) = start("api_writes = true\n").await;
    let post = Ask::post("/hex/api/packages/jason/releases", "tarball").header("authorization", "of-the-client");
    let answer = world.heliostat.ask(&post).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let seen = api.seen("/api/packages/jason/releases");
    assert_eq!((seen[0].method.as_str(), seen[0].body.as_slice()), ("POST", &b"tarball"[..]));
    assert_eq!(seen[0].headers.get("authorization"), Some("of-the-client"));
}

#[tokio::test]
async fn a_mount_that_passes_nothing_says_so_in_the_clients_format() {
    for (api, world) in [start("passthrough = false\n").await, (FakeUpstream::start(), World::start("").await)] {
        let answer = world.get_with("/api/packages/jason", &[("accept", "application/vnd.hex+erlang")]).await;
        assert_eq!(answer.status, 404, "{}", answer.summary());
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/vnd.hex+erlang")));
        assert_eq!(answer.body.first(), Some(&131), "a term");
        assert!(api.all_seen().is_empty());
    }
}
