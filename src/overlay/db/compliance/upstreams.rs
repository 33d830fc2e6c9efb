//! Upstreams that were named here, and what comes from them.

use url::Url;

use super::{Stage, actor, soon};
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::db::upstreams as rows;
use crate::overlay::error::Error;
use crate::overlay::upstreams::{NewUpstream, Target, Upstream, UpstreamEdit};

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

async fn add(node: &Overlay, mount: &str, name: &str) -> Result<Upstream, Error> {
    let (url, token) = (url("https://registry.example/npm/"), Secret::new("hunter2"));
    let (kind, user_prefix, change_stream) = ("cnpmcore", "corp:", Some("https://registry.example/_changes"));
    let new = NewUpstream { mount, name, url: &url, kind, user_prefix, change_stream, token: Some(&token) };
    node.add_upstream(new, &actor()).await
}

async fn listed(node: &Overlay) -> Vec<Upstream> {
    node.routes().await.unwrap().upstreams("npm").cloned().collect()
}

/// Returns where scopes come from, as a node knows it.
async fn scopes(node: &Overlay) -> Vec<(String, Target)> {
    node.routes().await.unwrap().scopes("npm").map(|route| (route.scope.clone(), route.target)).collect()
}

pub async fn an_upstream_is_kept_with_its_token_sealed(stage: Stage) {
    let node = stage.node().await;
    assert_eq!(listed(&node).await, []);
    let made = add(&node, "npm", "corp").await.unwrap();
    assert_eq!((made.name.as_str(), made.kind.as_str(), made.created_at), ("corp", "cnpmcore", stage.clock.now()));
    assert_eq!(listed(&node).await, std::slice::from_ref(&made));
    assert_eq!(made.token, Some(Secret::new("hunter2")));
    let (row, sealed) = rows::find(stage.open().await.link(), "npm", made.id).await.unwrap().unwrap();
    assert_eq!(row, Upstream { token: None, ..made.clone() });
    assert!(!sealed.unwrap().windows(7).any(|part| part == b"hunter2"));
    assert!(matches!(add(&node, "npm", "corp").await, Err(Error::Taken { .. })));
    add(&node, "other", "corp").await.unwrap();
    assert_eq!(listed(&node).await.len(), 1, "another mount's is no business of this one");
    let second = add(&node, "npm", "second").await.unwrap();
    let taken = UpstreamEdit { name: Some("corp"), ..UpstreamEdit::default() };
    assert!(matches!(node.edit_upstream("npm", second.id, taken, &actor()).await, Err(Error::Taken { .. })));
    node.remove_upstream("npm", second.id, |_| false, &actor()).await.unwrap();
    for mount in ["npm", "other"] {
        let absent = node.remove_upstream(mount, second.id, |_| false, &actor()).await;
        assert!(matches!(absent, Err(Error::Absent { .. })));
        let absent = node.edit_upstream(mount, second.id, UpstreamEdit::default(), &actor()).await;
        assert!(matches!(absent, Err(Error::Absent { .. })));
    }
    let told = format!("{:?}", node.audit(None, None, 9).await.unwrap());
    assert!(told.contains("with a token") && !told.contains("hunter2"), "{told}");
}

pub async fn a_token_never_leaves_the_server_it_was_given_for(stage: Stage) {
    let node = stage.node().await;
    let made = add(&node, "npm", "corp").await.unwrap();
    let (near, far) = (url("https://registry.example/other/"), url("https://evil.example/npm/"));
    let moved = |url| UpstreamEdit { url: Some(url), ..UpstreamEdit::default() };
    let edited = node.edit_upstream("npm", made.id, moved(&near), &actor()).await.unwrap();
    assert_eq!((edited.token, edited.url), (made.token.clone(), near.clone()));
    // Whoever writes to the database, and has no key, has it shown to nobody else either.
    let database = stage.open().await;
    let write = database.write(stage.clock.now()).await.unwrap();
    let (row, sealed) = rows::find(write.link(), "npm", made.id).await.unwrap().unwrap();
    rows::update(&write, &Upstream { url: far.clone(), ..row }, sealed.as_deref()).await.unwrap();
    write.turn(crate::overlay::db::Head::Routes).await.unwrap();
    let entry =
        crate::overlay::audit::Entry { actor: &actor(), verb: "test", subject: String::new(), detail: String::new() };
    write.commit(&entry).await.unwrap();
    assert!(matches!(stage.node().await.routes().await, Err(Error::Row(_))));
    let given = Secret::new("another");
    assert!(node.edit_upstream("npm", made.id, moved(&far), &actor()).await.is_err(), "it opens no more");
    node.remove_upstream("npm", made.id, |_| false, &actor()).await.unwrap();
    let made = add(&node, "npm", "corp").await.unwrap();
    assert_eq!(node.edit_upstream("npm", made.id, moved(&far), &actor()).await.unwrap().token, None);
    let edit = UpstreamEdit { token: Some(Some(&given)), ..UpstreamEdit::default() };
    assert_eq!(node.edit_upstream("npm", made.id, edit, &actor()).await.unwrap().token, Some(given));
    assert_eq!(listed(&node).await[0].url, far);
}

pub async fn a_scope_is_bound_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    assert_eq!(scopes(&nodes[1]).await, []);
    let [one, other] = [add(&nodes[0], "npm", "one").await.unwrap(), add(&nodes[0], "npm", "other").await.unwrap()];
    let bind = async |node: &Overlay, scope: &str, target| node.bind_scope("npm", scope, target, &actor()).await;
    let route = bind(&nodes[0], "@acme", Target::Upstream(one.id)).await.unwrap();
    bind(&nodes[0], "@own", Target::Own).await.unwrap();
    bind(&nodes[0], "@all", Target::Default).await.unwrap();
    let expected = |acme| {
        let all = [("@acme", acme), ("@all", Target::Default), ("@own", Target::Own)];
        all.map(|(scope, target)| (scope.to_owned(), target)).to_vec()
    };
    assert_eq!(scopes(&nodes[0]).await, expected(Target::Upstream(one.id)), "at once where it was bound");
    let wanted = expected(Target::Upstream(one.id));
    soon("the other node knows", async || (scopes(&nodes[1]).await == wanted).then_some(())).await;
    let again = bind(&nodes[1], "@acme", Target::Upstream(other.id)).await.unwrap();
    assert_eq!(again.id, route.id, "it is bound anew");
    assert_eq!(scopes(&nodes[1]).await, expected(Target::Upstream(other.id)));
    assert!(matches!(bind(&nodes[0], "@x", Target::Upstream(99)).await, Err(Error::Absent { .. })));
    assert!(matches!(nodes[0].unbind_scope("other", route.id, &actor()).await, Err(Error::Absent { .. })));
    let refused = nodes[0].remove_upstream("npm", other.id, |_| false, &actor()).await;
    assert!(matches!(refused, Err(Error::InUse(_))));
    let held = expected(Target::Upstream(other.id));
    soon("nothing was changed", async || (scopes(&nodes[0]).await == held).then_some(())).await;
    nodes[0].remove_upstream("npm", other.id, |scope| scope == "@acme", &actor()).await.unwrap();
    assert_eq!(scopes(&nodes[0]).await, expected(Target::Own)[1..], "its scopes are bound to it no more");
    let own = nodes[0].routes().await.unwrap().scopes("npm").last().unwrap().id;
    nodes[0].unbind_scope("npm", own, &actor()).await.unwrap();
    assert!(matches!(nodes[0].unbind_scope("npm", own, &actor()).await, Err(Error::Absent { .. })));
    soon("the other node knows", async || (scopes(&nodes[1]).await == wanted[1..2]).then_some(())).await;
    let lines = nodes[0].audit(None, None, 3).await.unwrap();
    let said: Vec<_> = lines.iter().map(|line| (line.verb.as_str(), line.detail.as_str())).collect();
    let removed = "other, https://registry.example/npm/: @acme";
    assert_eq!(said[..2], [("unbind scope", ""), ("remove upstream", removed)]);
}
