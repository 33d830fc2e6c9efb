//! What a mirror of files does beyond a cache: proofs, sharing, and what must never go upstream.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use sha2::{Digest, Sha256};

use crate::support::fault::{Fault, PartLie};
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::random::{Random, hex};
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

pub const SUMS: &str = "checksums = \"SHASUMS256.txt\"";

pub struct World {
    pub upstream: FakeUpstream,
    pub heliostat: Heliostat,
}

impl World {
    /// Starts a mount at `/files/t` with these keys.
    pub async fn start(keys: &str) -> Self {
        let upstream = FakeUpstream::start();
        let mount = mount("t", keys, &format!("{}/tree", upstream.url()));
        Self { heliostat: Heliostat::builder().mount(&mount).start().await, upstream }
    }

    /// Puts a file that stays fresh.
    pub fn put(&self, path: &str, body: &[u8]) {
        let resource = Resource::new("text/plain", body.to_vec()).cache_control("max-age=300");
        self.upstream.put(&format!("/tree/{path}"), resource);
    }

    pub fn put_sums(&self, path: &str, lines: &[(&str, &[u8])]) {
        let line = |(name, body): &(&str, &[u8])| format!("{}  {name}\n", hex(&Sha256::digest(body)));
        self.put(path, lines.iter().map(line).collect::<String>().as_bytes());
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.heliostat.get(&format!("/files/t/{path}")).await
    }

    pub fn count(&self, path: &str) -> usize {
        self.upstream.count(&format!("/tree/{path}"))
    }

    /// Waits until no fill is under way: a body is sent before it is kept.
    pub async fn settle(&self) {
        let start = Instant::now();
        while self.heliostat.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
            assert!(start.elapsed() < Duration::from_secs(10), "a fill does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn mount(name: &str, keys: &str, url: &str) -> String {
    let upstream = format!("[[mount.upstream]]\nurl = \"{url}\"\nallow_private = true\n");
    format!("dialect = \"files\"\nname = \"{name}\"\n{keys}\n{upstream}")
}

pub fn refused(answer: &Answer, status: u16) {
    let one_line = answer.text().lines().count() == 1
        && answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    assert!(answer.status == status && answer.completed() && one_line, "wanted {status}: {}", answer.summary());
}

#[tokio::test]
async fn a_listed_file_is_proved_and_a_wrong_one_refused_and_listed() {
    let world = World::start(SUMS).await;
    let (right, wrong) = (Random::new(1).bytes(40_000), Random::new(2).bytes(40_000));
    world.put_sums("v1/SHASUMS256.txt", &[("a b.bin", &right), ("bad.bin", &right)]);
    world.put("v1/a b.bin", &right);
    world.put("v1/bad.bin", &wrong);
    world.put("v1/other.bin", &wrong);
    let sums = world.get("v1/SHASUMS256.txt").await;
    assert!(sums.status == 200 && sums.text().contains("a b.bin"), "{}", sums.summary());
    for _ in 0..2 {
        assert!(world.get("v1/a%20b.bin").await.is(&right));
    }
    assert!(world.get("v1/a%20b.bin?x=1").await.is(&right), "a query changes nothing of the name");
    for query in ["", "?x=1"] {
        let answer = world.get(&format!("v1/bad.bin{query}")).await;
        assert!(!(answer.status == 200 && answer.completed()), "{}", answer.summary());
    }
    assert_eq!(world.heliostat.incidents(Some("v1/bad.bin")).await.first().expect("an incident")["kind"], "digest");
    let stored: Vec<_> = world.heliostat.contents().into_keys().collect();
    assert!(!stored.contains(&hex(&Sha256::digest(&wrong))), "unproven bytes were kept");
    assert!(world.get("v1/other.bin").await.is(&wrong), "what is not listed is served");
}

#[tokio::test]
async fn another_sum_is_another_file() {
    let world = World::start(SUMS).await;
    let stale = |body: &[u8]| {
        let line = format!("SHA256 (latest.bin) = {}\n", hex(&Sha256::digest(body)));
        world.upstream.put("/tree/SHASUMS256.txt", Resource::new("text/plain", line).cache_control("max-age=0"));
        world.put("latest.bin", body);
    };
    stale(b"one");
    assert!(world.get("latest.bin").await.is(b"one"));
    stale(b"two");
    assert!(world.get("latest.bin").await.is(b"two"));
}

#[tokio::test]
async fn a_file_that_changes_with_its_sums_is_right_again_while_the_old_ones_are_fresh() {
    for size in [1_000, 100_000] {
        let world = World::start(SUMS).await;
        let [old, new] = [1, 2].map(|seed| Random::new(seed).bytes(size));
        world.put_sums("SHASUMS256.txt", &[("latest.bin", &old)]);
        assert_eq!(world.get("SHASUMS256.txt").await.status, 200);
        world.put_sums("SHASUMS256.txt", &[("latest.bin", &new)]);
        world.put("latest.bin", &new);
        let mut answer = world.get("latest.bin").await;
        if size > 16 << 10 && !answer.is(&new) {
            // It was on its way when it turned out to be another.
            assert!(!answer.completed(), "{}", answer.summary());
            answer = world.get("latest.bin").await;
        }
        assert!(answer.is(&new), "{size}: {}", answer.summary());
        assert_eq!(world.count("SHASUMS256.txt"), 2);
        assert!(world.get("latest.bin").await.is(&new));
        assert_eq!(world.count("SHASUMS256.txt"), 2, "and trusted again");
    }
}

#[tokio::test]
async fn where_proofs_are_required_nothing_else_is_served() {
    let world = World::start(&format!("{SUMS}\nchecksums_required = true")).await;
    world.put_sums("SHASUMS256.txt", &[("a.bin", b"a")]);
    world.put("a.bin", b"a");
    world.put("b.bin", b"b");
    world.put("sub/a.bin", b"a");
    assert!(world.get("a.bin").await.is(b"a"));
    for path in ["b.bin", "sub/a.bin", "", "sub/", "b.bin?a.bin"] {
        refused(&world.get(path).await, 403);
    }
    assert_eq!(world.count("b.bin") + world.count("sub/a.bin"), 0);
}

#[tokio::test]
async fn checksums_that_cannot_be_had_prove_nothing_and_hide_nothing() {
    let world = World::start(SUMS).await;
    world.put("v2/a.bin", b"a");
    assert!(world.get("v2/a.bin").await.is(b"a"), "a directory without a list has nothing to prove");
    world.put("v3/a.bin", b"a");
    for fault in [Fault::Status(503), Fault::Html, Fault::ResetBeforeHead] {
        world.upstream.fail("/tree/v3/SHASUMS256.txt", fault);
        let answer = world.get("v3/a.bin").await;
        assert!(matches!(answer.status, 502..=504), "{}", answer.summary());
        world.upstream.heal("/tree/v3/SHASUMS256.txt");
    }
    assert_eq!(world.count("v3/a.bin"), 0, "asked for before it could be proved");
}

#[tokio::test]
async fn a_directory_listing_is_passed_and_so_is_what_the_upstream_says_of_failures() {
    let world = World::start("").await;
    world.put("dist/", b"<a href=\"v1/\">v1/</a>");
    let listing = world.get("dist/").await;
    assert!(listing.is(b"<a href=\"v1/\">v1/</a>"), "{}", listing.summary());
    world.upstream.put("/tree/down", Resource::new("text/plain", "later").status(503).header("retry-after", "7"));
    let down = world.get("down").await;
    assert_eq!((down.status, down.text().as_str(), down.header("retry-after")), (503, "later", Some("7")));
    assert!(down.header("cache-status").is_some_and(|told| told == "heliostat; fwd=miss"));
}

#[tokio::test]
async fn a_directory_listing_is_kept_and_asked_for_anew_like_any_document() {
    let world = World::start("").await;
    let known = |body: &str| format!("\"{}\"", body.len());
    let listing = |body: &str| Resource::new("text/html", body.to_owned()).etag(&known(body));
    let (old, new) = ("<a href=\"v1/\">v1/</a>", "<a href=\"v1/\">v1/</a><a href=\"v2/\">v2/</a>");
    world.upstream.put("/tree/dist/", listing(old).cache_control("max-age=0"));
    assert!(world.get("dist/").await.is(old.as_bytes()));
    world.settle().await;
    let again = world.get("dist/").await;
    assert!(again.is(old.as_bytes()) && again.cache_says("fwd=stale"), "{:?}", again.headers);
    let seen = world.upstream.seen("/tree/dist/");
    assert_eq!(
        (seen.len(), seen[1].headers.get("if-none-match")),
        (2, Some(known(old).as_str())),
        "asked whether it changed"
    );
    world.upstream.put("/tree/dist/", listing(new).cache_control("max-age=300"));
    for _ in 0..2 {
        world.settle().await;
        let changed = world.get("dist/").await;
        assert!(
            changed.is(new.as_bytes()) && changed.header("etag") == Some(known(new).as_str()),
            "{}",
            changed.summary()
        );
    }
    let unchanged = world.heliostat.ask(&Ask::get("/files/t/dist/").header("if-none-match", &known(new))).await;
    assert!(unchanged.status == 304 && unchanged.cache_says("hit"), "{}", unchanged.summary());
    assert_eq!(world.count("dist/"), 3);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_completed_nor_kept() {
    let world = World::start("").await;
    let body = Random::new(3).bytes(300_000);
    world.put("cut.bin", &body);
    world.upstream.fail("/tree/cut.bin", Fault::CutAt(150_000));
    let answer = world.get("cut.bin").await;
    assert!(!answer.completed() || answer.status >= 500, "{}", answer.summary());
    assert!(world.heliostat.contents().is_empty());
    world.upstream.heal("/tree/cut.bin");
    assert!(world.get("cut.bin").await.is(&body));
}

#[tokio::test]
async fn a_redirect_is_followed_where_the_mount_says_so() {
    let world = World::start("redirects = \"follow\"").await;
    world.put("new.bin", b"moved");
    world.upstream.fail("/tree/old.bin", Fault::Redirect(format!("{}/tree/new.bin", world.upstream.url())));
    assert!(world.get("old.bin").await.is(b"moved"));
}

#[tokio::test]
async fn two_mounts_of_one_tree_share_nothing() {
    let upstream = FakeUpstream::start();
    let builder =
        ["a", "b"].iter().fold(Heliostat::builder(), |builder, name| builder.mount(&mount(name, "", &upstream.url())));
    let heliostat = builder.start().await;
    for (name, body) in [("a", "one"), ("b", "two")] {
        upstream.put("/x", Resource::new("text/plain", body).cache_control("max-age=300"));
        assert!(heliostat.get(&format!("/files/{name}/x")).await.is(body.as_bytes()));
    }
    assert!(heliostat.get("/files/a/x").await.is(b"one"));
    assert_eq!(upstream.count("/x"), 2);
}

#[tokio::test]
async fn who_asks_for_what_cannot_be_shared_asks_for_himself() {
    let world = World::start("").await;
    world.upstream.answer_with(Arc::new(|seen: &Seen| {
        let language = seen.headers.get("accept-language").unwrap_or("none").to_owned();
        let resource = Resource::new("text/plain", language);
        Some(match seen.path.as_str() {
            "/tree/private" => resource.header("cache-control", "private"),
            "/tree/varying" => resource.header("cache-control", "max-age=60").header("vary", "accept-language"),
            _ => return None,
        })
    }));
    let languages: Vec<String> = (0..40).map(|number| format!("l{}", number % 4)).collect();
    for path in ["private", "varying"] {
        world.upstream.fail(&format!("/tree/{path}"), Fault::Latency(Duration::from_millis(100)));
        let asks =
            languages.iter().map(|language| Ask::get(&format!("/files/t/{path}")).header("accept-language", language));
        let asks: Vec<_> = asks.collect();
        let answers = join_all(asks.iter().map(|ask| world.heliostat.ask(ask))).await;
        for (answer, language) in answers.iter().zip(&languages) {
            assert!(answer.is(language.as_bytes()), "{path} {language}: {}", answer.summary());
        }
    }
    assert_eq!(world.count("private"), 40, "each got his own");
    assert!(world.count("varying") < 40, "variants are shared: {}", world.count("varying"));
}

#[tokio::test]
async fn variants_of_one_resource_are_bounded() {
    let world = World::start("request_headers = [\"x-a\"]").await;
    let resource = Resource::new("text/plain", "same").header("vary", "x-a").cache_control("max-age=300");
    world.upstream.put("/tree/many", resource);
    let ask = |number: usize| Ask::get("/files/t/many").header("x-a", &number.to_string());
    for number in 0..60 {
        assert!(world.heliostat.ask(&ask(number)).await.is(b"same"));
    }
    let begun = Instant::now();
    while world.heliostat.metric("heliostat_store_entries", &[]).await > 33.0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "too many variants are kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.heliostat.ask(&ask(59)).await.is(b"same"));
    assert_eq!(world.count("many"), 60, "the newest is kept");
}

#[tokio::test]
async fn a_method_that_the_mount_does_not_take_is_refused() {
    let world = World::start("methods = [\"GET\", \"HEAD\", \"DELETE\"]\npassthrough = false").await;
    for method in ["PUT", "DELETE"] {
        let answer = world.heliostat.ask(&Ask::new(method, "/files/t/x")).await;
        refused(&answer, 405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    assert!(world.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn a_file_is_purged_by_its_path() {
    let world = World::start("").await;
    world.put("a/b.bin", b"one");
    assert!(world.get("a/b.bin").await.is(b"one"));
    let begun = Instant::now();
    while world.heliostat.metric("heliostat_store_entries", &[]).await < 1.0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is not kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.put("a/b.bin", b"two");
    let data = world.heliostat.data().display().to_string();
    let config = "[[mount]]\ndialect = \"files\"\nname = \"t\"\n[[mount.upstream]]\nurl = \"https://files.example\"\n";
    let home = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(home.path().join("h.toml"), config).expect("a temporary directory can be written");
    let purged = std::process::Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .args(["purge", "--config", "h.toml", "--data", &data, "t", "a/b.bin"])
        .current_dir(home.path())
        .output()
        .expect("the binary can be started");
    assert!(String::from_utf8_lossy(&purged.stdout).starts_with("1 entries of a/b.bin"), "{purged:?}");
    let begun = Instant::now();
    while !world.get("a/b.bin").await.is(b"two") {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_part_of_another_time_is_not_sewn_to_what_there_is() {
    let world = World::start("").await;
    let body = Random::new(3).bytes(200_000);
    let dated = Resource { ranges: true, ..Resource::new("text/plain", body.clone()) };
    let dated = dated.cache_control("max-age=300").last_modified(SystemTime::now() - Duration::from_secs(3_600));
    let sent = httpdate::fmt_http_date(SystemTime::now());
    world.upstream.put("/tree/dated.bin", dated.header("date", &sent));
    world.upstream.fail_next("/tree/dated.bin", 1, Fault::CutAt(120_000));
    world.upstream.fail("/tree/dated.bin", Fault::Part(PartLie::OtherDate));
    let answer = world.get("dated.bin").await;
    assert!(!answer.completed() || answer.is(&body), "{}", answer.summary());
    assert!(world.count("dated.bin") > 1, "it was taken up again");
    world.upstream.heal("/tree/dated.bin");
    assert!(world.get("dated.bin").await.is(&body));
}

#[tokio::test]
async fn a_slow_reader_of_what_is_not_kept_leaves_the_host_to_others() {
    let upstream = FakeUpstream::start();
    let heliostat = Heliostat::builder().set("fetch", "connections_per_host", "1");
    let heliostat = heliostat.mount(&mount("t", "", &format!("{}/tree", upstream.url()))).start().await;
    let world = World { upstream, heliostat };
    let secret = Resource::new("text/plain", Random::new(4).bytes(16 << 20)).cache_control("no-store");
    world.upstream.put("/tree/secret", secret);
    world.put("common", b"common");
    let slow = Ask::get("/files/t/secret").slowly(16 << 10, Duration::from_millis(50)).leave_after(512 << 10);
    let (slow, common) = tokio::join!(world.heliostat.ask(&slow), async {
        while world.count("secret") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.get("common").await
    });
    assert_eq!(slow.status, 200, "{}", slow.summary());
    assert!(common.is(b"common"), "{}", common.summary());
}
