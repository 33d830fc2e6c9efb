//! The HTTP API: passed through with the client's own credentials, or refused in the client's own format.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::World;
use crate::support::http::Ask;
use crate::support::resource::Resource;
use crate::support::upstream::FakeUpstream;

/// The largest package. Source: contract hex §3.3.
const LARGEST: usize = 16 << 20;

/// How an API asks for a second factor. Source: contract hex §7.2.
const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"hex\", error=\"totp_required\"\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

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
    let answer = world.heliostat.ask(&post.header("x-hex-otp", "123456").header("cookie", "a=b")).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let seen = api.seen("/api/packages/jason/releases");
    assert_eq!((seen[0].method.as_str(), seen[0].body.as_slice()), ("POST", &b"tarball"[..]));
    assert_eq!(seen[0].headers.get("authorization"), Some("of-the-client"));
    assert_eq!((seen[0].headers.get("x-hex-otp"), seen[0].headers.get("cookie")), (Some("123456"), None));
}

#[tokio::test]
async fn a_package_may_have_sixteen_mebibytes_and_no_byte_more() {
    let (api, world) = start("api_writes = true\n").await;
    let path = "/api/packages/jason/releases";
    for (size, status) in [(LARGEST, 200), (LARGEST + 1, 413)] {
        let answer = world.heliostat.ask(&Ask::post(&format!("/hex{path}"), vec![7; size])).await;
        assert_eq!(answer.status, status, "{}", answer.summary());
    }
    // Its client would see nothing of an error in another format.
    let erlang = Ask::post(&format!("/hex{path}"), vec![7; LARGEST + 1]).header("accept", "application/vnd.hex+erlang");
    let answer = world.heliostat.ask(&erlang).await;
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/vnd.hex+erlang")));
    assert_eq!((answer.status, answer.body.first()), (413, Some(&131)), "{}", answer.summary());
    let sizes: Vec<_> = api.seen(path).iter().map(|seen| seen.body.len()).collect();
    assert_eq!(sizes, [LARGEST], "what is too large is not even begun");
}

/// mix asks before it sends a package, and waits for the answer. Source: contract hex §8.1.
#[tokio::test]
async fn who_asks_before_sending_a_body_is_answered_by_the_api() {
    for (answer, goes_on) in [("HTTP/1.1 100 Continue\r\n\r\n", true), (REFUSED, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let world = World::start(&format!("api = \"http://{address}/api\"\napi_writes = true\n")).await;
        let served = tokio::spawn(serve_one(listener, answer));
        let mut client = TcpStream::connect(world.heliostat.address()).await.expect("a server");
        let head =
            "POST /hex/api/publish HTTP/1.1\r\nhost: mirror\r\nexpect: 100-continue\r\ncontent-length: 7\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("a head goes out");
        let first = read_head(&mut client).await;
        if goes_on {
            assert!(first.starts_with("HTTP/1.1 100"), "{first}");
            client.write_all(b"tarball").await.expect("a body goes out");
            let last = read_head(&mut client).await;
            assert!(last.starts_with("HTTP/1.1 201"), "{last}");
        } else {
            assert!(first.starts_with("HTTP/1.1 401") && first.contains("totp_required"), "{first}");
        }
        // Who is refused and does not send what it announced must leave.
        drop(client);
        let seen = served.await.expect("the API ends");
        assert!(seen.to_ascii_lowercase().contains("expect: 100-continue"), "{seen}");
        assert_eq!(seen.ends_with("tarball"), goes_on, "{seen}");
    }
}

/// Reads the head of one request, answers it, and reads and answers its body if that comes. Returns what was read.
async fn serve_one(listener: TcpListener, first: &str) -> String {
    let (mut stream, _) = listener.accept().await.expect("a request");
    let mut seen = read_head(&mut stream).await;
    stream.write_all(first.as_bytes()).await.expect("an answer goes out");
    let mut body = [0; 7];
    if stream.read_exact(&mut body).await.is_ok() {
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.expect("an answer goes out");
        seen.push_str(&String::from_utf8_lossy(&body));
    }
    seen
}

/// Reads up to the empty line behind a head, within ten seconds.
async fn read_head(stream: &mut TcpStream) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).expect("a head is text")
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("a head in time")
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

#[tokio::test]
async fn an_api_that_is_gone_is_told_in_the_clients_format() {
    let (api, world) = start("").await;
    api.vanish().await;
    for (accept, first) in [("application/vnd.hex+erlang", 131), ("application/json", b'{')] {
        let answer = world.get_with("/api/packages/jason", &[("accept", accept)]).await;
        assert_eq!((answer.status, answer.body.first()), (503, Some(&first)), "{}", answer.summary());
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with(accept)), "{}", answer.summary());
    }
}

/// mix exchanges its key for a token before it reads anything of an organization. Source: contract hex §1.3, §7.5.
#[tokio::test]
async fn tokens_are_had_where_nothing_may_be_changed() {
    let (api, world) = start("").await;
    for path in ["token", "device_authorization", "revoke", "revoke_by_hash"] {
        let path = &format!("/api/oauth/{path}");
        api.put(path, Resource::new("application/json", "{}"));
        let form = "grant_type=client_credentials&client_secret=of-the-client";
        let answer = world.heliostat.ask(&Ask::post(&format!("/hex{path}"), form)).await;
        assert!(answer.is(b"{}"), "{path}: {}", answer.summary());
        assert_eq!(api.seen(path)[0].body, form.as_bytes());
        assert_eq!(world.heliostat.ask(&Ask::post(&format!("/hex{path}"), vec![b'a'; 65_537])).await.status, 413);
    }
    for path in ["/api/keys", "/api/oauth/token/more", "/api/oauth", "/api/publish"] {
        assert_eq!(world.heliostat.ask(&Ask::post(&format!("/hex{path}"), "{}")).await.status, 405, "{path}");
        assert_eq!(api.count(path), 0);
    }
    let (api, world) = start("passthrough = false\n").await;
    assert_eq!(world.heliostat.ask(&Ask::post("/hex/api/oauth/token", "{}")).await.status, 404);
    assert!(api.all_seen().is_empty());
}
