//! Each edit against what is there, and what it is told of.

use super::*;
use crate::overlay::packages::samples::RELEASE;

/// A package with 1.0.0 (for two systems), 2.0.0, a removed 0.9.0, two tags, and an owner.
fn state() -> State {
    let key = |version: &str, variant: &str| (version.to_owned(), variant.to_owned());
    State {
        id: Some(1),
        revision: 7,
        stamp: 70,
        living: [key("1.0.0", ""), key("1.0.0", "arm"), key("2.0.0", "")].into(),
        removed: [key("0.9.0", "")].into(),
        tags: [("latest".to_owned(), "2.0.0".to_owned()), ("old".to_owned(), "1.0.0".to_owned())].into(),
        owners: [(1, "full".to_owned())].into(),
        teams: [(5, Permission::ReadOnly)].into(),
    }
}

fn change<'a>(edits: &'a [Edit<'a>]) -> Change<'a> {
    Change { mount: "npm", package: "x", expected: None, by_owner: None, verb: "test", edits }
}

/// Returns what is told of edits, or why they are refused.
fn told(edits: &[Edit<'_>]) -> String {
    decide(state(), &change(edits)).map_or_else(|error| error.to_string(), |(_, events)| tell(&events))
}

#[test]
fn a_version_is_for_good_unless_the_dialect_says_otherwise() {
    let publish = |version, replaces| told(&[Edit::Publish(NewRelease { version, replaces, ..RELEASE })]);
    for (version, replaces, expected) in [
        ("3.0.0", Replaces::Nothing, "version added 3.0.0"),
        ("1.0.0", Replaces::Nothing, "the version \"1.0.0\" exists already"),
        ("1.0.0", Replaces::Living, "version changed 1.0.0"),
        ("0.9.0", Replaces::Nothing, "the version \"0.9.0\" was removed and cannot be used again"),
        ("0.9.0", Replaces::Living, "the version \"0.9.0\" was removed and cannot be used again"),
        ("0.9.0", Replaces::Anything, "version added 0.9.0"),
    ] {
        assert_eq!(publish(version, replaces), expected, "{replaces:?}");
    }
    let twice = [
        Edit::Publish(NewRelease { version: "3.0.0", ..RELEASE }),
        Edit::Unpublish { version: "3.0.0", variant: None },
    ];
    let again = [twice.as_slice(), &[Edit::Publish(NewRelease { version: "3.0.0", ..RELEASE })]].concat();
    assert_eq!(told(&again), "the version \"3.0.0\" was removed and cannot be used again");
}

#[test]
fn a_version_that_the_dialect_calls_the_same_is_no_other() {
    let is_same: fn(&str, &str) -> bool = |one, other| one.split('+').next() == other.split('+').next();
    let publish =
        |version| told(&[Edit::Unlike { version, is_same }, Edit::Publish(NewRelease { version, ..RELEASE })]);
    for (version, expected) in [
        ("3.0.0+a", "version added 3.0.0+a"),
        ("1.0.0+a", "the version \"1.0.0+a\" exists already"),
        ("0.9.0+a", "the version \"0.9.0+a\" was removed and cannot be used again"),
        ("1.0.0", "the version \"1.0.0\" exists already"),
        ("0.9.0", "the version \"0.9.0\" was removed and cannot be used again"),
    ] {
        assert_eq!(publish(version), expected);
    }
    let anew = NewRelease { version: "1.0.0", replaces: Replaces::Living, ..RELEASE };
    let edits = [Edit::Unlike { version: "1.0.0", is_same }, Edit::Publish(anew)];
    assert_eq!(told(&edits), "version changed 1.0.0", "it is no other than itself");
}

#[test]
fn a_tag_goes_with_its_version_unless_it_was_moved_before() {
    let remove = |version, variant| Edit::Unpublish { version, variant };
    for (edits, expected) in [
        (vec![remove("2.0.0", None)], "version removed 2.0.0, tag removed latest"),
        (vec![remove("1.0.0", Some("arm"))], "version removed 1.0.0"),
        (vec![remove("1.0.0", None)], "version removed 1.0.0, tag removed old"),
        (
            vec![Edit::Tag { tag: "latest", version: "1.0.0", when: When::Always }, remove("2.0.0", None)],
            "tag changed 1.0.0 latest, version removed 2.0.0",
        ),
        (
            vec![Edit::UnpublishAll],
            "version removed 1.0.0, tag removed old, version removed 2.0.0, tag removed latest, unpublished",
        ),
        (vec![remove("0.9.0", None)], "there is no version \"0.9.0\""),
        (vec![remove("1.0.0", Some("x86"))], "there is no version \"1.0.0\""),
    ] {
        assert_eq!(told(&edits), expected);
    }
}

#[test]
fn a_tag_points_at_a_version_that_is_there() {
    let tag = |tag, version, when| told(&[Edit::Tag { tag, version, when }]);
    assert_eq!(tag("beta", "1.0.0", When::Always), "tag added 1.0.0 beta");
    assert_eq!(tag("latest", "1.0.0", When::Absent), "");
    assert_eq!(tag("latest", "2.0.0", When::Always), "");
    assert_eq!(tag("latest", "0.9.0", When::Always), "there is no version \"0.9.0\"");
    assert_eq!(told(&[Edit::Untag { tag: "old" }, Edit::Untag { tag: "old" }]), "there is no tag \"old\"");
}

#[test]
fn a_version_is_deprecated_for_a_reason_until_it_is_not() {
    let deprecate = |version, reason| Edit::Deprecate { version, variant: "", manifest: b"{}", reason };
    let edits = [deprecate("1.0.0", Some("old")), deprecate("2.0.0", None), deprecate("1.0.0", Some("older"))];
    let edits_told = told(&edits);
    assert_eq!(edits_told, "version deprecated 1.0.0, version undeprecated 2.0.0, version deprecated 1.0.0");
    let (_, events) = decide(state(), &change(&edits)).unwrap();
    let reasons: Vec<_> = events.iter().map(|told| told.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("old"), None, Some("older")]);
    assert_eq!(told(&[deprecate("0.9.0", None)]), "there is no version \"0.9.0\"");
}

#[test]
fn one_owner_is_left() {
    assert_eq!(told(&[Edit::Disown { user: 1 }]), "one owner must be left");
    let swap = [Edit::Own { user: 2, level: "full" }, Edit::Disown { user: 1 }];
    assert_eq!(told(&swap), "owner added, owner removed");
    assert_eq!(told(&[Edit::Disown { user: 2 }]), "there is no owner \"2\"");
    assert_eq!(told(&[Edit::Own { user: 1, level: "full" }]), "");
}

#[test]
fn a_binding_is_made_once_and_taken_away_once() {
    let bind = |team, permission| Edit::Bind { team, permission };
    assert_eq!(told(&[bind(5, Permission::ReadOnly)]), "");
    assert_eq!(told(&[bind(5, Permission::ReadWrite)]), "package changed");
    assert_eq!(told(&[bind(6, Permission::ReadOnly), Edit::Unbind { team: 6 }]), "package changed, package changed");
    assert_eq!(told(&[Edit::Unbind { team: 6 }]), "there is no binding to the team \"6\"");
}

#[test]
fn who_must_own_it_does_and_who_decides_by_an_old_state_does_not() {
    let edits = [Edit::Star { user: 2 }];
    let with = |by_owner, expected| decide(state(), &Change { by_owner, expected, ..change(&edits) }).map(drop);
    assert!(with(Some(1), Some(7)).is_ok());
    assert!(matches!(with(Some(2), None), Err(Error::NotOwner)));
    assert!(matches!(with(Some(1), Some(6)), Err(Error::Stale { held: 7 })));
    let new = [Edit::Publish(RELEASE)];
    assert!(decide(State::default(), &Change { by_owner: Some(9), ..change(&new) }).is_ok(), "new ones are free");
}
