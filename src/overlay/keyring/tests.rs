//! What tokens and who stands behind them may do, and for how long that is remembered.

use super::*;
use crate::base::clock::from_millis;
use crate::overlay::networks::Networks;
use crate::overlay::users::UserName;

const HERE: [u8; 4] = [192, 0, 2, 1];

fn user(is_admin: bool) -> User {
    User {
        id: 1,
        name: UserName::parse("joe").unwrap(),
        email: None,
        profile: None,
        is_admin,
        factor: None,
        locked_at: None,
        created_at: from_millis(0),
        modified_at: from_millis(0),
        revision: 1,
    }
}

fn token(rights: &str) -> Token {
    Token {
        id: 2,
        hash: Digest::of(b"text"),
        hint: String::new(),
        user: Some(1),
        kind: "session".to_owned(),
        name: String::new(),
        description: String::new(),
        rights: Rights::parse(rights).unwrap(),
        networks: Networks::default(),
        is_read_only: false,
        is_automation: false,
        created_at: from_millis(0),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn identity(user: Option<User>, token: Option<Token>) -> Identity {
    Identity { user, token, roles: BTreeMap::new(), teams: BTreeSet::new(), noted_at: AtomicU64::new(0) }
}

#[test]
fn a_token_holds_until_something_speaks_against_it() {
    let now = from_millis(1000);
    let judge = |change: fn(&mut User, &mut Token)| {
        let (mut user, mut token) = (user(false), token("admin"));
        change(&mut user, &mut token);
        identity(Some(user), Some(token)).judge(&Digest::of(b"text"), HERE.into(), now)
    };
    assert!(judge(|_, token| token.expires_at = Some(from_millis(1001))).is_ok());
    assert!(matches!(judge(|_, token| token.expires_at = Some(from_millis(1000))), Err(Error::ExpiredToken)));
    assert!(matches!(judge(|_, token| token.revoked_at = Some(from_millis(5))), Err(Error::RevokedToken)));
    assert!(matches!(judge(|_, token| token.hash = Digest::of(b"other")), Err(Error::UnknownToken)));
    assert!(matches!(judge(|user, _| user.locked_at = Some(from_millis(5))), Err(Error::Locked)));
    let elsewhere = judge(|_, token| token.networks = Networks::parse("198.51.100.0/24").unwrap());
    assert!(matches!(elsewhere, Err(Error::WrongNetwork)));
}

#[test]
fn a_bound_token_does_less_than_its_rights_say() {
    for (is_read_only, is_automation, allowed) in [(false, false, 4), (true, false, 1), (false, true, 3)] {
        let identity = identity(Some(user(true)), Some(Token { is_read_only, is_automation, ..token("admin") }));
        let actions = [Action::Pull, Action::Push, Action::Delete, Action::Admin];
        let found = actions.into_iter().filter(|action| identity.allows(*action, "npm", "left-pad")).count();
        assert_eq!(found, allowed, "{is_read_only} {is_automation}");
        assert_eq!(identity.rules(), !is_read_only && !is_automation);
    }
}

#[test]
fn only_admins_rule_and_only_by_a_token_that_does() {
    for (user, token, rules) in [
        (Some(user(true)), None, true),
        (Some(user(false)), None, false),
        (Some(user(true)), Some(token("admin")), true),
        (Some(user(true)), Some(token("push:*")), false),
        (Some(user(false)), Some(token("admin")), false),
        (None, Some(token("admin")), true),
        (None, None, false),
    ] {
        let identity = identity(user, token);
        assert_eq!(identity.rules(), rules, "{identity:?}");
    }
}

#[test]
fn what_was_held_before_the_head_moved_is_not_found_after() {
    let (part, hash) = (Part::default(), Digest::of(b"text"));
    let identity = Arc::new(identity(None, Some(token("admin"))));
    let part = part.with(3, hash, &identity);
    assert!(part.find(3, &hash).is_some() && part.find(4, &hash).is_none());
    let part = part.with(4, Digest::of(b"other"), &identity);
    assert!(part.find(4, &hash).is_none() && part.find(3, &hash).is_none());
    let part = part.with(3, hash, &identity);
    assert!(part.find(3, &hash).is_none() && part.find(4, &hash).is_none(), "it may be older than the head");
}

#[test]
fn no_more_tokens_are_held_than_there_is_room_for() {
    let (keyring, identity) = (Keyring::default(), Arc::new(identity(None, Some(token("admin")))));
    let hash = |number: usize| Digest::of(number.to_string().as_bytes());
    for number in 0..3 * PARTS * MOST {
        keyring.hold(1, hash(number), &identity);
        assert!(keyring.find(1, &hash(number)).is_some(), "the last one is there");
    }
    let held: usize = keyring.parts.iter().map(|part| part.load().identities.len()).sum();
    assert!(held <= PARTS * MOST, "{held}");
}

#[test]
fn texts_that_are_no_tokens_are_held_apart_and_up_to_a_bound() {
    let (keyring, identity) = (Keyring::default(), Arc::new(identity(None, Some(token("admin")))));
    let hash = |number: usize| Digest::of(number.to_string().as_bytes());
    let holder = Digest::of(b"holder");
    keyring.hold(1, holder, &identity);
    for number in 0..3 * PARTS * MOST {
        keyring.hold_strange(1, hash(number));
        assert!(keyring.is_strange(1, &hash(number)), "the last one is there");
    }
    let held: usize = keyring.parts.iter().map(|part| part.load().strangers.len()).sum();
    assert!(held <= PARTS * MOST, "{held}");
    assert!(keyring.find(1, &holder).is_some(), "who has a token is not forgotten for them");
    let last = hash(3 * PARTS * MOST - 1);
    assert!(!keyring.is_strange(2, &last) && !keyring.is_strange(1, &holder));
    keyring.hold_strange(2, last);
    keyring.hold_strange(1, hash(0));
    assert!(keyring.is_strange(2, &last) && !keyring.is_strange(1, &last));
}

#[test]
fn a_use_is_noted_once_a_minute() {
    let keyring = Keyring::default();
    let identity = identity(None, Some(token("admin")));
    for at in [100_000, 159_999, 160_000] {
        keyring.note_use(&identity, from_millis(at));
        let expected = if at < 160_000 { 100_000 } else { 160_000 };
        assert_eq!(keyring.uses.lock().unwrap()[&2], from_millis(expected));
    }
}
