//! Mirrors of binaries: listed, browsed, handed out and walked. Source: contract npm §16.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT};
use super::assert_refused;
use crate::support::http::{Answer, Ask};
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

const PAGE: &str = "text/html";

/// A page of links, with a date for each.
fn page(entries: &[(&str, &str)]) -> Resource {
    let line = |(name, date): &(&str, &str)| format!("<a href=\"{name}\">{name}</a>   {date}   -\r\n");
    let lines: String = entries.iter().map(line).collect();
    let html = format!("<html><body><h1>Index</h1><pre><a href=\"../\">../</a>\r\n{lines}</pre></body></html>");
    Resource::new(PAGE, html).cache_control("max-age=0")
}

fn tool(version: &str) -> Resource {
    Resource::artifact(format!("tool {version}").repeat(100))
}

/// A tree with two versions of a tool below `/dist/`.
fn tree() -> FakeUpstream {
    let upstream = FakeUpstream::start();
    upstream.put("/dist/", page(&[("v1.0.0/", "01-Mar-2024 10:00"), ("v1.1.0/", "02-Mar-2024 10:00")]));
    upstream.put("/dist/v1.0.0/", page(&[("a%20b.tgz", "01-Mar-2024 10:01"), ("gone.tgz", "01-Mar-2024 10:02")]));
    upstream.put("/dist/v1.1.0/", page(&[("tool.tgz", "02-Mar-2024 10:01"), ("x64/", "02-Mar-2024 10:02")]));
    upstream.put("/dist/v1.1.0/x64/", page(&[("tool.tgz", "02-Mar-2024 10:02")]));
    upstream.put("/dist/v1.0.0/a b.tgz", tool("1.0.0"));
    upstream.put("/dist/v1.1.0/tool.tgz", tool("1.1.0"));
    upstream.put("/dist/v1.1.0/x64/tool.tgz", tool("1.1.0 x64"));
    upstream
}

/// Starts a registry beside which a tree is mirrored, under these names.
async fn start(upstream: &FakeUpstream, mount: &str, binaries: &str) -> Acme {
    let mut acme = Acme::start(&["joe"]).await;
    acme.heliostat.stop();
    let (mount, more) = (format!("name = \"tree\"\n{mount}"), binaries.to_owned());
    let url = upstream.url();
    acme.heliostat.reconfigure(move |builder| builder.dialect("files", &url, &mount, &more));
    acme.heliostat.start().await;
    acme
}

const TOOL: &str = "[[binary]]\nname = \"tool\"\ntype = \"index\"\nfiles = \"tree\"\npath = \"dist\"\n\
                    description = \"A tool\"\nrepo_url = \"https://code.example/tool\"\n";

/// Names what a directory holds, with the dates.
fn names(listed: &Answer) -> Vec<(String, String)> {
    assert_eq!(listed.status, 200, "{}", listed.summary());
    let text = |entry: &Value, member: &str| entry[member].as_str().expect("a text").to_owned();
    let json = listed.json();
    let entries = json.as_array().expect("a list");
    entries.iter().map(|entry| (text(entry, "name"), text(entry, "date"))).collect()
}

fn dated(names: &[(&str, &str)]) -> Vec<(String, String)> {
    let date = |date: &str| if date.is_empty() { String::new() } else { format!("2024-03-{date}:00.000Z") };
    names.iter().map(|(name, at)| ((*name).to_owned(), date(at))).collect()
}

/// Has a mirror walked, and returns the log.
async fn walk(acme: &Acme, name: &str, body: Value) -> String {
    let made = acme.send(ROOT, "POST", &format!("/-/binary/{name}/sync"), body).await;
    assert_eq!(made.status, 200, "{}", made.summary());
    let (told, id) = (made.json(), made.json()["taskId"].as_str().expect("an id").to_owned());
    let path = format!("/-/binary/{name}/syncs/{id}/log");
    assert_eq!(told, json!({ "ok": true, "taskId": id, "logPath": path }));
    let is_last = |line: &str| ["🟢", "❌", "the task is over"].iter().any(|sign| line.contains(sign));
    let is_over = |log: &str| log.lines().last().is_some_and(is_last);
    let mut log = String::new();
    for _ in 0..400 {
        let told = acme.get("joe", &path).await;
        assert_eq!((told.status, told.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        log = told.text();
        if is_over(&log) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(is_over(&log), "it never ends: {log}");
    log
}

#[tokio::test]
async fn a_tree_is_browsed_as_far_as_somebody_asks_and_stays_when_upstream_is_gone() {
    let upstream = tree();
    let acme = start(&upstream, "", TOOL).await;
    let base = format!("{}/npm/-/binary/", acme.heliostat.url());
    let mirrors = acme.get(NOBODY, "/-/binary/").await;
    let expected = json!([{ "name": "tool/", "category": "tool/", "description": "A tool", "type": "dir",
        "distUrl": format!("{}/dist", upstream.url()), "repoUrl": "https://code.example/tool/",
        "url": format!("{base}tool/") }]);
    assert_eq!(mirrors.json(), expected);

    // Nobody has listed it: those above it are listed first.
    let below = acme.get(NOBODY, "/-/binary/tool/v1.1.0/").await;
    assert_eq!(names(&below), dated(&[("tool.tgz", "02T10:01"), ("x64/", "02T10:02")]));
    let file = &below.json()[0];
    let id = file["id"].as_str().expect("an id").to_owned();
    assert!(id.len() == 24 && file["modified"].is_string(), "{file}");
    assert_eq!((&file["category"], &file["type"]), (&json!("tool"), &json!("file")));
    assert_eq!(file["url"], format!("{base}tool/v1.1.0/tool.tgz"));
    assert_eq!((upstream.count("/dist/"), upstream.count("/dist/v1.0.0/")), (1, 0));
    for path in ["/-/binary/tool", "/-/binary/tool/"] {
        assert_eq!(names(&acme.get(NOBODY, path).await), dated(&[("v1.0.0/", "01T10:00"), ("v1.1.0/", "02T10:00")]));
    }
    assert_eq!(acme.get(NOBODY, "/-/binary/tool/v1.1.0").await.json(), below.json(), "a slash less");

    let got = acme.get(NOBODY, "/-/binary/tool/v1.0.0/a%20b.tgz").await;
    assert!(got.status == 200 && got.is(&tool("1.0.0").body), "{}", got.summary());
    let head = ["content-disposition", "content-type", "x-content-type-options"].map(|name| got.header(name));
    let expected = [Some("attachment; filename=\"a b.tgz\""), Some("application/octet-stream"), Some("nosniff")];
    assert_eq!(head, expected);
    let ask = Ask::get("/npm/-/binary/tool/v1.0.0/a%20b.tgz").header("range", "bytes=0-3");
    let part = acme.ask(NOBODY, ask).await;
    assert_eq!((part.status, part.text().as_str()), (206, "tool"));
    for path in ["/v1.0.0/gone.tgz", "/v1.0.0/none.tgz", "/none/", "/none/x", "/v1.1.0/tool.tgz/x", "/v1.0.0/none/"] {
        assert_refused(&acme.get(NOBODY, &format!("/-/binary/tool{path}")).await, 404);
    }
    let listed = upstream.count("/dist/v1.0.0/");
    assert_refused(&acme.get(NOBODY, "/-/binary/tool/v1.0.0/none.tgz").await, 404);
    assert_eq!(upstream.count("/dist/v1.0.0/"), listed, "what was missing is not looked for at once");

    upstream.vanish().await;
    let again = acme.get(NOBODY, "/-/binary/tool/v1.0.0/a%20b.tgz").await;
    assert!(again.is(&tool("1.0.0").body), "{}", again.summary());
    assert_eq!(acme.get(NOBODY, "/-/binary/tool/v1.1.0/").await.json(), below.json());
    // What nobody has listed may be there: an upstream that is gone cannot tell.
    assert_refused(&acme.get(NOBODY, "/-/binary/tool/v1.1.0/x64/").await, 503);
}

#[tokio::test]
async fn a_part_of_a_directory_goes_by_dates() {
    let upstream = tree();
    let dates = [("c", "03-Mar-2024 10:00"), ("a", "02-Mar-2024 10:00"), ("b", "03-Mar-2024 10:00"), ("d", "-")];
    upstream.put("/dist/", page(&dates));
    let acme = start(&upstream, "", TOOL).await;
    let all = dated(&[("d", ""), ("a", "02T10:00"), ("b", "03T10:00"), ("c", "03T10:00")]);
    for (query, expected) in [
        ("limit=1000", &all[..]),
        ("limit=2", &all[..2]),
        ("since=2024-03-03T10:00:00.000Z&limit=10", &all[2..]),
        ("since=2024-03-03&limit=1", &all[2..3]),
        ("since=2025&limit=1", &[]),
    ] {
        assert_eq!(names(&acme.get(NOBODY, &format!("/-/binary/tool/?{query}")).await), expected, "{query}");
    }
    for query in ["since=2024", "since=2024&limit=1001", "limit=0"] {
        let told = acme.get(NOBODY, &format!("/-/binary/tool/?{query}")).await;
        assert_refused(&told, 404);
        assert!(told.json()["reason"].as_str().is_some_and(|why| why.starts_with("limit should")), "{}", told.text());
    }
}

#[tokio::test]
async fn a_walk_fetches_what_is_new_and_the_mirror_stands_alone_then() {
    let upstream = tree();
    let long = Resource::artifact(vec![b'x'; 4096]);
    upstream.put("/dist/v1.0.0/long.tgz", long);
    upstream.put(
        "/dist/v1.0.0/",
        page(&[
            ("a%20b.tgz", "01-Mar-2024 10:01"),
            ("gone.tgz", "01-Mar-2024 10:02"),
            ("long.tgz", "01-Mar-2024 10:03"),
        ]),
    );
    let acme = start(&upstream, "max_artifact_bytes = \"2KiB\"", TOOL).await;
    let log = walk(&acme, "tool", Value::Null).await;
    assert!(log.contains("3 files fetched"), "{log}");
    assert!(log.contains("gone.tgz: upstream answers 404"), "{log}");
    assert!(log.contains("❌ /v1.0.0/long.tgz: "), "{log}");
    let files = ["/dist/v1.0.0/a b.tgz", "/dist/v1.1.0/tool.tgz", "/dist/v1.1.0/x64/tool.tgz"];
    assert_eq!(files.map(|path| upstream.count(path)), [1; 3]);

    upstream.vanish().await;
    for (path, version) in
        [("v1.0.0/a%20b.tgz", "1.0.0"), ("v1.1.0/tool.tgz", "1.1.0"), ("v1.1.0/x64/tool.tgz", "1.1.0 x64")]
    {
        let got = acme.get(NOBODY, &format!("/-/binary/tool/{path}")).await;
        assert!(got.is(&tool(version).body), "{path}: {}", got.summary());
    }
    let size = acme.get(NOBODY, "/-/binary/tool/v1.1.0/").await.json()[0]["size"].clone();
    assert_eq!(size, json!(tool("1.1.0").body.len()), "it was learned with the file");
    assert_refused(&acme.send("joe", "POST", "/-/binary/tool/sync", json!({})).await, 403);
    assert_refused(&acme.send(NOBODY, "POST", "/-/binary/tool/sync", json!({})).await, 401);
    assert_refused(&acme.send(ROOT, "POST", "/-/binary/tool/sync", json!({ "directory": "../" })).await, 422);
}

#[tokio::test]
async fn a_walk_looks_only_into_what_may_be_new() {
    let upstream = tree();
    let acme = start(&upstream, "", TOOL).await;
    upstream.put("/dist/v1.0.0/", page(&[("a%20b.tgz", "01-Mar-2024 10:01"), ("late.tgz", "01-Mar-2024 10:02")]));
    upstream.put("/dist/v1.0.0/late.tgz", Resource::new("text/plain", "not yet").status(500));
    let log = walk(&acme, "tool", json!({})).await;
    assert!(log.contains("3 files fetched") && log.contains("1 failed"), "{log}");
    let files = ["/dist/v1.0.0/a b.tgz", "/dist/v1.1.0/tool.tgz", "/dist/v1.1.0/x64/tool.tgz"];
    // What is not whole is looked into again.
    upstream.put("/dist/v1.0.0/late.tgz", tool("late"));
    let log = walk(&acme, "tool", json!({})).await;
    assert!(log.contains("1 files fetched") && log.contains("🟢"), "{log}");
    // What is whole and has not changed is not, but for the newest.
    let lists = ["/dist/", "/dist/v1.0.0/", "/dist/v1.1.0/", "/dist/v1.1.0/x64/"];
    let before = lists.map(|path| upstream.count(path));
    let log = walk(&acme, "tool", json!({})).await;
    assert!(log.contains("3 directories: 0 files fetched"), "{log}");
    let after = lists.map(|path| upstream.count(path));
    assert_eq!([0, 1, 2, 3].map(|at| after[at] - before[at]), [1, 0, 1, 1]);
    upstream.put("/dist/v1.2.0/", page(&[("tool.tgz", "03-Mar-2024 10:01")]));
    upstream.put("/dist/v1.2.0/tool.tgz", tool("1.2.0"));
    let newest = [("v1.0.0/", "01-Mar-2024 10:00"), ("v1.1.0/", "02-Mar-2024 10:00"), ("v1.2.0/", "03-Mar-2024 10:00")];
    upstream.put("/dist/", page(&newest));
    let log = walk(&acme, "tool", json!({ "since": "2024-03-03" })).await;
    assert!(log.contains("1 files fetched"), "{log}");
    assert_eq!(files.map(|path| upstream.count(path)), [1; 3], "nothing is fetched twice");
}

/// Answers as a bucket does, two keys a page.
fn bucket(seen: &Seen) -> Option<Resource> {
    let at = |text: &str| seen.query.contains(text);
    let (prefix, rest) = ("builds%2F", "<IsTruncated>false</IsTruncated>");
    let file = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2024-03-01T10:00:00.000Z</LastModified><Size>700</Size></Contents>"
        )
    };
    let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b/=</NextContinuationToken>";
    let inner = match () {
        () if seen.path != "/" || !at("list-type=2") => return None,
        () if at("prefix=builds%2Fv1%2F") => file("builds/v1/tool.zip") + rest,
        () if at("continuation-token=a%2Bb%2F%3D") => {
            format!("<CommonPrefixes><Prefix>builds/v1/</Prefix></CommonPrefixes>{rest}")
        }
        () if at(&format!("prefix={prefix}")) => file("builds/a &amp; b.txt") + more,
        () => return None,
    };
    let xml = format!("<?xml version=\"1.0\"?><ListBucketResult>{inner}</ListBucketResult>");
    Some(Resource::new("application/xml", xml).cache_control("no-store"))
}

#[tokio::test]
async fn a_bucket_is_listed_page_by_page() {
    let upstream = FakeUpstream::start();
    upstream.answer_with(Arc::new(bucket));
    upstream.put("/builds/v1/tool.zip", tool("1"));
    upstream.put("/builds/a & b.txt", tool("a & b"));
    let binaries = "[[binary]]\nname = \"@acme/builds\"\ntype = \"bucket\"\nfiles = \"tree\"\npath = \"builds\"\n";
    let acme = start(&upstream, "", binaries).await;
    let listed = acme.get(NOBODY, "/-/binary/@acme/builds/").await;
    assert_eq!(names(&listed), dated(&[("a & b.txt", "01T10:00"), ("v1/", "")]));
    assert_eq!(listed.json()[0]["size"], 700);
    let url = listed.json()[0]["url"].as_str().expect("a URL").to_owned();
    let path = url.split_once("/npm").expect("it is ours").1.to_owned();
    assert!(acme.get(NOBODY, &path).await.is(&tool("a & b").body), "{path}");
    let log = walk(&acme, "@acme/builds", json!({})).await;
    assert!(log.contains("1 files fetched") && log.contains("1 held"), "{log}");
    upstream.vanish().await;
    assert!(acme.get(NOBODY, "/-/binary/@acme%2fbuilds/v1/tool.zip").await.is(&tool("1").body));
}

#[tokio::test]
async fn releases_are_directories_that_are_called_as_their_tags() {
    let upstream = FakeUpstream::start();
    let url = upstream.url();
    let asset = |tag: &str, name: &str| {
        json!({ "name": name, "size": 700, "updated_at": "2024-03-01T10:00:00Z", "state": "uploaded",
            "browser_download_url": format!("{url}/acme/tool/releases/download/{tag}/{name}") })
    };
    let release = |tag: &str| json!({ "tag_name": tag, "assets": [asset(tag, "tool.zip")] });
    let pages = [json!([release("v2"), release("v1")]), json!([release("rc/v0")]), json!([])];
    upstream.answer_with(Arc::new(move |seen: &Seen| {
        let page = pages.iter().enumerate().find(|(at, _)| seen.query.ends_with(&format!("&page={}", at + 1)));
        let is_list = seen.path == "/repos/acme/tool/releases";
        page.filter(|_| is_list)
            .map(|(_, page)| Resource::new("application/json", page.to_string()).cache_control("private"))
    }));
    for tag in ["v2", "v1", "rc/v0"] {
        upstream.put(&format!("/acme/tool/releases/download/{tag}/tool.zip"), tool(tag));
    }
    let binaries = "[[binary]]\nname = \"tool\"\ntype = \"releases\"\nfiles = \"tree\"\npath = \"repos/acme/tool/releases\"\n\
                    [[binary]]\nname = \"tool-prebuilt\"\ncategory = \"other\"\ntype = \"releases\"\nfiles = \"tree\"\n\
                    path = \"repos/acme/tool/releases\"\n";
    let acme = start(&upstream, "", binaries).await;
    let listed = acme.get(NOBODY, "/-/binary/tool/").await;
    assert_eq!(names(&listed), dated(&[("rc/", "01T10:00"), ("v1/", "01T10:00"), ("v2/", "01T10:00")]));
    assert_eq!(names(&acme.get(NOBODY, "/-/binary/tool/rc/v0/").await), dated(&[("tool.zip", "01T10:00")]));
    assert_eq!(upstream.count("/repos/acme/tool/releases"), 3, "all is told at once");
    let log = walk(&acme, "tool", json!({})).await;
    assert!(log.contains("3 files fetched"), "{log}");
    upstream.vanish().await;
    for tag in ["v2", "v1", "rc/v0"] {
        assert!(acme.get(NOBODY, &format!("/-/binary/tool/{tag}/tool.zip")).await.is(&tool(tag).body), "{tag}");
    }
    let log = walk(&acme, "tool", json!({})).await;
    assert!(log.contains("❌"), "upstream's own fault is told: {log}");
    assert_eq!(names(&acme.get(NOBODY, "/-/binary/tool/").await).len(), 3);
}

#[tokio::test]
async fn a_mirror_is_listed_under_the_name_of_another_too() {
    let upstream = FakeUpstream::start();
    upstream.put("/new/", page(&[("v2/", "02-Mar-2024 10:00")]));
    upstream.put("/new/v2/", page(&[("canvas-v2.tgz", "02-Mar-2024 10:00")]));
    upstream.put("/new/v2/canvas-v2.tgz", tool("2"));
    upstream.put("/old/", page(&[("v1/", "01-Mar-2024 10:00")]));
    upstream.put("/old/v1/", page(&[("canvas-prebuilt-v1.tgz", "01-Mar-2024 10:00")]));
    upstream.put("/old/v1/canvas-prebuilt-v1.tgz", tool("1"));
    let binary = |name: &str, path: &str, more: &str| {
        format!("[[binary]]\nname = \"{name}\"\ntype = \"index\"\nfiles = \"tree\"\npath = \"{path}\"\n{more}")
    };
    let binaries = binary("canvas", "new", "") + &binary("canvas-prebuilt", "old", "category = \"canvas\"\n");
    let acme = start(&upstream, "", &binaries).await;
    assert_eq!(names(&acme.get(NOBODY, "/-/binary/canvas/").await), dated(&[("v1/", "01T10:00"), ("v2/", "02T10:00")]));
    assert_eq!(names(&acme.get(NOBODY, "/-/binary/canvas-prebuilt/").await), dated(&[("v1/", "01T10:00")]));
    let listed = dated(&[("canvas-prebuilt-v1.tgz", "01T10:00")]);
    assert_eq!(names(&acme.get(NOBODY, "/-/binary/canvas/v1/").await), listed);
    for (path, version) in [
        ("canvas/v1/canvas-v1.tgz", "1"),
        ("canvas/v1/canvas-prebuilt-v1.tgz", "1"),
        ("canvas-prebuilt/v1/canvas-prebuilt-v1.tgz", "1"),
        ("canvas/v2/canvas-v2.tgz", "2"),
    ] {
        assert!(acme.get(NOBODY, &format!("/-/binary/{path}")).await.is(&tool(version).body), "{path}");
    }
}
