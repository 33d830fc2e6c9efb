//! Organisations, their members and teams; who may do what with which packages. Source: contract npm §9.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};

/// What is asked of organisations and teams, or becomes of them. A member stands in the path, or else in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Orgs {
    /// `PUT /-/org`.
    Create,
    /// `/-/org/{org}`.
    Show { org: Box<str> },
    /// `DELETE` of the same.
    Remove { org: Box<str> },
    /// `/-/org/{org}/user`, or `…/member`, as for all that follow.
    Members { org: Box<str> },
    /// `PUT` of the same.
    SetMember { org: Box<str> },
    /// `PATCH /-/org/{org}/member/{user}`.
    ChangeMember { org: Box<str>, user: Box<str> },
    /// `DELETE` of the same, and of `/-/org/{org}/user`.
    RemoveMember { org: Box<str>, user: Option<Box<str>> },
    /// `/-/org/{org}/member/{user}/team`.
    TeamsOf { org: Box<str>, user: Box<str> },
    /// `/-/org/{org}/package`.
    Packages { org: Box<str> },
    /// `/-/user/{user}/package`; of the caller, `/-/-/package`.
    PackagesOf { user: Option<Box<str>> },
    /// `/-/org/{org}/team`.
    Teams { org: Box<str> },
    /// `PUT` of the same.
    CreateTeam { org: Box<str> },
    /// `/-/team/{org}/{team}`.
    Team(TeamAt),
    /// `DELETE` of the same.
    RemoveTeam(TeamAt),
    /// `/-/team/{org}/{team}/user`.
    TeamMembers(TeamAt),
    /// `PUT` of the same.
    Join(TeamAt),
    /// `DELETE` of the same.
    Leave { team: TeamAt, user: Option<Box<str>> },
    /// `/-/team/{org}/{team}/package`.
    TeamPackages(TeamAt),
    /// `PUT` of the same.
    Grant(TeamAt),
    /// `DELETE` of the same.
    Revoke(TeamAt),
}

/// Where a team is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamAt {
    pub org: Box<str>,
    pub team: Box<str>,
}

/// Finds what lies under `/-/`; `None` for what is about something else.
pub fn find(segments: &[&str]) -> Option<Target> {
    Some(match segments {
        ["org"] => Target { put: Some(Orgs::Create.into()), ..Target::default() },
        ["org", org, rest @ ..] => find_in_org((*org).into(), rest)?,
        ["team", org, team, rest @ ..] => find_in_team(TeamAt { org: (*org).into(), team: (*team).into() }, rest)?,
        ["user", user, "package"] => Target::read(Orgs::PackagesOf { user: Some((*user).into()) }),
        ["-", "package"] => Target::read(Orgs::PackagesOf { user: None }),
        _ => return None,
    })
}

/// Finds what yarn 1 asks of teams without the `/-/` before it. No package has anything there: what is a tarball's path is
/// none of these.
pub fn find_bare(segments: &[&str]) -> Option<Target> {
    match segments {
        [_, "-" | "download" | "-rev", ..] => None,
        ["org", _, "team"] | ["team", _, _, "user"] => find(segments),
        ["team", _, last] if *last != "files" => find(segments),
        _ => None,
    }
}

fn find_in_org(org: Box<str>, rest: &[&str]) -> Option<Target> {
    Some(match rest {
        [] => Target { delete: Some(Orgs::Remove { org: org.clone() }.into()), ..Target::read(Orgs::Show { org }) },
        ["user" | "member"] => Target {
            put: Some(Orgs::SetMember { org: org.clone() }.into()),
            delete: Some(Orgs::RemoveMember { org: org.clone(), user: None }.into()),
            ..Target::read(Orgs::Members { org })
        },
        ["user" | "member", user] => {
            let change = Orgs::ChangeMember { org: org.clone(), user: (*user).into() };
            let remove = Orgs::RemoveMember { org, user: Some((*user).into()) };
            Target { patch: Some(change.into()), ..Target::delete(remove) }
        }
        ["user" | "member", user, "team"] => Target::read(Orgs::TeamsOf { org, user: (*user).into() }),
        ["package"] => Target::read(Orgs::Packages { org }),
        ["team"] => {
            let create = Orgs::CreateTeam { org: org.clone() };
            Target { put: Some(create.into()), ..Target::read(Orgs::Teams { org }) }
        }
        _ => return None,
    })
}

fn find_in_team(team: TeamAt, rest: &[&str]) -> Option<Target> {
    Some(match rest {
        [] => Target { delete: Some(Orgs::RemoveTeam(team.clone()).into()), ..Target::read(Orgs::Team(team)) },
        ["user" | "member"] => Target {
            put: Some(Orgs::Join(team.clone()).into()),
            delete: Some(Orgs::Leave { team: team.clone(), user: None }.into()),
            ..Target::read(Orgs::TeamMembers(team))
        },
        ["user" | "member", user] => Target::delete(Orgs::Leave { team, user: Some((*user).into()) }),
        ["package"] => Target {
            put: Some(Orgs::Grant(team.clone()).into()),
            delete: Some(Orgs::Revoke(team.clone()).into()),
            ..Target::read(Orgs::TeamPackages(team))
        },
        _ => return None,
    })
}

// === impl Orgs ===

impl Orgs {
    /// Tells whether it changes nothing.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Show { .. } | Self::Members { .. } | Self::TeamsOf { .. } | Self::Packages { .. } => true,
            Self::PackagesOf { .. } | Self::Teams { .. } | Self::Team(_) => true,
            Self::TeamMembers(_) | Self::TeamPackages(_) => true,
            Self::Create | Self::Remove { .. } | Self::SetMember { .. } | Self::RemoveMember { .. } => false,
            Self::ChangeMember { .. } | Self::CreateTeam { .. } => false,
            Self::RemoveTeam(_) | Self::Join(_) | Self::Leave { .. } | Self::Grant(_) | Self::Revoke(_) => false,
        }
    }

    /// Says who is let in: whoever is logged in, as far as asking goes.
    pub fn access(&self) -> Access<'_> {
        Access::Known
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Create | Self::SetMember { .. } | Self::RemoveMember { user: None, .. } => Reads::Body,
            Self::CreateTeam { .. } | Self::Join(_) | Self::Leave { user: None, .. } => Reads::Body,
            Self::ChangeMember { .. } => Reads::Body,
            Self::Grant(_) | Self::Revoke(_) => Reads::Body,
            _ => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Create | Self::SetMember { .. } | Self::RemoveMember { .. } => "edit_org",
            Self::ChangeMember { .. } | Self::Remove { .. } => "edit_org",
            Self::Show { .. } | Self::Members { .. } | Self::TeamsOf { .. } | Self::Teams { .. } => "org",
            Self::Packages { .. } | Self::PackagesOf { .. } | Self::TeamPackages(_) => "packages",
            Self::Team(_) | Self::TeamMembers(_) => "team",
            Self::CreateTeam { .. } | Self::RemoveTeam(_) | Self::Join(_) | Self::Leave { .. } => "edit_team",
            Self::Grant(_) | Self::Revoke(_) => "grant",
        }
    }
}

impl From<Orgs> for Action {
    fn from(orgs: Orgs) -> Self {
        Self::Orgs(orgs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::error::Error;
    use crate::registries::npm::routes::tests::send;

    #[test]
    fn both_forms_and_yarns_name_the_same() {
        let (org, user) = (|| "acme".into(), || "joe".into());
        let team = || TeamAt { org: "acme".into(), team: "core".into() };
        for (method, paths, expected) in [
            ("PUT", &["/-/org"][..], Orgs::Create),
            ("GET", &["/-/org/acme"], Orgs::Show { org: org() }),
            ("DELETE", &["/-/org/acme"], Orgs::Remove { org: org() }),
            ("GET", &["/-/org/acme/user", "/-/org/acme/member"], Orgs::Members { org: org() }),
            ("PUT", &["/-/org/acme/user", "/-/org/acme/member"], Orgs::SetMember { org: org() }),
            ("DELETE", &["/-/org/acme/user"], Orgs::RemoveMember { org: org(), user: None }),
            (
                "PATCH",
                &["/-/org/acme/member/joe", "/-/org/acme/user/joe"],
                Orgs::ChangeMember { org: org(), user: user() },
            ),
            ("DELETE", &["/-/org/acme/member/joe"], Orgs::RemoveMember { org: org(), user: Some(user()) }),
            ("GET", &["/-/org/acme/member/joe/team"], Orgs::TeamsOf { org: org(), user: user() }),
            ("GET", &["/-/org/acme/package"], Orgs::Packages { org: org() }),
            ("GET", &["/-/user/joe/package"], Orgs::PackagesOf { user: Some(user()) }),
            ("GET", &["/-/-/package"], Orgs::PackagesOf { user: None }),
            ("GET", &["/-/org/acme/team", "/org/acme/team"], Orgs::Teams { org: org() }),
            ("PUT", &["/-/org/acme/team"], Orgs::CreateTeam { org: org() }),
            ("GET", &["/-/team/acme/core"], Orgs::Team(team())),
            ("DELETE", &["/-/team/acme/core", "/team/acme/core"], Orgs::RemoveTeam(team())),
            ("GET", &["/-/team/acme/core/user", "/team/acme/core/user"], Orgs::TeamMembers(team())),
            ("PUT", &["/-/team/acme/core/user", "/-/team/acme/core/member"], Orgs::Join(team())),
            ("DELETE", &["/team/acme/core/user"], Orgs::Leave { team: team(), user: None }),
            ("DELETE", &["/-/team/acme/core/member/joe"], Orgs::Leave { team: team(), user: Some(user()) }),
            ("GET", &["/-/team/acme/core/package"], Orgs::TeamPackages(team())),
            ("PUT", &["/-/team/acme/core/package"], Orgs::Grant(team())),
            ("DELETE", &["/-/team/acme/core/package"], Orgs::Revoke(team())),
        ] {
            for path in paths {
                let action = send(method, path).unwrap();
                assert_eq!(action, Action::Orgs(expected.clone()), "{method} {path}");
                assert_eq!(action.access(), Access::Known, "{method} {path}");
            }
        }
    }

    #[test]
    fn packages_that_are_called_like_them_are_packages() {
        for path in [
            "/team",
            "/org",
            "/team/1.0.0",
            "/team/1.0.0/files",
            "/team/-/team-1.0.0.tgz",
            "/org/download/org-1.0.0.tgz",
        ] {
            let action = send("GET", path).unwrap();
            assert!(!matches!(action, Action::Orgs(_)), "{path}: {action:?}");
        }
        for path in ["/org/acme/x", "/-/org/acme/x", "/-/team/acme", "/-/team/acme/core/x"] {
            assert!(matches!(send("GET", path), Err(Error::NotFound { .. })), "{path}");
        }
    }
}
