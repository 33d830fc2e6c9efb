//! Published bytes, blocks and first digests.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;

use super::{Stage, actor, soon};
use crate::base::digest::Digest;
use crate::base::fs::{Slice, files_below};
use crate::overlay::Overlay;
use crate::overlay::blobs::{Blob, Source};
use crate::overlay::blocks::{ALL_VERSIONS, NewBlock};
use crate::overlay::error::Error;
use crate::overlay::firsts::{Accepted, First, Verdict};
use crate::overlay::packages::samples::RELEASE;
use crate::overlay::packages::{Change, Edit, File, NewRelease};

const HOUR: Duration = Duration::from_secs(3600);

/// Makes bytes that differ from place to place.
fn some_bytes(length: usize) -> Bytes {
    (0..length).map(|index| (index % 251) as u8).collect::<Vec<_>>().into()
}

async fn keep(node: &Overlay, bytes: &Bytes) -> Result<Blob, Error> {
    node.keep_blob(Digest::of(bytes), Source::Memory(bytes.clone())).await
}

async fn part(node: &Overlay, blob: &Blob, range: std::ops::Range<u64>) -> Bytes {
    let stream = node.stream_blob(blob, range).await.unwrap();
    stream.try_collect::<Vec<_>>().await.unwrap().concat().into()
}

fn files(stage: &Stage) -> Vec<PathBuf> {
    // The S3 server keeps what it knows of its files in hidden ones.
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    files_below(&stage.files).unwrap().into_iter().filter(|path| !is_hidden(path)).collect()
}

async fn publish(node: &Overlay, version: &str, blob: Blob) -> Result<(), Error> {
    let files = vec![File { kind: "archive".to_owned(), blob }];
    let edits = [Edit::Publish(NewRelease { version, files, ..RELEASE })];
    change(node, &edits).await
}

async fn change(node: &Overlay, edits: &[Edit<'_>]) -> Result<(), Error> {
    let change = Change { mount: "npm", package: "x", expected: None, by_owner: None, verb: "test", edits };
    node.change_package(&change, &actor()).await.map(drop)
}

pub async fn published_bytes_are_read_whole_and_in_part(stage: Stage) {
    let node = stage.node().await;
    // None, some, and so many that they are sent in parts, the last of them not full.
    for length in [0, 1000, (20 << 20) + 17] {
        let bytes = some_bytes(length);
        let path = stage.directory.path().join("source");
        fs::write(&path, &bytes).unwrap();
        for source in [Source::Memory(bytes.clone()), Source::File(Slice::open(&path).unwrap())] {
            let blob = node.keep_blob(Digest::of(&bytes), source).await.unwrap();
            assert_eq!(blob.size, length as u64);
            assert_eq!(node.read_blob(&blob).await.unwrap(), bytes);
            let slice = node.open_blob(&blob).unwrap();
            assert_eq!(slice.is_some(), stage.is_local());
            assert!(slice.is_none_or(|slice| slice.read_all().unwrap() == bytes));
            let end = length as u64;
            for range in [0..end, 1..end, end / 3..end / 2, end.saturating_sub(1)..end, end..end, 0..end + 9] {
                let expected = bytes.slice(range.start.min(end) as usize..range.end.min(end) as usize);
                assert_eq!(part(&node, &blob, range).await, expected);
            }
        }
    }
    assert_eq!(files(&stage).len(), 3, "the same bytes lie there once, and nothing else does");
}

pub async fn bytes_that_are_not_what_was_promised_are_not_kept(stage: Stage) {
    let node = stage.node().await;
    for length in [1000, 20 << 20] {
        let mut bytes = BytesMut::from(&some_bytes(length)[..]);
        let digest = Digest::of(&bytes);
        bytes[length - 1] ^= 1;
        let kept = node.keep_blob(digest, Source::Memory(bytes.freeze())).await;
        assert!(matches!(kept, Err(Error::Mismatch { promised, .. }) if promised == digest), "{kept:?}");
    }
    assert_eq!(files(&stage), Vec::<PathBuf>::new());
}

pub async fn damaged_bytes_are_found_out(stage: Stage) {
    let node = stage.node().await;
    let bytes = some_bytes(1000);
    let blob = keep(&node, &bytes).await.unwrap();
    let path = &files(&stage)[0];
    let mut wrong = bytes.to_vec();
    wrong[500] ^= 1;
    fs::write(path, &wrong).unwrap();
    assert!(matches!(node.read_blob(&blob).await, Err(Error::Damaged(digest)) if digest == blob.digest));
    fs::write(path, &wrong[..999]).unwrap();
    assert!(matches!(node.stream_blob(&blob, 0..10).await.map(drop), Err(Error::Damaged(_))));
    assert!(matches!(node.open_blob(&blob), Err(Error::Damaged(_))));
    fs::remove_file(path).unwrap();
    assert!(matches!(node.read_blob(&blob).await, Err(Error::Damaged(_))));
    assert!(matches!(node.open_blob(&blob), Err(Error::Damaged(_))));
    assert_eq!(keep(&node, &bytes).await.unwrap(), blob, "publishing them again mends them");
    assert_eq!(node.read_blob(&blob).await.unwrap(), bytes);
}

pub async fn bytes_that_nothing_refers_to_are_collected_and_no_others(stage: Stage) {
    let node = stage.node().await;
    let (used, orphan) = (some_bytes(1000), some_bytes(999));
    let blob = keep(&node, &used).await.unwrap();
    publish(&node, "1.0.0", blob).await.unwrap();
    publish(&node, "1.0.1", blob).await.unwrap();
    keep(&node, &orphan).await.unwrap();
    // What a crash leaves of bytes on their way.
    let path = files(&stage).into_iter().find(|path| fs::metadata(path).unwrap().len() == 999).unwrap();
    if stage.is_local() {
        fs::write(format!("{}#1", path.display()), b"half").unwrap();
    }
    stage.clock.advance(HOUR);
    let young = keep(&node, &some_bytes(998)).await.unwrap();
    assert_eq!(node.sweep_blobs(HOUR).await.unwrap(), 0, "not yet");
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(node.sweep_blobs(HOUR).await.unwrap(), 1);
    assert_eq!(files(&stage).len(), 2, "{:?}", files(&stage));
    publish(&node, "1.0.2", young).await.unwrap();
    stage.clock.advance(HOUR * 2);
    change(&node, &[Edit::Unpublish { version: "1.0.0", variant: None }]).await.unwrap();
    assert_eq!(node.sweep_blobs(HOUR).await.unwrap(), 0, "another version has the same bytes");
    assert_eq!(node.read_blob(&blob).await.unwrap(), used);
    change(&node, &[Edit::UnpublishAll]).await.unwrap();
    assert_eq!(node.sweep_blobs(HOUR).await.unwrap(), 2);
    assert_eq!(files(&stage), Vec::<PathBuf>::new());
    assert!(matches!(node.read_blob(&blob).await, Err(Error::Damaged(_))));
}

pub async fn a_publish_of_collected_bytes_is_refused(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let bytes = some_bytes(1000);
    let slow = keep(&nodes[0], &bytes).await.unwrap();
    stage.clock.advance(HOUR * 2);
    assert_eq!(nodes[1].sweep_blobs(HOUR).await.unwrap(), 1);
    assert!(matches!(publish(&nodes[0], "1.0.0", slow).await, Err(Error::Collected(_))));
    let again = keep(&nodes[0], &bytes).await.unwrap();
    assert!(again.digest == slow.digest && again.copy != slow.copy);
    assert!(matches!(publish(&nodes[0], "1.0.0", slow).await, Err(Error::Collected(_))), "the copy that is gone");
    publish(&nodes[0], "1.0.0", again).await.unwrap();
    assert_eq!(nodes[1].read_blob(&again).await.unwrap(), bytes);
}

fn new_block<'a>(package: &'a str, versions: &'a str, reason: &'a str) -> NewBlock<'a> {
    NewBlock { mount: "npm", package, versions, reason, expires_at: None }
}

async fn reasons(node: &Overlay, package: &str) -> Vec<String> {
    node.blocks_of("npm", package).await.unwrap().iter().map(|block| block.reason.clone()).collect()
}

pub async fn a_block_holds_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    for node in &nodes {
        assert!(reasons(node, "evil").await.is_empty());
    }
    nodes[0].block(new_block("evil", ALL_VERSIONS, "malware"), &actor()).await.unwrap();
    assert_eq!(reasons(&nodes[0], "evil").await, ["malware"], "at once where it was made");
    soon("the other node knows", || async { (!reasons(&nodes[1], "evil").await.is_empty()).then_some(()) }).await;
    assert!(reasons(&nodes[1], "evil2").await.is_empty());
    assert!(nodes[1].unblock("npm", "evil", ALL_VERSIONS, &actor()).await.unwrap());
    assert!(reasons(&nodes[1], "evil").await.is_empty());
    soon("the other node knows", || async { reasons(&nodes[0], "evil").await.is_empty().then_some(()) }).await;
    assert!(!nodes[0].unblock("npm", "evil", ALL_VERSIONS, &actor()).await.unwrap());
    let verbs: Vec<_> = nodes[0].audit(None, None, 9).await.unwrap().into_iter().map(|line| line.verb).collect();
    assert_eq!(verbs, ["unblock", "block"]);
}

pub async fn a_block_is_made_once_and_ends(stage: Stage) {
    let node = stage.node().await;
    let first = node.block(new_block("evil", "<1.0.0", "old"), &actor()).await.unwrap();
    stage.clock.advance(HOUR);
    let until = Some(stage.clock.now() + HOUR);
    let new = NewBlock { expires_at: until, ..new_block("evil", "<1.0.0", "new") };
    let second = node.block(new, &actor()).await.unwrap();
    assert_eq!((second.id, second.created_at, second.reason.as_str()), (first.id, first.created_at, "new"));
    assert_eq!((second.modified_at, second.operator.as_str()), (first.modified_at + HOUR, "tester"));
    node.block(new_block("@evil/*", ALL_VERSIONS, "all"), &actor()).await.unwrap();
    assert_eq!(reasons(&node, "evil").await, ["new"]);
    assert_eq!(reasons(&node, "@evil/x").await, ["all"]);
    stage.clock.advance(HOUR);
    assert!(reasons(&node, "evil").await.is_empty());
    assert_eq!(node.blocks(Some("npm")).await.unwrap().len(), 2, "it is still listed");
    assert_eq!(node.blocks(Some("hex")).await.unwrap(), []);
    let long = "x".repeat(10_241);
    for reason in [long.as_str(), "a\0b"] {
        let refused = node.block(new_block("evil", ALL_VERSIONS, reason), &actor()).await;
        assert!(matches!(refused, Err(Error::Malformed { .. })));
    }
}

pub async fn the_first_digest_is_held_to(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let hold = async |node: &Overlay, digest, testimony| node.hold_first("npm/x@1", digest, testimony).await.unwrap();
    assert_eq!(hold(&nodes[0], one, None).await, Verdict::Held);
    assert_eq!(hold(&nodes[1], two, Some("two")).await, Verdict::Other(one));
    assert_eq!(hold(&nodes[1], one, Some("dist")).await, Verdict::Held);
    assert_eq!(hold(&nodes[0], one, None).await, Verdict::Held);
    let first = nodes[0].first_seen("npm/x@1").await.unwrap().unwrap();
    assert_eq!((first.digest, first.testimony.as_deref(), first.rival.as_deref()), (one, Some("dist"), None));
    assert_eq!(first.seen_at, stage.clock.now());
    nodes[0].note_rivals(&[("npm/x@1".to_owned(), Some("sha1-…".to_owned()))]).await.unwrap();
    nodes[0].hold_first("npm/x@2", two, None).await.unwrap();
    nodes[0].hold_first("npm/xy@1", two, None).await.unwrap();
    let listed = nodes[1].firsts("npm/x@").await.unwrap();
    let names: Vec<_> = listed.iter().map(|first| (first.release.as_str(), first.rival.as_deref())).collect();
    assert_eq!(names, [("npm/x@1", Some("sha1-…")), ("npm/x@2", None)]);
    let before = nodes[1].heads().await.unwrap().writes;
    let accepted = Accepted { release: "npm/x@1".to_owned(), digest: one };
    for _ in 0..2 {
        assert_eq!(nodes[0].accept("npm/x@1", &actor()).await.unwrap().as_ref(), Some(&accepted));
    }
    assert_eq!(nodes[0].accept("npm/x@9", &actor()).await.unwrap(), None);
    assert_eq!(nodes[1].accepted_since(before).await.unwrap(), [accepted]);
    assert_eq!(nodes[1].accepted_since(before + 1).await.unwrap(), []);
    assert_eq!(hold(&nodes[1], two, None).await, Verdict::Held, "what comes next");
    assert_eq!(nodes[0].audit(None, None, 9).await.unwrap().len(), 1, "only what was accepted is a write");
    let again = nodes[1].accept("npm/x@1", &actor()).await.unwrap().unwrap();
    assert_eq!((again.digest, nodes[0].accepted_since(before + 1).await.unwrap().len()), (two, 1));
}

pub async fn of_bytes_that_are_proved_at_once_one_is_first(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let mut tasks = Vec::new();
    for (release, number) in (0..40).flat_map(|release| (0..6).map(move |number| (release, number))) {
        let (node, digest) = (Arc::clone(&nodes[number % 2]), Digest::of(number.to_string().as_bytes()));
        tasks.push(tokio::spawn(async move {
            (release, digest, node.hold_first(&format!("npm/x@{release}"), digest, Some("dist")).await.unwrap())
        }));
    }
    let mut told: HashMap<usize, Vec<(Digest, Verdict)>> = HashMap::new();
    for task in tasks {
        let (release, digest, verdict) = task.await.unwrap();
        told.entry(release).or_default().push((digest, verdict));
    }
    for (release, told) in told {
        let first = nodes[0].first_seen(&format!("npm/x@{release}")).await.unwrap().unwrap().digest;
        for (digest, verdict) in told {
            let expected = if digest == first { Verdict::Held } else { Verdict::Other(first) };
            assert_eq!(verdict, expected, "of release {release}");
        }
    }
}

pub async fn a_package_of_many_versions_is_held_to(stage: Stage) {
    let node = stage.node().await;
    let first = |number: usize| First {
        release: format!("npm/x@1.0.{number:04}"),
        digest: Digest::of(b"x"),
        testimony: None,
        rival: None,
        seen_at: stage.clock.now(),
    };
    let all: Vec<_> = (0..2_600).map(first).collect();
    assert_eq!(node.take_firsts(&all).await.unwrap(), 2_600);
    assert_eq!(node.firsts("npm/x@").await.unwrap(), all);
    let rival = |first: &First| (first.release.clone(), Some("sha1-…".to_owned()));
    let mut rivals: Vec<_> = all.iter().map(rival).collect();
    node.note_rivals(&rivals).await.unwrap();
    let is_noted = |first: &First| first.rival.as_deref() == Some("sha1-…");
    assert!(node.firsts("npm/x@").await.unwrap().iter().all(is_noted));
    rivals.iter_mut().for_each(|(_, rival)| *rival = None);
    node.note_rivals(&rivals).await.unwrap();
    assert_eq!(node.firsts("npm/x@").await.unwrap(), all);
    node.note_rivals(&[]).await.unwrap();
    assert_eq!(node.take_firsts(&[]).await.unwrap(), 0);
}

pub async fn firsts_are_taken_over_from_another_index(stage: Stage) {
    let node = stage.node().await;
    node.hold_first("npm/x@1", Digest::of(b"ours"), None).await.unwrap();
    let first = |release: &str| First {
        release: release.to_owned(),
        digest: Digest::of(b"theirs"),
        testimony: Some("dist".to_owned()),
        rival: Some("other".to_owned()),
        seen_at: stage.clock.now() - HOUR,
    };
    let theirs = [first("npm/x@2"), first("npm/x@1")];
    assert_eq!(node.take_firsts(&theirs).await.unwrap(), 1);
    assert_eq!(node.take_firsts(&theirs).await.unwrap(), 0);
    assert_eq!(node.first_seen("npm/x@2").await.unwrap().as_ref(), Some(&theirs[0]));
    assert_eq!(node.first_seen("npm/x@1").await.unwrap().unwrap().digest, Digest::of(b"ours"));
}
