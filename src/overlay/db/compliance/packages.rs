//! Packages: what is published is there, and what many write at once is what one after the other would have written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{Stage, actor, soon, user};
use crate::base::digest::Digest;
use crate::overlay::Overlay;
use crate::overlay::blobs::Source;
use crate::overlay::error::Error;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::packages::samples::RELEASE;
use crate::overlay::packages::{
    Audience, Change, Changed, Edit, EventKind, File, Listed, NewRelease, Package, Reach, Replaces, SecondFactor, When,
};
use crate::overlay::teams::{DEVELOPERS, Permission, TeamName, TeamPath};
use crate::overlay::users::UserEdit;

async fn change(node: &Overlay, edits: &[Edit<'_>]) -> Result<Changed, Error> {
    let change = Change { mount: "npm", package: "@a/x", expected: None, by_owner: None, verb: "test", edits };
    node.change_package(&change, &actor()).await
}

fn release<'a>(version: &'a str, variant: &'a str) -> NewRelease<'a> {
    NewRelease { version, variant, ..RELEASE }
}

async fn found(node: &Overlay) -> Package {
    node.package("npm", "@a/x").await.unwrap().unwrap()
}

pub async fn a_package_is_found_with_all_that_belongs_to_it(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "Jim").await);
    let bytes = Bytes::from_static(b"tarball");
    let blob = node.keep_blob(Digest::of(&bytes), Source::Memory(bytes)).await.unwrap();
    let files = vec![File { kind: "archive".to_owned(), blob }];
    let manifest = "{\"ä\":\"\\u0000\"}\0".as_bytes();
    let edits = [
        Edit::Publish(NewRelease { manifest, publisher: Some(joe.id), files: files.clone(), ..release("1.0.0", "") }),
        Edit::Tag { tag: "latest", version: "1.0.0", when: When::Absent },
        Edit::Own { user: joe.id, level: "full" },
        Edit::Own { user: jim.id, level: "maintainer" },
        Edit::Star { user: jim.id },
        Edit::Star { user: jim.id },
        Edit::Restrict(true),
    ];
    let changed = change(&node, &edits).await.unwrap();
    assert_eq!((changed.edition.revision, changed.is_new, changed.has_changed), (1, true, true));
    let package = found(&node).await;
    assert_eq!((package.edition.revision, package.is_restricted), (1, true));
    assert_eq!(package.tags, [("latest".to_owned(), "1.0.0".to_owned())].into());
    let owners: Vec<_> = package.owners.iter().map(|owner| (owner.name.as_str(), owner.level.as_str())).collect();
    assert_eq!(owners, [("Jim", "maintainer"), ("joe", "full")]);
    assert_eq!(package.stars, std::slice::from_ref(&jim.name));
    let [release] = package.releases.as_slice() else { panic!("{package:?}") };
    assert_eq!((release.version.as_str(), release.manifest.as_slice(), &release.files), ("1.0.0", manifest, &files));
    assert_eq!((release.publisher, release.published_at, release.removed_at), (Some(joe.id), stage.clock.now(), None));
    assert_eq!(node.owned_by("npm", jim.id).await.unwrap(), ["@a/x"]);
    assert_eq!(node.starred_by("npm", jim.id).await.unwrap(), ["@a/x"]);
    assert_eq!(node.package_names("npm", "", 10).await.unwrap(), [("@a/x".to_owned(), 1)]);
    assert_eq!(node.package_names("npm", "@a/x", 10).await.unwrap(), []);
    assert_eq!(node.package("hex", "@a/x").await.unwrap(), None);
    let line = &node.audit(Some("npm/@a/x"), None, 1).await.unwrap()[0];
    assert!(line.detail.starts_with("version added 1.0.0, tag added 1.0.0 latest, owner added"), "{}", line.detail);
}

pub async fn a_change_that_is_refused_changes_nothing(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let own = Edit::Own { user: joe.id, level: "full" };
    change(&node, &[Edit::Publish(release("1.0.0", "")), own]).await.unwrap();
    let (before, heads) = (found(&node).await, node.heads().await.unwrap());
    let first = || Edit::Publish(release("2.0.0", ""));
    for last in [
        Edit::Tag { tag: "x", version: "3.0.0", when: When::Always },
        Edit::Publish(release("1.0.0", "")),
        Edit::Disown { user: joe.id },
        Edit::Own { user: 99, level: "full" },
        Edit::Star { user: 99 },
    ] {
        let error = change(&node, &[first(), last.clone()]).await.unwrap_err();
        assert_eq!(error.fault(), crate::overlay::Fault::Client, "{last:?}: {error}");
    }
    let edits = [first()];
    let stale =
        Change { mount: "npm", package: "@a/x", expected: Some(0), by_owner: None, verb: "test", edits: &edits };
    let other = Change { expected: None, by_owner: Some(joe.id + 1), ..stale };
    assert!(matches!(node.change_package(&stale, &actor()).await, Err(Error::Stale { held: 1 })));
    assert!(matches!(node.change_package(&other, &actor()).await, Err(Error::NotOwner)));
    let absent = Change { package: "absent", edits: &[Edit::UnpublishAll], ..stale };
    assert!(matches!(node.change_package(&absent, &actor()).await, Err(Error::Absent { .. })));
    let nothing = change(&node, &[Edit::Own { user: joe.id, level: "full" }]).await.unwrap();
    assert_eq!(nothing, Changed { edition: before.edition, is_new: false, has_changed: false });
    assert_eq!((found(&node).await, node.heads().await.unwrap()), (before, heads));
}

pub async fn a_version_keeps_its_number_for_good(stage: Stage) {
    let node = stage.node().await;
    change(&node, &[Edit::Publish(release("1.0.0", ""))]).await.unwrap();
    change(&node, &[Edit::UnpublishAll]).await.unwrap();
    let package = found(&node).await;
    assert_eq!(package.releases[0].removed_at, Some(stage.clock.now()));
    assert_eq!(package.releases[0].manifest, b"");
    let again = change(&node, &[Edit::Publish(release("1.0.0", ""))]).await;
    assert!(matches!(again, Err(Error::Reserved(version)) if version == "1.0.0"));
    stage.clock.advance(std::time::Duration::from_secs(1));
    let anyhow = NewRelease { replaces: Replaces::Anything, manifest: b"new", ..release("1.0.0", "") };
    let changed = change(&node, &[Edit::Publish(anyhow.clone())]).await.unwrap();
    assert_eq!((changed.edition.revision, changed.is_new), (3, false), "its revision goes on");
    stage.clock.advance(std::time::Duration::from_secs(1));
    change(&node, &[Edit::Publish(NewRelease { manifest: b"newer", ..anyhow })]).await.unwrap();
    let release = &found(&node).await.releases[0];
    assert_eq!((release.manifest.as_slice(), release.removed_at), (&b"newer"[..], None));
    let second = std::time::Duration::from_secs(1);
    assert_eq!(release.published_at + second, release.modified_at, "a replacement keeps the time");
    let deprecate = Edit::Deprecate { version: "1.0.0", variant: "", manifest: b"deprecated", reason: Some("old") };
    change(&node, &[deprecate]).await.unwrap();
    assert_eq!(found(&node).await.releases[0].manifest, b"deprecated");
}

pub async fn systems_of_one_version_come_and_go_alone(stage: Stage) {
    let node = stage.node().await;
    let tag = Edit::Tag { tag: "stable", version: "1.0.0", when: When::Always };
    let both = [Edit::Publish(release("1.0.0", "arm")), Edit::Publish(release("1.0.0", "x86")), tag];
    change(&node, &both).await.unwrap();
    let remove = |variant| [Edit::Unpublish { version: "1.0.0", variant: Some(variant) }];
    change(&node, &remove("arm")).await.unwrap();
    assert!(found(&node).await.tags.contains_key("stable"));
    assert!(matches!(change(&node, &remove("arm")).await, Err(Error::Absent { .. })));
    change(&node, &remove("x86")).await.unwrap();
    assert!(found(&node).await.tags.is_empty());
    let kinds: Vec<_> = node.events("npm", 4, 10).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::VersionRemoved, EventKind::TagRemoved, EventKind::Unpublished]);
}

pub async fn every_state_of_a_package_has_a_stamp_of_its_own(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let own = Edit::Own { user: joe.id, level: "full" };
    let first = change(&node, &[Edit::Publish(release("1.0.0", "")), own]).await.unwrap().edition;
    let second = change(&node, &[Edit::Publish(release("2.0.0", ""))]).await.unwrap().edition;
    assert_ne!(first.stamp, second.stamp, "a revision comes again where a backup was restored");
    assert_eq!((found(&node).await.edition, listed(&node).await.unwrap().edition), (second, second));

    let seen = node.events("npm", 0, 100).await.unwrap().len();
    let edit = UserEdit { email: Some(Some("joe@elsewhere.example")), ..UserEdit::default() };
    node.edit_user(joe.id, edit, &actor()).await.unwrap();
    let third = found(&node).await.edition;
    assert!(third.revision == 3 && third.stamp != second.stamp, "an owner's address stands in its packages: {third:?}");
    assert_eq!(listed(&node).await.unwrap().edition, third);
    let events = node.events("npm", 0, 100).await.unwrap();
    assert_eq!(events[seen..].iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::PackageChanged]);
    node.edit_user(joe.id, edit, &actor()).await.unwrap();
    assert_eq!(found(&node).await.edition, third, "it is so already");
}

pub async fn a_name_that_is_ours_is_known_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let revision = async |node: &Overlay| listed(node).await.map(|listed| listed.edition.revision);
    for node in &nodes {
        assert_eq!(listed(node).await, None);
    }
    change(&nodes[0], &[Edit::Publish(release("1.0.0", ""))]).await.unwrap();
    assert_eq!(revision(&nodes[0]).await, Some(1), "at once where it was published");
    assert_eq!(soon("it is known", || async { revision(&nodes[1]).await }).await, 1);
    assert_eq!(nodes[1].holds("hex", "@a/x").await.unwrap(), None);
    change(&nodes[1], &[Edit::UnpublishAll]).await.unwrap();
    assert_eq!(revision(&nodes[1]).await, Some(2), "it stays ours");
    soon("the change is known", || async { (revision(&nodes[0]).await == Some(2)).then_some(()) }).await;
    assert_eq!(revision(&stage.node().await).await, Some(2), "a new node reads all");
}

pub async fn who_may_see_a_package_is_known_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let (joe, jim) = (user(&nodes[0], "joe").await.id, user(&nodes[0], "jim").await.id);
    let acme = NamespaceName::parse("acme").unwrap();
    nodes[0].create_namespace(&acme, joe, &actor()).await.unwrap();
    let developers = TeamName::parse(DEVELOPERS).unwrap();
    let team = nodes[0].team(TeamPath { namespace: &acme, name: &developers }).await.unwrap().unwrap().id;
    change(&nodes[0], &[Edit::Publish(release("1.0.0", "")), Edit::Own { user: joe, level: "full" }]).await.unwrap();
    assert_eq!(soon("it is known", || listed(&nodes[1])).await.audience, None);
    for (edit, expected) in [
        (Edit::Restrict(true), Some((Reach::Members, vec![joe], vec![]))),
        (Edit::Own { user: jim, level: "full" }, Some((Reach::Members, vec![joe, jim], vec![]))),
        (
            Edit::Bind { team, permission: Permission::ReadWrite },
            Some((Reach::Teams, vec![joe, jim], vec![(team, Permission::ReadWrite)])),
        ),
        (Edit::Restrict(false), Some((Reach::Teams, vec![joe, jim], vec![(team, Permission::ReadWrite)]))),
        (Edit::Unbind { team }, None),
    ] {
        change(&nodes[0], std::slice::from_ref(&edit)).await.unwrap();
        let expected = expected.map(|(reach, owners, teams)| {
            Arc::new(Audience { reach, owners: owners.into_iter().collect(), teams: teams.into_iter().collect() })
        });
        assert_eq!(listed(&nodes[0]).await.unwrap().audience, expected, "{edit:?}: at once where it was done");
        let is_known = async || listed(&nodes[1]).await.filter(|listed| listed.audience == expected).map(drop);
        soon("the other node knows", is_known).await;
        let anew = listed(&stage.node().await).await.unwrap();
        assert_eq!(anew.audience, expected, "{edit:?}: a new node reads all");
        let package = found(&nodes[1]).await.audience();
        assert_eq!(expected.map_or(Reach::Everybody, |expected| expected.reach), package.reach, "{edit:?}");
    }
    let absent = Edit::Bind { team: 99, permission: Permission::ReadOnly };
    assert!(matches!(change(&nodes[0], &[absent]).await, Err(Error::Absent { .. })));
    change(&nodes[0], &[Edit::Ask(SecondFactor::People)]).await.unwrap();
    assert_eq!(found(&nodes[0]).await.second_factor, SecondFactor::People);
}

async fn listed(node: &Overlay) -> Option<Listed> {
    node.holds("npm", "@a/x").await.unwrap()
}

// === The model ===

/// What clients do, in the small world of the model: eight versions, three tags.
#[derive(Clone, Debug)]
enum Op {
    Publish { version: usize, tag: usize, when: When },
    Tag { version: usize, tag: usize },
    Untag { tag: usize },
    Unpublish { version: usize },
}

const VERSIONS: [&str; 8] = ["1.0.0", "1.0.1", "1.1.0", "2.0.0", "2.0.1", "3.0.0-a", "3.0.0", "4.0.0"];
const TAGS: [&str; 3] = ["latest", "beta", "next"];

/// A package as anybody would imagine it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    living: BTreeSet<String>,
    removed: BTreeSet<String>,
    tags: BTreeMap<String, String>,
}

impl Model {
    /// Does one thing; `false` when it may not be done.
    fn perform(&mut self, op: &Op) -> bool {
        match op {
            Op::Publish { version, tag, when } => {
                let version = VERSIONS[*version].to_owned();
                if self.removed.contains(&version) || !self.living.insert(version.clone()) {
                    return false;
                }
                let tag = TAGS[*tag].to_owned();
                if *when == When::Always {
                    self.tags.insert(tag, version);
                } else {
                    self.tags.entry(tag).or_insert(version);
                }
                true
            }
            Op::Tag { version, tag } => {
                let is_there = self.living.contains(VERSIONS[*version]);
                if is_there {
                    self.tags.insert(TAGS[*tag].to_owned(), VERSIONS[*version].to_owned());
                }
                is_there
            }
            Op::Untag { tag } => self.tags.remove(TAGS[*tag]).is_some(),
            Op::Unpublish { version } => {
                let version = VERSIONS[*version];
                self.tags.retain(|_, at| at != version);
                self.living.remove(version) && self.removed.insert(version.to_owned())
            }
        }
    }
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    /// Source: Marsaglia, "Xorshift RNGs", 2003.
    fn roll(&mut self, sides: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides) as usize
    }

    fn op(&mut self) -> Op {
        let (version, tag) = (self.roll(8), self.roll(3));
        match self.roll(8) {
            0..=3 => Op::Publish { version, tag, when: if self.roll(2) == 0 { When::Always } else { When::Absent } },
            4 | 5 => Op::Tag { version, tag },
            6 => Op::Untag { tag },
            _ => Op::Unpublish { version },
        }
    }
}

/// Asks for one thing; now and then by the revision that was seen last.
async fn ask(node: &Overlay, op: &Op, expected: Option<u64>) -> Result<Changed, Error> {
    let edits = match *op {
        Op::Publish { version, tag, when } => {
            let version = VERSIONS[version];
            vec![Edit::Publish(release(version, "")), Edit::Tag { tag: TAGS[tag], version, when }]
        }
        Op::Tag { version, tag } => vec![Edit::Tag { tag: TAGS[tag], version: VERSIONS[version], when: When::Always }],
        Op::Untag { tag } => vec![Edit::Untag { tag: TAGS[tag] }],
        Op::Unpublish { version } => vec![Edit::Unpublish { version: VERSIONS[version], variant: None }],
    };
    let change = Change { mount: "npm", package: "@a/x", expected, by_owner: None, verb: "model", edits: &edits };
    node.change_package(&change, &actor()).await
}

/// One client: what it was told to have done, by revision.
async fn client(node: Arc<Overlay>, seed: u64) -> Vec<(u64, Op)> {
    let (mut dice, mut done, mut seen) = (Dice(seed), Vec::new(), 0);
    for _ in 0..20 {
        let op = dice.op();
        let expected = (dice.roll(3) == 0).then_some(seen);
        match ask(&node, &op, expected).await {
            Ok(changed) => {
                seen = changed.edition.revision;
                if changed.has_changed {
                    assert!(expected.is_none_or(|expected| expected + 1 == changed.edition.revision));
                    done.push((changed.edition.revision, op));
                }
            }
            Err(Error::Stale { held }) => {
                assert_ne!(Some(held), expected);
                seen = held;
            }
            Err(Error::Published(_) | Error::Reserved(_) | Error::Absent { .. }) => {}
            Err(error) => panic!("{op:?}: {error:?}"),
        }
    }
    done
}

/// Whatever is asked at once, on whatever nodes: what was acknowledged has happened, once each, in the order of the
/// revisions; and the feed tells of it in the same order.
pub async fn random_changes_at_once_lose_nothing(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let clients: Vec<_> = (0..8_u64)
        .map(|index| tokio::spawn(client(Arc::clone(&nodes[index as usize % 2]), 0x9e37_79b9 + index * 0x1234_5677)))
        .collect();
    let mut done = BTreeMap::new();
    for client in clients {
        for (revision, op) in client.await.unwrap() {
            assert!(done.insert(revision, op).is_none(), "revision {revision} was given twice");
        }
    }
    assert!(done.keys().copied().eq(1..=done.len() as u64), "a revision was passed over");
    let mut model = Model::default();
    for (revision, op) in &done {
        assert!(model.perform(op), "{op:?} at revision {revision} could not be, after {model:?}");
    }
    let package = found(&nodes[0]).await;
    assert_eq!((package.edition.revision, model_of(&package)), (done.len() as u64, model));
    let lines = nodes[0].audit(Some("npm/@a/x"), None, 1000).await.unwrap();
    assert_eq!(lines.len(), done.len(), "one line each");
    let told = replay(&nodes[1]).await;
    assert_eq!(told, model_of(&package));
    let kinds: HashSet<_> = done.values().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 4, "each kind of change was made");
}

fn model_of(package: &Package) -> Model {
    let versions = |is_removed| {
        let meant = package.releases.iter().filter(move |release| release.removed_at.is_some() == is_removed);
        meant.map(|release| release.version.clone()).collect()
    };
    Model { living: versions(false), removed: versions(true), tags: package.tags.clone() }
}

/// Follows the feed from its start, a few lines at a time.
async fn replay(node: &Overlay) -> Model {
    let (mut model, mut after) = (Model::default(), 0);
    loop {
        let events = node.events("npm", after, 7).await.unwrap();
        let Some(last) = events.last() else { return model };
        after = last.number;
        for event in events {
            let (version, tag) = (event.version.unwrap_or_default(), event.tag.unwrap_or_default());
            match event.kind {
                EventKind::VersionAdded => assert!(model.living.insert(version)),
                EventKind::VersionRemoved => {
                    assert!(model.living.remove(&version) && model.removed.insert(version));
                }
                EventKind::TagAdded => assert_eq!(model.tags.insert(tag, version), None),
                EventKind::TagChanged => assert!(model.tags.insert(tag, version).is_some()),
                EventKind::TagRemoved => assert!(model.tags.remove(&tag).is_some()),
                EventKind::Unpublished => assert!(model.living.is_empty()),
                other => panic!("{other:?}"),
            }
        }
    }
}
