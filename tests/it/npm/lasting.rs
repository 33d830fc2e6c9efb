//! What was acknowledged is there: after a kill at any step of a publish, and after many publish at once. Source: contract
//! npm §7.1.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use serde_json::Value;

use super::acme::{Acme, NOBODY, publication};
use crate::support::http::Answer;

const STEPS: [&str; 4] = ["announced", "bytes_in_place", "rows_written", "committed"];
const VARIABLE: &str = "HELIOSTAT_TEST_ABORT_PUBLISH_AT";

async fn publish(acme: &Acme, version: &str) -> Answer {
    acme.send("joe", "PUT", "/@acme%2ftool", publication("@acme/tool", version)).await
}

async fn versions(acme: &Acme) -> BTreeSet<String> {
    let document = acme.get(NOBODY, "/@acme/tool").await;
    if document.status == 404 {
        return BTreeSet::new();
    }
    document.json()["versions"].as_object().expect("versions").keys().cloned().collect()
}

/// Fails unless each version that is listed can be had.
async fn assert_whole(acme: &Acme) {
    for version in versions(acme).await {
        let tarball = acme.get(NOBODY, &format!("/@acme/tool/-/tool-{version}.tgz")).await;
        let listed = acme.get(NOBODY, &format!("/@acme/tool/{version}")).await.json();
        assert_eq!(tarball.status, 200, "{version}: {}", tarball.summary());
        assert_eq!(Some(tarball.body.len() as u64), listed["dist"]["size"].as_u64(), "{version}");
    }
}

#[tokio::test]
async fn a_kill_at_any_step_shows_no_half_of_a_publish_and_loses_none() {
    let mut acme = Acme::start(&["joe"]).await;
    let mut expected: BTreeSet<String> = ["0.9.0".to_owned()].into();
    assert_eq!(publish(&acme, "0.9.0").await.status, 201);
    for (number, step) in STEPS.into_iter().enumerate() {
        let version = format!("1.{number}.0");
        acme.heliostat.stop();
        acme.heliostat.reconfigure(|builder| builder.environment(VARIABLE, step));
        acme.heliostat.start().await;
        let answer = publish(&acme, &version).await;
        assert!(!answer.completed(), "{step}: nobody is told of what is not over: {}", answer.summary());
        acme.heliostat.kill();
        acme.heliostat.reconfigure(|builder| builder.environment(VARIABLE, ""));
        acme.heliostat.start().await;
        // What was committed is there, though nobody was told.
        if step == "committed" {
            expected.insert(version.clone());
        }
        assert_eq!(versions(&acme).await, expected, "killed when {step}");
        assert_whole(&acme).await;
        let again = publish(&acme, &version).await;
        assert_eq!(again.status, if step == "committed" { 403 } else { 201 }, "{step}: {}", again.summary());
        expected.insert(version);
        assert_eq!(versions(&acme).await, expected, "published again after {step}");
    }
    assert_whole(&acme).await;
}

#[tokio::test]
async fn fifty_publish_at_once_and_nothing_is_lost() {
    let acme = Acme::start(&["joe"]).await;
    let all: Vec<String> = (0..50).map(|number| format!("1.{number}.0")).collect();
    let published = join_all(all.iter().map(|version| publish(&acme, version))).await;
    for answer in &published {
        assert_eq!(answer.status, 201, "{}", answer.summary());
    }
    assert_eq!(versions(&acme).await, all.iter().cloned().collect());
    assert_whole(&acme).await;
    let revs: BTreeSet<String> = published.iter().map(|answer| rev(&answer.json())).collect();
    assert_eq!(revs.len(), 50, "each was a change of its own");

    let same = join_all((0..20).map(|_| publish(&acme, "2.0.0"))).await;
    let won = same.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(won, 1, "one of many that publish one version");
    assert!(
        same.iter().all(|answer| matches!(answer.status, 201 | 403)),
        "{:?}",
        same.iter().map(Answer::summary).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_backup_that_is_restored_beside_a_kept_cache_is_what_is_served() {
    let mut acme = Acme::start(&["joe"]).await;
    let (overlay, backup) = (acme.heliostat.data().join("overlay"), tempfile::tempdir().expect("a directory"));
    assert_eq!(publish(&acme, "1.0.0").await.status, 201);
    acme.heliostat.stop();
    copy(&overlay, backup.path());
    acme.heliostat.start().await;
    assert_eq!(publish(&acme, "2.0.0").await.status, 201);
    assert_eq!(versions(&acme).await.len(), 2);
    acme.heliostat.stop();
    std::fs::remove_dir_all(&overlay).expect("a directory can be removed");
    copy(backup.path(), &overlay);
    acme.heliostat.start().await;
    assert_eq!(versions(&acme).await, ["1.0.0".to_owned()].into());
    // The same revision as that of 2.0.0, which is still in the cache.
    assert_eq!(publish(&acme, "1.5.0").await.status, 201);
    assert_eq!(versions(&acme).await, ["1.0.0".to_owned(), "1.5.0".to_owned()].into());
    assert_whole(&acme).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let place = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(&path, &place).expect("a file can be copied");
        }
    }
}

fn rev(answer: &Value) -> String {
    answer["rev"].as_str().expect("a revision").to_owned()
}
