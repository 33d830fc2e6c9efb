//! Teams: who is in them, and what is bound to them.

use super::{HERE, Stage, actor, set_role, soon, user};
use crate::overlay::Overlay;
use crate::overlay::error::Error;
use crate::overlay::namespaces::{NamespaceName, Role};
use crate::overlay::networks::Networks;
use crate::overlay::packages::samples::RELEASE;
use crate::overlay::packages::{Change, Edit};
use crate::overlay::rights::Rights;
use crate::overlay::teams::{DEVELOPERS, Move, NewTeam, Permission, Team, TeamName, TeamPath};
use crate::overlay::tokens::{Form, NewToken};
use crate::overlay::users::UserId;

/// A namespace of joe, in which jim may read.
struct Acme {
    name: NamespaceName,
    core: TeamName,
    joe: UserId,
    jim: UserId,
}

impl Acme {
    async fn found(node: &Overlay) -> Self {
        let (joe, jim) = (user(node, "joe").await.id, user(node, "jim").await.id);
        let name = NamespaceName::parse("acme").unwrap();
        node.create_namespace(&name, joe, &actor()).await.unwrap();
        set_role(node, &name, jim, Some(Role::Reader)).await.unwrap();
        Self { name, core: TeamName::parse("core").unwrap(), joe, jim }
    }

    fn path(&self) -> TeamPath<'_> {
        TeamPath { namespace: &self.name, name: &self.core }
    }

    async fn create(&self, node: &Overlay) -> Result<(), Error> {
        node.create_team(NewTeam { path: self.path(), description: "the core" }, &actor()).await
    }

    async fn team(&self, node: &Overlay, name: &str) -> Team {
        let name = TeamName::parse(name).unwrap();
        node.team(TeamPath { namespace: &self.name, name: &name }).await.unwrap().unwrap()
    }
}

fn members(team: &Team) -> Vec<UserId> {
    team.members.values().copied().collect()
}

pub async fn a_namespace_begins_with_the_team_of_all_its_members(stage: Stage) {
    let node = stage.node().await;
    let acme = Acme::found(&node).await;
    assert_eq!(members(&acme.team(&node, DEVELOPERS).await), [acme.jim, acme.joe], "in the order of their names");
    set_role(&node, &acme.name, acme.jim, Some(Role::Admin)).await.unwrap();
    assert_eq!(members(&acme.team(&node, DEVELOPERS).await).len(), 2, "another role joins nothing twice");
    let developers = TeamName::parse(DEVELOPERS).unwrap();
    let path = TeamPath { namespace: &acme.name, name: &developers };
    assert!(matches!(node.remove_team(path, &actor()).await, Err(Error::InUse(_))));
    assert!(matches!(node.move_member(path, acme.jim, Move::Out, &actor()).await, Err(Error::InUse(_))));
    acme.create(&node).await.unwrap();
    assert!(matches!(acme.create(&node).await, Err(Error::Taken { .. })));
    let names: Vec<_> = node.teams(&acme.name).await.unwrap();
    assert_eq!(names.iter().map(TeamName::as_str).collect::<Vec<_>>(), ["core", DEVELOPERS]);
    let core = acme.team(&node, "core").await;
    assert_eq!((core.description.as_str(), core.created_at, core.members.len()), ("the core", stage.clock.now(), 0));
    let other = NamespaceName::parse("other").unwrap();
    let elsewhere = NewTeam { path: TeamPath { namespace: &other, name: &acme.core }, description: "" };
    assert!(matches!(node.create_team(elsewhere, &actor()).await, Err(Error::Absent { .. })));
    assert_eq!(node.teams(&other).await.unwrap(), []);
}

pub async fn who_leaves_a_namespace_leaves_its_teams(stage: Stage) {
    let node = stage.node().await;
    let acme = Acme::found(&node).await;
    acme.create(&node).await.unwrap();
    let ann = user(&node, "ann").await.id;
    let step = async |user, way| node.move_member(acme.path(), user, way, &actor()).await;
    assert!(matches!(step(ann, Move::In).await, Err(Error::Absent { kind: "member", .. })), "no member");
    assert!(matches!(step(acme.jim, Move::Out).await, Err(Error::Absent { kind: "member", .. })), "not in it");
    step(acme.jim, Move::In).await.unwrap();
    step(acme.jim, Move::In).await.unwrap();
    step(acme.joe, Move::In).await.unwrap();
    assert_eq!(members(&acme.team(&node, "core").await), [acme.jim, acme.joe]);
    step(acme.joe, Move::Out).await.unwrap();
    set_role(&node, &acme.name, acme.jim, None).await.unwrap();
    assert!(members(&acme.team(&node, "core").await).is_empty());
    assert_eq!(members(&acme.team(&node, DEVELOPERS).await), [acme.joe]);
    node.remove_team(acme.path(), &actor()).await.unwrap();
    assert_eq!(node.team(acme.path()).await.unwrap(), None);
    assert!(matches!(node.remove_team(acme.path(), &actor()).await, Err(Error::Absent { .. })));
}

pub async fn a_team_that_packages_are_bound_to_stays(stage: Stage) {
    let node = stage.node().await;
    let acme = Acme::found(&node).await;
    acme.create(&node).await.unwrap();
    let team = acme.team(&node, "core").await.id;
    let edits = [Edit::Publish(RELEASE), Edit::Bind { team, permission: Permission::ReadOnly }];
    let change =
        Change { mount: "npm", package: "@acme/x", expected: None, by_owner: None, verb: "test", edits: &edits };
    node.change_package(&change, &actor()).await.unwrap();
    let bound = node.packages_of_team("npm", team).await.unwrap();
    assert_eq!(bound, [("@acme/x".to_owned(), Permission::ReadOnly)]);
    assert_eq!(node.packages_of_team("hex", team).await.unwrap(), []);
    node.move_member(acme.path(), acme.jim, Move::In, &actor()).await.unwrap();
    let developers = acme.team(&node, DEVELOPERS).await.id;
    let too = [Edit::Bind { team: developers, permission: Permission::ReadWrite }];
    node.change_package(&Change { edits: &too, ..change }, &actor()).await.unwrap();
    let of_jim = node.packages_of_member("npm", acme.jim).await.unwrap();
    assert_eq!(of_jim, [("@acme/x".to_owned(), Permission::ReadWrite)].into(), "the best of both teams");
    let apart = [Edit::Unbind { team: developers }];
    node.change_package(&Change { edits: &apart, ..change }, &actor()).await.unwrap();
    let [binding] = &node.package("npm", "@acme/x").await.unwrap().unwrap().bindings[..] else { panic!("one") };
    assert_eq!((binding.team, &binding.namespace, &binding.name), (team, &acme.name, &acme.core));
    assert!(matches!(node.remove_team(acme.path(), &actor()).await, Err(Error::InUse(_))));
    assert!(matches!(node.remove_namespace(&acme.name, &actor()).await, Err(Error::InUse(_))), "nor its namespace");
    let unbind = [Edit::Unbind { team }];
    node.change_package(&Change { edits: &unbind, ..change }, &actor()).await.unwrap();
    node.remove_team(acme.path(), &actor()).await.unwrap();
}

pub async fn a_namespace_goes_with_its_teams_and_can_be_made_again(stage: Stage) {
    let node = stage.node().await;
    let acme = Acme::found(&node).await;
    acme.create(&node).await.unwrap();
    node.move_member(acme.path(), acme.jim, Move::In, &actor()).await.unwrap();
    node.remove_namespace(&acme.name, &actor()).await.unwrap();
    assert_eq!((node.namespace(&acme.name).await.unwrap(), node.teams(&acme.name).await.unwrap()), (None, vec![]));
    assert!(matches!(node.remove_namespace(&acme.name, &actor()).await, Err(Error::Absent { .. })));
    let jim = node.user_by_id(acme.jim).await.unwrap().unwrap();
    let identity = node.identity_of(jim).await.unwrap();
    assert!(identity.teams.is_empty() && identity.role(acme.name.as_str()).is_none());
    node.create_namespace(&acme.name, acme.jim, &actor()).await.unwrap();
    assert_eq!(node.namespace(&acme.name).await.unwrap().unwrap().members.len(), 1);
    assert_eq!(node.teams(&acme.name).await.unwrap().len(), 1, "none but the one that all are in");
}

pub async fn a_member_of_a_team_is_known_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let acme = Acme::found(&nodes[0]).await;
    acme.create(&nodes[0]).await.unwrap();
    let team = acme.team(&nodes[0], "core").await.id;
    let new = NewToken {
        user: Some(acme.jim),
        kind: "user",
        name: "laptop",
        description: "",
        rights: &Rights::all(),
        networks: &Networks::default(),
        is_read_only: false,
        is_automation: false,
        expires_at: None,
        form: Form::Hex,
    };
    let (_, text) = nodes[0].issue_token(new, &actor()).await.unwrap();
    let is_in = async |node: &Overlay| node.check_token(&text, HERE).await.unwrap().teams.contains(&team);
    assert!(!is_in(&nodes[0]).await && !is_in(&nodes[1]).await);
    nodes[0].move_member(acme.path(), acme.jim, Move::In, &actor()).await.unwrap();
    assert!(is_in(&nodes[0]).await, "at once where it was done");
    soon("the other node knows", || async { is_in(&nodes[1]).await.then_some(()) }).await;
    let jim = nodes[1].user_by_id(acme.jim).await.unwrap().unwrap();
    assert!(nodes[1].identity_of(jim).await.unwrap().teams.contains(&team), "by password too");
    nodes[1].move_member(acme.path(), acme.jim, Move::Out, &actor()).await.unwrap();
    soon("it is out", || async { (!is_in(&nodes[0]).await).then_some(()) }).await;
}
