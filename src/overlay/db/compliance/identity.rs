//! Accounts, namespaces and tokens.

use std::sync::Arc;
use std::time::Duration;

use super::{HERE, Stage, actor, new_user, set_role, soon, user};
use crate::base::digest::Digest;
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::db::sql::values;
use crate::overlay::error::Error;
use crate::overlay::namespaces::{Membership, Namespace, NamespaceName, Role};
use crate::overlay::networks::Networks;
use crate::overlay::rights::{Action, Rights};
use crate::overlay::tokens::{Form, NewToken, Token};
use crate::overlay::users::{User, UserEdit, UserId, UserName};

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

async fn log_in(node: &Overlay, who: &str, password: &str) -> Result<User, Error> {
    node.log_in(&name(who), &Secret::new(password), HERE).await
}

async fn token(node: &Overlay, user: UserId, rights: &str) -> (Token, Secret) {
    let (rights, networks) = (Rights::parse(rights).unwrap(), Networks::parse("192.0.2.0/24").unwrap());
    let new = NewToken {
        user: Some(user),
        kind: "user",
        name: "laptop",
        description: "of joe",
        rights: &rights,
        networks: &networks,
        is_read_only: false,
        is_automation: false,
        expires_at: None,
        form: Form::Prefixed("heliostat_"),
    };
    node.issue_token(new, &actor()).await.unwrap()
}

pub async fn an_account_is_found_by_its_name_in_any_case(stage: Stage) {
    let node = stage.node().await;
    let (joe, password) = (name("Joe"), Secret::new("password"));
    let new = super::NewUser {
        email: Some("Joe@Host.example"),
        is_email_unique: true,
        with_namespace: true,
        ..new_user(&joe, &password)
    };
    let made = node.register(new, &actor()).await.unwrap();
    assert_eq!((made.name.as_str(), made.email.as_deref(), made.revision), ("Joe", Some("Joe@Host.example"), 1));
    assert_eq!((made.created_at, made.is_admin, made.locked_at), (stage.clock.now(), false, None));
    for found in [
        node.user(&name("jOE")).await.unwrap(),
        node.user_by_id(made.id).await.unwrap(),
        node.user_by_email("joe@host.EXAMPLE").await.unwrap(),
    ] {
        assert_eq!(found.as_ref(), Some(&made));
    }
    assert_eq!(node.user(&name("jo")).await.unwrap(), None);
    let taken = |result: Result<User, Error>| matches!(result, Err(Error::Taken { .. }));
    assert!(taken(node.register(new_user(&name("JOE"), &password), &actor()).await));
    let jim = name("jim");
    let same_email = super::NewUser { name: &jim, ..new };
    assert!(taken(node.register(same_email, &actor()).await));
    let space = node.namespace(&NamespaceName::of(&joe)).await.unwrap().unwrap();
    assert_eq!(space.members[&joe], (made.id, Role::Owner));
    assert_eq!(node.audit(Some("user Joe"), None, 9).await.unwrap()[0].verb, "register");
    assert_eq!(node.audit(None, None, 9).await.unwrap().len(), 1, "what was refused leaves no line");
}

pub async fn an_edit_of_what_has_changed_meanwhile_is_refused(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let edit = UserEdit { email: Some(Some("a@b.example")), expected: Some(1), ..UserEdit::default() };
    let edited = node.edit_user(joe.id, edit, &actor()).await.unwrap();
    assert_eq!((edited.revision, edited.email.as_deref()), (2, Some("a@b.example")));
    assert!(matches!(node.edit_user(joe.id, edit, &actor()).await, Err(Error::Stale { held: 2 })));
    let (new, profile) = (Secret::new("new password"), b"{}".as_slice());
    let edit = UserEdit { password: Some(&new), profile: Some(profile), is_admin: Some(true), ..UserEdit::default() };
    let edited = node.edit_user(joe.id, edit, &actor()).await.unwrap();
    assert_eq!(node.user(&joe.name).await.unwrap(), Some(edited.clone()));
    assert_eq!((edited.profile.as_deref(), edited.is_admin), (Some(profile), true));
    assert!(log_in(&node, "joe", "new password").await.is_ok());
    assert!(matches!(log_in(&node, "joe", "password").await, Err(Error::WrongPassword)));
    assert!(matches!(node.edit_user(99, UserEdit::default(), &actor()).await, Err(Error::Absent { .. })));
}

pub async fn a_name_is_taken_once_however_many_ask(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let ask = |node: Arc<Overlay>| async move {
        node.register(new_user(&name("joe"), &Secret::new("password")), &actor()).await
    };
    let tasks: Vec<_> = (0..6).map(|index| tokio::spawn(ask(Arc::clone(&nodes[index % 2])))).collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, Error::Taken { .. }), "{error:?}"),
        }
    }
    assert_eq!(made, 1);
}

pub async fn who_fails_often_must_wait(stage: Stage) {
    let node = stage.node().await;
    user(&node, "joe").await;
    for _ in 0..5 {
        assert!(matches!(log_in(&node, "joe", "wrong").await, Err(Error::WrongPassword)));
    }
    let until = stage.clock.now() + Duration::from_secs(1);
    let refused = log_in(&node, "joe", "password").await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { until: found }) if found == until), "{refused:?}");
    assert!(matches!(log_in(&node, "nobody", "password").await, Err(Error::WrongPassword)), "another account");
    stage.clock.advance(Duration::from_secs(1));
    assert!(log_in(&node, "joe", "password").await.is_ok());
    for _ in 0..5 {
        assert!(matches!(log_in(&node, "joe", "wrong").await, Err(Error::WrongPassword)), "all was forgiven");
    }
    // The address has failed eleven times by now; its one success is not counted.
    for index in 0..19 {
        assert!(matches!(log_in(&node, &format!("user{index}"), "x").await, Err(Error::WrongPassword)), "{index}");
    }
    assert!(matches!(log_in(&node, "another", "x").await, Err(Error::TooManyAttempts { .. })));
    stage.clock.advance(Duration::from_secs(3600));
    assert!(log_in(&node, "joe", "password").await.is_ok(), "an hour later");
}

pub async fn attempts_at_once_are_all_counted(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    user(&nodes[0], "joe").await;
    let ask = |node: Arc<Overlay>| async move { log_in(&node, "joe", "wrong").await };
    let tasks: Vec<_> = (0..20).map(|index| tokio::spawn(ask(Arc::clone(&nodes[index % 2])))).collect();
    let mut tried = 0;
    for task in tasks {
        match task.await.unwrap() {
            Err(Error::WrongPassword) => tried += 1,
            Err(Error::TooManyAttempts { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tried, 5, "as many as are free");
}

pub async fn who_must_wait_waits_for_no_write(stage: Stage) {
    let node = stage.node().await;
    for _ in 0..5 {
        assert!(matches!(log_in(&node, "joe", "wrong").await, Err(Error::WrongPassword)));
    }
    // As one that takes long: nothing else is written until it ends.
    let write = node.db.write(stage.clock.now()).await.unwrap();
    stage.clock.advance(Duration::from_millis(999));
    let refused = tokio::time::timeout(Duration::from_secs(20), log_in(&node, "joe", "wrong")).await;
    assert!(matches!(refused, Ok(Err(Error::TooManyAttempts { .. }))), "{refused:?}");
    drop(write);
}

pub async fn a_locked_account_logs_in_no_more_and_its_tokens_end(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let joe = user(&nodes[0], "joe").await;
    let (_, text) = token(&nodes[0], joe.id, "admin").await;
    assert!(nodes[1].check_token(&text, HERE).await.is_ok());
    let lock = UserEdit { is_locked: Some(true), ..UserEdit::default() };
    assert!(nodes[0].edit_user(joe.id, lock, &actor()).await.unwrap().locked_at.is_some());
    assert!(matches!(log_in(&nodes[0], "joe", "password").await, Err(Error::Locked)));
    assert!(matches!(log_in(&nodes[0], "joe", "wrong").await, Err(Error::WrongPassword)), "not told to others");
    soon("the other node knows", || async {
        matches!(nodes[1].check_token(&text, HERE).await, Err(Error::Locked)).then_some(())
    })
    .await;
    let unlock = UserEdit { is_locked: Some(false), ..UserEdit::default() };
    nodes[0].edit_user(joe.id, unlock, &actor()).await.unwrap();
    assert!(nodes[0].check_token(&text, HERE).await.is_ok());
}

pub async fn a_token_is_known_by_its_text_alone(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let (made, text) = token(&node, joe.id, "push:npm/@joe/*").await;
    assert_eq!(made.hash, Digest::of(text.reveal().as_bytes()));
    assert_eq!((made.name.as_str(), made.description.as_str()), ("laptop", "of joe"));
    let identity = node.check_token(&text, HERE).await.unwrap();
    assert_eq!((identity.user.as_ref(), identity.token.as_ref()), (Some(&joe), Some(&made)));
    assert!(identity.allows(Action::Push, "npm", "@joe/x") && !identity.allows(Action::Push, "npm", "x"));
    assert!(matches!(node.check_token(&text, [198, 51, 100, 1].into()).await, Err(Error::WrongNetwork)));
    let mut other = text.reveal().to_owned();
    other.pop();
    for wrong in [other.as_str(), "", "x"] {
        assert!(matches!(node.check_token(&Secret::new(wrong), HERE).await, Err(Error::UnknownToken)));
    }
    assert_eq!(node.token(made.hash).await.unwrap(), Some(made.clone()));
    let listed = node.tokens(joe.id, None, 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&made));
    let log = format!("{:?}{:?}", node.audit(None, None, 10).await.unwrap(), listed);
    assert!(!log.contains(text.reveal()), "its text is kept nowhere");
    assert!(log.contains(&format!("user for user {}: ", joe.id)), "{log}");
    let (rights, networks) = (Rights::all(), Networks::default());
    let nobody = NewToken { user: Some(99), rights: &rights, networks: &networks, ..new_of(&made) };
    assert!(matches!(node.issue_token(nobody, &actor()).await, Err(Error::Absent { .. })));
}

fn new_of(token: &Token) -> NewToken<'_> {
    NewToken {
        user: token.user,
        kind: &token.kind,
        name: &token.name,
        description: &token.description,
        rights: &token.rights,
        networks: &token.networks,
        is_read_only: false,
        is_automation: false,
        expires_at: None,
        form: Form::Hex,
    }
}

pub async fn a_revoked_token_ends_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let joe = user(&nodes[0], "joe").await;
    let (one, text) = token(&nodes[0], joe.id, "admin").await;
    let (two, other) = token(&nodes[0], joe.id, "admin").await;
    for node in &nodes {
        assert!(node.check_token(&text, HERE).await.is_ok() && node.check_token(&other, HERE).await.is_ok());
    }
    assert!(matches!(nodes[0].revoke_token(one.id, Some(joe.id + 1), &actor()).await, Err(Error::Absent { .. })));
    nodes[0].revoke_token(one.id, Some(joe.id), &actor()).await.unwrap();
    assert!(matches!(nodes[0].check_token(&text, HERE).await, Err(Error::RevokedToken)), "at once where it was done");
    soon("the other node knows", || async {
        matches!(nodes[1].check_token(&text, HERE).await, Err(Error::RevokedToken)).then_some(())
    })
    .await;
    assert!(nodes[1].check_token(&other, HERE).await.is_ok());
    assert_eq!(nodes[1].tokens(joe.id, None, 10).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(nodes[1].all_tokens(None, 10).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(nodes[1].all_tokens(Some(two.id), 10).await.unwrap(), []);
    assert_eq!(nodes[1].revoke_tokens_of(joe.id, &actor()).await.unwrap(), 1);
    assert!(matches!(nodes[1].check_token(&other, HERE).await, Err(Error::RevokedToken)));
    assert_eq!(nodes[1].tokens(joe.id, None, 10).await.unwrap(), []);
}

pub async fn a_role_ends_on_every_node(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let (joe, jim) = (user(&nodes[0], "joe").await, user(&nodes[0], "jim").await);
    let acme = NamespaceName::parse("@acme").unwrap();
    nodes[0].create_namespace(&acme, joe.id, &actor()).await.unwrap();
    assert!(matches!(nodes[1].create_namespace(&acme, jim.id, &actor()).await, Err(Error::Taken { .. })));
    set_role(&nodes[0], &acme, jim.id, Some(Role::Publisher)).await.unwrap();
    let (_, text) = token(&nodes[0], jim.id, "admin").await;
    let role = async |node: &Overlay| node.check_token(&text, HERE).await.unwrap().role("acme");
    assert_eq!(soon("it is there", || async { role(&nodes[1]).await }).await, Role::Publisher);
    set_role(&nodes[0], &acme, jim.id, None).await.unwrap();
    assert_eq!(role(&nodes[0]).await, None);
    soon("it is gone", || async { role(&nodes[1]).await.is_none().then_some(()) }).await;
}

pub async fn a_namespace_keeps_an_owner(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "jim").await);
    let acme = NamespaceName::parse("acme").unwrap();
    node.create_namespace(&acme, joe.id, &actor()).await.unwrap();
    for role in [None, Some(Role::Admin)] {
        assert!(matches!(set_role(&node, &acme, joe.id, role).await, Err(Error::LastOwner)));
    }
    set_role(&node, &acme, jim.id, Some(Role::Owner)).await.unwrap();
    set_role(&node, &acme, joe.id, Some(Role::Reader)).await.unwrap();
    let found = node.namespace(&acme).await.unwrap().unwrap();
    assert_eq!(found.members[&joe.name], (joe.id, Role::Reader));
    assert!(matches!(set_role(&node, &acme, 99, Some(Role::Reader)).await, Err(Error::Absent { .. })));
    let other = NamespaceName::parse("other").unwrap();
    assert!(matches!(set_role(&node, &other, joe.id, None).await, Err(Error::Absent { .. })));
    assert!(matches!(node.create_namespace(&other, 99, &actor()).await, Err(Error::Absent { .. })));
    assert_eq!(node.namespace(&other).await.unwrap(), None);
}

pub async fn a_role_is_judged_as_it_is_when_it_is_set(stage: Stage) {
    let node = stage.node().await;
    let (joe, jim) = (user(&node, "joe").await, user(&node, "jim").await);
    let acme = NamespaceName::parse("acme").unwrap();
    node.create_namespace(&acme, joe.id, &actor()).await.unwrap();
    // Both see that jim has no role yet, and only one is the first.
    let first = |held: &Namespace| !held.members.contains_key(&jim.name);
    let set = async |role| node.set_role(&acme, Membership { user: jim.id, role: Some(role) }, first, &actor()).await;
    let (one, other) = tokio::join!(set(Role::Reader), set(Role::Owner));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert!(matches!(one.and(other), Err(Error::NotAllowed(_))));
    assert!(node.namespace(&acme).await.unwrap().unwrap().members.contains_key(&jim.name));
}

pub async fn an_invitation_makes_one_account(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let end = stage.clock.now() + Duration::from_secs(60);
    let (_, code) = nodes[0].invite(Some("Joe@host.example"), end, &actor()).await.unwrap();
    assert!(!format!("{:?}", nodes[0].audit(None, None, 9).await.unwrap()).contains(code.reveal()));
    let ask = |node: Arc<Overlay>, who: String, code: Secret, email: &'static str| async move {
        let (who, password) = (name(&who), Secret::new("password"));
        let new = super::NewUser { email: Some(email), invitation: Some(&code), ..new_user(&who, &password) };
        node.register(new, &actor()).await
    };
    let refused = |result: Result<User, Error>| matches!(result, Err(Error::NotInvited));
    let one = || Arc::clone(&nodes[0]);
    assert!(refused(ask(one(), "ann".to_owned(), code.clone(), "ann@host.example").await));
    assert!(refused(ask(one(), "ann".to_owned(), Secret::new("0".repeat(32)), "joe@host.example").await));
    assert_eq!(nodes[0].user(&name("ann")).await.unwrap(), None, "nothing is left of what was refused");
    let tasks: Vec<_> = (0..6)
        .map(|index| ask(Arc::clone(&nodes[index % 2]), format!("joe{index}"), code.clone(), "joe@HOST.example"))
        .map(tokio::spawn)
        .collect();
    let mut made = 0;
    for task in tasks {
        made += u32::from(task.await.unwrap().is_ok());
    }
    assert_eq!(made, 1, "however many have the code");
    let (_, late) = nodes[0].invite(None, end, &actor()).await.unwrap();
    stage.clock.advance(Duration::from_secs(60));
    assert!(refused(ask(one(), "late".to_owned(), late, "late@host.example").await));
}

pub async fn who_makes_many_accounts_must_wait(stage: Stage) {
    let node = stage.node().await;
    let ask = async |index: u32, from: [u8; 4]| {
        let (who, password) = (name(&format!("user{index}")), Secret::new("password"));
        node.sign_up(new_user(&who, &password), from.into(), &actor()).await.map(drop)
    };
    let (_, code) = node.invite(None, stage.clock.now() + Duration::from_secs(60), &actor()).await.unwrap();
    let (who, password) = (name("invited"), Secret::new("password"));
    let invited = super::NewUser { invitation: Some(&code), ..new_user(&who, &password) };
    node.sign_up(invited, HERE, &actor()).await.unwrap();
    // Who is invited counts for nobody else.
    for index in 0..20 {
        ask(index, [192, 0, 2, 1]).await.unwrap();
    }
    let until = stage.clock.now() + Duration::from_secs(1);
    let refused = ask(20, [192, 0, 2, 1]).await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { until: found }) if found == until), "{refused:?}");
    assert!(ask(20, [192, 0, 2, 2]).await.is_ok(), "from elsewhere");
    stage.clock.advance(Duration::from_secs(1));
    assert!(ask(21, [192, 0, 2, 1]).await.is_ok());
}

pub async fn a_text_that_is_no_token_is_asked_for_once(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let (made, _) = token(&node, joe.id, "admin").await;
    let (strange, noise) = (Form::OURS.random(), Secret::new("noise"));
    let is_unknown = async |text: &Secret| matches!(node.check_token(text, HERE).await, Err(Error::UnknownToken));
    assert!(is_unknown(&strange).await);
    // Were the database asked, it would find one.
    let rename = async |text: &Secret| {
        let note = node.db.note().await.unwrap();
        let hash = Digest::of(text.reveal().as_bytes());
        note.link().run("UPDATE tokens SET hash = $2 WHERE id = $1", values![made.id, hash]).await.unwrap();
        note.commit().await.unwrap();
    };
    rename(&noise).await;
    assert!(is_unknown(&noise).await, "no token looks like that");
    rename(&strange).await;
    assert!(is_unknown(&strange).await, "it is known that there is none");
    node.revoke_tokens_of(user(&node, "jim").await.id, &actor()).await.unwrap();
    assert!(!is_unknown(&strange).await, "until who is known may have changed");
}

pub async fn uses_of_tokens_are_written_down(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let (made, text) = token(&node, joe.id, "admin").await;
    let used = async || node.token(made.hash).await.unwrap().unwrap().last_used_at;
    node.check_token(&text, HERE).await.unwrap();
    assert_eq!(used().await, None);
    node.save_uses().await.unwrap();
    let first = stage.clock.now();
    assert_eq!(used().await, Some(first));
    stage.clock.advance(Duration::from_secs(59));
    node.check_token(&text, HERE).await.unwrap();
    node.save_uses().await.unwrap();
    assert_eq!(used().await, Some(first), "once a minute");
    stage.clock.advance(Duration::from_secs(1));
    node.check_token(&text, HERE).await.unwrap();
    node.close().await.unwrap();
    let node = stage.node().await;
    assert_eq!(node.token(made.hash).await.unwrap().unwrap().last_used_at, Some(stage.clock.now()));
}

pub async fn lists_are_in_the_order_of_bytes(stage: Stage) {
    let node = stage.node().await;
    for name in ["a_b", "ab", "a-b", "a.c", "Zoe"] {
        user(&node, name).await;
    }
    let names = async |after: Option<&UserName>| {
        let users = node.users(after, 4).await.unwrap();
        users.into_iter().map(|user| user.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["a-b", "a.c", "a_b", "ab"]);
    assert_eq!(names(Some(&name("A.C"))).await, ["a_b", "ab", "Zoe"]);
}
