//! How often packages were fetched. Source: contract npm §5.3, §10.4.

use std::time::Duration;

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT};
use super::{Publisher, assert_refused};
use crate::support::http::Ask;
use crate::support::resource::Resource;

/// Asks about a year until a count is as expected: counts are written down every few seconds.
async fn year_of(joe: &Publisher, name: &str, form: &str, expected: u64) -> Value {
    let year = joe.get("/@acme/tool").await.json()["time"]["created"].as_str().expect("a time")[..4].to_owned();
    let mut looks = 0;
    loop {
        let told = joe.get(&format!("/downloads/{form}/{year}-12-31:{year}-01-01/{name}")).await;
        assert_eq!(told.status, 200, "{}", told.summary());
        let told = told.json();
        let days = told["downloads"].as_array().into_iter().flatten();
        let sum: u64 = days.map(|day| day["downloads"].as_u64().expect("a number")).sum();
        if told["downloads"].as_u64().unwrap_or(sum) == expected {
            return told;
        }
        looks += 1;
        assert!(looks < 200, "never {expected}: {told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fetch(joe: &Publisher, path: &str, times: usize) {
    for _ in 0..times {
        let answer = joe.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.summary());
    }
}

#[tokio::test]
async fn what_is_fetched_whole_or_confirmed_is_counted() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.publish("@acme/tool", "1.1.0", json!({})).await;
    let path = "/@acme/tool/-/tool-1.0.0.tgz";
    fetch(&joe, path, 3).await;
    fetch(&joe, "/@acme%2ftool/-/tool-1.1.0.tgz", 1).await;
    let etag = joe.get(path).await.header("etag").expect("an entity tag").to_owned();
    let target = format!("/npm{path}");
    let ask = |ask: Ask| ask.header("authorization", &format!("Bearer {}", joe.token));
    for (ask, status) in [
        (ask(Ask::get(&target)).header("if-none-match", &etag), 304),
        (ask(Ask::get(&target)).header("range", "bytes=0-9"), 206),
        (ask(Ask::new("HEAD", &target)), 200),
        (ask(Ask::get("/npm/@acme/tool/-/tool-9.9.9.tgz")), 404),
    ] {
        assert_eq!(joe.heliostat.ask(&ask).await.status, status);
    }
    let told = year_of(&joe, "@acme/tool", "range", 6).await;
    assert_eq!(told["downloads"].as_array().map(Vec::len), Some(1), "one day: {told}");
    let day = &told["downloads"][0];
    assert_eq!((&told["package"], &day["downloads"]), (&json!("@acme/tool"), &json!(6)));
    let of_version =
        |version: &str, count: u64| json!([{ "day": day["day"], "downloads": count }]) == told["versions"][version];
    assert!(of_version("1.0.0", 5) && of_version("1.1.0", 1), "{told}");
    let point = year_of(&joe, "@acme%2ftool", "point", 6).await;
    assert!(point["start"].as_str().unwrap().ends_with("-01-01") && point["end"].as_str().unwrap().ends_with("-12-31"));
    assert_eq!(joe.get("/downloads/point/last-week/@acme/tool").await.json()["downloads"], 0, "it ends yesterday");
    let today = day["day"].as_str().unwrap();
    assert_eq!(joe.get(&format!("/downloads/total/point/{today}")).await.json()["downloads"], 6);
    for path in
        [format!("/downloads/@acme/{today}"), format!("/downloads/range/{today}"), format!("/downloads/total/{today}")]
    {
        assert_eq!(joe.get(&path).await.json()["downloads"], json!([day]), "{path}");
    }
    assert_eq!(joe.get(&format!("/downloads/@other/{today}")).await.json()["downloads"], json!([]));
    assert_refused(&joe.get("/downloads/point/last-week/@acme/absent").await, 404);
    assert_refused(&joe.get("/downloads/point/sometimes/@acme/tool").await, 422);
}

#[tokio::test]
async fn of_mirrored_packages_upstream_tells_and_hears_of_none_of_ours() {
    let joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    let theirs = json!({ "downloads": 42, "package": "left" }).to_string();
    let json = |body: &str| Resource::new("application/json", body.to_owned());
    joe.registry.upstream.put("/downloads/point/2024-01-01/left", json(&theirs));
    joe.registry.upstream.put("/downloads/point/2024-01-01:2024-01-01/left", json(&theirs));
    let both = json!({ "left": { "downloads": 1 }, "right": null, "@acme/tool": { "downloads": 7 } }).to_string();
    joe.registry.upstream.put("/downloads/point/2024-01-01:2024-01-01/left,right", json(&both));
    assert_eq!(joe.get("/downloads/point/2024-01-01/left").await.json()["downloads"], 42);
    let told = joe.get("/downloads/point/2024-01-01/left,@acme/tool,@acme/absent,_x").await.json();
    assert_eq!((&told["left"]["downloads"], &told["@acme/tool"]["downloads"]), (&json!(42), &json!(0)), "{told}");
    assert!(told["@acme/absent"].is_null() && told["_x"].is_null() && told.as_object().unwrap().len() == 4, "{told}");
    let told = joe.get("/downloads/point/2024-01-01/left,right,@acme/tool").await.json();
    assert_eq!(
        (&told["left"]["downloads"], &told["right"], &told["@acme/tool"]["downloads"]),
        (&json!(1), &Value::Null, &json!(0))
    );
    for seen in joe.registry.upstream.all_seen() {
        assert!(!seen.path.contains("acme"), "upstream heard {}", seen.path);
    }
}

#[tokio::test]
async fn what_is_mirrored_is_counted_in_sums_and_by_itself_only_where_the_mount_tells_of_it() {
    let mut joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.registry.publish_plain("left");
    let version = joe.get("/left/latest").await.json()["version"].as_str().expect("a version").to_owned();
    let path = format!("/left/-/left-{version}.tgz");
    fetch(&joe, &path, 2).await;
    fetch(&joe, "/@acme/tool/-/tool-1.0.0.tgz", 1).await;
    let today =
        year_of(&joe, "@acme/tool", "range", 1).await["downloads"][0]["day"].as_str().expect("a day").to_owned();
    let sum =
        async |joe: &Publisher| joe.get(&format!("/downloads/total/point/{today}")).await.json()["downloads"].clone();
    assert_eq!(sum(&joe).await, 3);
    joe.heliostat.stop();
    let url = joe.registry.url().to_owned();
    joe.heliostat.reconfigure(|builder| builder.without_mounts().npm(&url, "own = [\"@acme/*\"]\ndownloads = \"own\""));
    joe.heliostat.start().await;
    fetch(&joe, &path, 1).await;
    year_of(&joe, "left", "point", 1).await;
    assert_eq!(sum(&joe).await, 4);
}

#[tokio::test]
async fn a_mount_may_count_what_it_mirrors() {
    let joe = Publisher::start("downloads = \"own\"").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    joe.registry.publish_plain("left");
    let version = joe.get("/left/latest").await.json()["version"].as_str().expect("a version").to_owned();
    fetch(&joe, &format!("/left/-/left-{version}.tgz"), 2).await;
    let told = year_of(&joe, "left", "point", 2).await;
    assert_eq!(told["package"], "left");
    assert!(joe.registry.upstream.all_seen().iter().all(|seen| !seen.path.starts_with("/downloads")));
}

#[tokio::test]
async fn of_a_merged_name_versions_of_ours_are_counted_by_themselves() {
    let mut acme = Acme::start_with(&[], "merged = [\"left\"]").await;
    acme.registry.publish_plain("left");
    let theirs = acme.get(NOBODY, "/left/latest").await.json()["version"].as_str().expect("a version").to_owned();
    assert_eq!(acme.publish(ROOT, "left", "1.0.0-acme", None).await.status, 201);
    for version in [&theirs, "1.0.0-acme", "1.0.0-acme"] {
        assert_eq!(acme.get(NOBODY, &format!("/left/-/left-{version}.tgz")).await.status, 200);
    }
    // What was counted is told as soon as the mount tells of it.
    acme.heliostat.stop();
    let mount = "own = [\"@acme/*\"]\nmerged = [\"left\"]\ndownloads = \"own\"";
    acme.heliostat.reconfigure(|builder| builder.without_mounts().npm(acme.registry.url(), mount));
    acme.heliostat.start().await;
    let year = acme.get(NOBODY, "/left").await.json()["time"]["1.0.0-acme"].as_str().expect("a time")[..4].to_owned();
    let told = acme.get(NOBODY, &format!("/downloads/range/{year}-01-01:{year}-12-31/left")).await.json();
    assert_eq!(told["versions"]["1.0.0-acme"][0]["downloads"], 2, "{told}");
    assert_eq!(told["versions"].as_object().expect("versions").len(), 1, "the other stands in the sums alone: {told}");
    let day = told["downloads"][0]["day"].as_str().expect("a day");
    assert_eq!(acme.get(NOBODY, &format!("/downloads/total/point/{day}")).await.json()["downloads"], 3);
}

#[tokio::test]
async fn a_stop_loses_no_count() {
    let mut joe = Publisher::start("").await;
    joe.publish("@acme/tool", "1.0.0", json!({})).await;
    fetch(&joe, "/@acme/tool/-/tool-1.0.0.tgz", 2).await;
    joe.heliostat.restart().await;
    fetch(&joe, "/@acme/tool/-/tool-1.0.0.tgz", 1).await;
    year_of(&joe, "@acme/tool", "point", 3).await;
}

#[tokio::test]
async fn sums_do_not_tell_of_what_is_hidden() {
    let joe = Publisher::start("").await;
    for name in ["@acme/tool", "@acme/secret"] {
        joe.publish(name, "1.0.0", json!({})).await;
    }
    fetch(&joe, "/@acme/secret/-/secret-1.0.0.tgz", 2).await;
    let set = joe.send("POST", "/-/package/@acme%2fsecret/access", &json!({ "access": "restricted" })).await;
    assert_eq!(set.status, 200, "{}", set.summary());
    fetch(&joe, "/@acme/secret/-/secret-1.0.0.tgz", 3).await;
    fetch(&joe, "/@acme/tool/-/tool-1.0.0.tgz", 1).await;
    year_of(&joe, "@acme/secret", "point", 5).await;
    let told = year_of(&joe, "@acme/tool", "range", 1).await;
    let today = told["downloads"][0]["day"].as_str().expect("a day").to_owned();
    let sum = joe.heliostat.ask(&Ask::get(&format!("/npm/downloads/total/point/{today}"))).await;
    assert_eq!(sum.json()["downloads"], 1, "{}", sum.summary());
    let of_scope = joe.heliostat.ask(&Ask::get(&format!("/npm/downloads/@acme/{today}"))).await.json();
    assert_eq!(of_scope["downloads"][0]["downloads"], 1, "{of_scope}");
}
