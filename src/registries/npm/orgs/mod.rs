//! Organisations, which are namespaces: their members, and which packages who may see and change. Source: contract npm §9.
//!
//! | npm | cnpmcore | here |
//! |---|---|---|
//! | owner | owner | owner |
//! | admin | - | admin |
//! | developer | member | publisher |
//! | - | - | reader |

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::replies::unkept;
use super::routes::Orgs;
use crate::base::http::Reply;
use crate::overlay::namespaces::{Membership, Namespace, NamespaceName, Role};
use crate::overlay::teams::{Permission, TeamPath};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

mod sharing;
pub(super) mod teams;

/// Packages that are read of the overlay at once.
const PAGE: u64 = 1000;

/// An organisation to be made.
#[derive(Deserialize)]
struct NewOrg {
    name: String,
}

/// Who is to be a member.
#[derive(Deserialize)]
struct Wish {
    user: String,
    role: Option<String>,
}

/// What a member is to be.
#[derive(Deserialize)]
struct NewRole {
    role: String,
}

/// Who is meant.
#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) user: String,
}

impl Npm {
    /// Answers what needs no body.
    pub(super) async fn answer_orgs(&self, visitor: &Visitor, orgs: &Orgs) -> Result<Reply, Error> {
        match orgs {
            Orgs::Show { org } => Ok(print_org(&self.org(org).await?)),
            Orgs::Members { org } => Ok(print_members(&self.org(org).await?)),
            Orgs::Remove { org } => self.remove_org(visitor, org).await,
            Orgs::RemoveMember { org, user: Some(user) } => self.remove_member(visitor, org, user).await,
            Orgs::TeamsOf { org, user } => self.teams_of(org, user).await,
            Orgs::Packages { org } => self.packages_of_org(visitor, org).await,
            Orgs::PackagesOf { user } => self.packages_of(visitor, user.as_deref()).await,
            Orgs::Teams { org } => self.teams(org).await,
            Orgs::Team(at) => self.show_team(at).await,
            Orgs::RemoveTeam(at) => self.remove_team(visitor, at).await,
            Orgs::TeamMembers(at) => self.team_members(at).await,
            Orgs::Leave { team, user: Some(user) } => self.leave(visitor, team, user).await,
            Orgs::TeamPackages(at) => self.packages_of_team(visitor, at).await,
            _ => Err(Error::internal("a wish without its body")),
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_orgs_body(&self, visitor: &Visitor, orgs: &Orgs, body: &Bytes) -> Result<Reply, Error> {
        match orgs {
            Orgs::Create => self.create_org(visitor, &read::<NewOrg>(body)?.name).await,
            Orgs::ChangeMember { org, user } => {
                self.change_member(visitor, org, user, &read::<NewRole>(body)?.role).await
            }
            Orgs::SetMember { org } => self.set_member(visitor, org, read(body)?).await,
            Orgs::RemoveMember { org, user: None } => {
                self.remove_member(visitor, org, &read::<Member>(body)?.user).await
            }
            Orgs::CreateTeam { org } => self.create_team(visitor, org, read(body)?).await,
            Orgs::Join(at) => self.join(visitor, at, &read::<Member>(body)?.user).await,
            Orgs::Leave { team, user: None } => self.leave(visitor, team, &read::<Member>(body)?.user).await,
            Orgs::Grant(at) => self.grant(visitor, at, read(body)?).await,
            Orgs::Revoke(at) => self.revoke_from(visitor, at, read(body)?).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// Makes an organisation of who asks: admins of everything may.
    async fn create_org(&self, visitor: &Visitor, org: &str) -> Result<Reply, Error> {
        let name = NamespaceName::parse(org)?;
        self.gate.let_lead(visitor, &name)?;
        let owner = self.gate.user(visitor)?.id;
        self.gate.overlay().create_namespace(&name, owner, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true })))
    }

    async fn remove_org(&self, visitor: &Visitor, org: &str) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        let held = self.org(org).await?;
        self.gate.overlay().remove_namespace(&held.name, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    /// Gives somebody who is a member another role, as cnpmcore has it.
    async fn change_member(&self, visitor: &Visitor, org: &str, user: &str, role: &str) -> Result<Reply, Error> {
        let held = self.org(org).await?;
        self.gate.let_lead(visitor, &held.name)?;
        let user = self.known_user(user).await?;
        if !held.members.contains_key(&user.name) {
            return Err(Error::not_found(format!("{} among the members of {}", user.name, held.name)));
        }
        self.gate.set_role(visitor, &held.name, Membership { user: user.id, role: Some(parse_role(role)?) }).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    /// Gives a member a role. npm cannot make organisations: an admin of everything makes one by naming its first owner.
    async fn set_member(&self, visitor: &Visitor, org: &str, wish: Wish) -> Result<Reply, Error> {
        let name = NamespaceName::parse(org)?;
        let role = parse_role(wish.role.as_deref().unwrap_or("developer"))?;
        let held = self.gate.overlay().namespace(&name).await?;
        match &held {
            Some(held) => {
                self.gate.let_lead(visitor, &held.name)?;
                let user = self.known_user(&wish.user).await?.id;
                self.gate.set_role(visitor, &name, Membership { user, role: Some(role) }).await?;
            }
            None => {
                self.gate.let_lead(visitor, &name)?;
                if role != Role::Owner {
                    return Err(Error::not_found(format!("the organisation {name}, which its first owner makes,")));
                }
                let user = self.known_user(&wish.user).await?.id;
                self.gate.overlay().create_namespace(&name, user, &self.gate.actor(visitor)).await?;
            }
        }
        let size = self.org(org).await?.members.len();
        let org = json!({ "name": name.as_str(), "size": size });
        Ok(unkept(StatusCode::OK, &json!({ "org": org, "user": wish.user, "role": print_role(role) })))
    }

    async fn remove_member(&self, visitor: &Visitor, org: &str, user: &str) -> Result<Reply, Error> {
        let held = self.org(org).await?;
        self.gate.let_lead(visitor, &held.name)?;
        let user = self.known_user(user).await?;
        if !held.members.contains_key(&user.name) {
            return Err(Error::not_found(format!("{} among the members of {}", user.name, held.name)));
        }
        self.gate.set_role(visitor, &held.name, Membership { user: user.id, role: None }).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    async fn teams_of(&self, org: &str, user: &str) -> Result<Reply, Error> {
        let held = self.org(org).await?;
        let user = self.known_user(user).await?;
        let mut teams = Vec::new();
        for name in self.gate.overlay().teams(&held.name).await? {
            let team = self.gate.overlay().team(TeamPath { namespace: &held.name, name: &name }).await?;
            if team.is_some_and(|team| team.members.contains_key(&user.name)) {
                teams.push(json!({ "name": name.as_str() }));
            }
        }
        Ok(unkept(StatusCode::OK, &Value::Array(teams)))
    }

    async fn packages_of_org(&self, visitor: &Visitor, org: &str) -> Result<Reply, Error> {
        let scope = format!("{}/", self.org(org).await?.name);
        let (mut names, mut after) = (Vec::new(), scope.clone());
        loop {
            let page = self.gate.overlay().package_names(self.gate.mount(), &after, PAGE).await?;
            let more = page.len() as u64 == PAGE;
            let found = names.len();
            names.extend(page.into_iter().map(|(name, _)| name).take_while(|name| name.starts_with(&scope)));
            match names.last() {
                Some(last) if more && (names.len() - found) as u64 == PAGE => after = last.clone(),
                _ => break,
            }
        }
        let all = names.into_iter().map(|name| (name, Permission::ReadWrite)).collect();
        self.print_packages(visitor, all).await
    }

    /// Lists what a user owns, and what its teams give it.
    async fn packages_of(&self, visitor: &Visitor, user: Option<&str>) -> Result<Reply, Error> {
        let user = match user {
            Some(user) => self.known_user(user).await?.id,
            None => self.gate.user(visitor)?.id,
        };
        let (overlay, mount) = (self.gate.overlay(), self.gate.mount());
        let mut all: BTreeMap<String, Permission> = overlay.packages_of_member(mount, user).await?;
        all.extend(overlay.owned_by(mount, user).await?.into_iter().map(|name| (name, Permission::ReadWrite)));
        self.print_packages(visitor, all).await
    }

    /// Answers with packages and what is given on them, as far as who asks sees them.
    pub(super) async fn print_packages(
        &self,
        visitor: &Visitor,
        mut all: BTreeMap<String, Permission>,
    ) -> Result<Reply, Error> {
        let visible = self.visible_names(visitor, all.keys().cloned().collect()).await?;
        all.retain(|name, _| visible.binary_search(name).is_ok());
        let printed = all.into_iter().map(|(name, permission)| (name, json!(permission.as_str()))).collect();
        Ok(unkept(StatusCode::OK, &Value::Object(printed)))
    }

    /// Finds an organisation; what is no name is nobody's.
    pub(super) async fn org(&self, org: &str) -> Result<Namespace, Error> {
        let missing = || Error::not_found(format!("the organisation {org}"));
        let name = NamespaceName::parse(org).map_err(|_| missing())?;
        self.gate.overlay().namespace(&name).await?.ok_or_else(missing)
    }
}

fn parse_role(role: &str) -> Result<Role, Error> {
    Ok(match role {
        "owner" => Role::Owner,
        "admin" => Role::Admin,
        "developer" | "member" => Role::Publisher,
        "reader" => Role::Reader,
        _ => return Err(Error::Unprocessable("a role is owner, admin, developer or reader".into())),
    })
}

fn print_role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Publisher => "developer",
        Role::Reader => "reader",
    }
}

fn print_org(org: &Namespace) -> Reply {
    let body = json!({ "name": org.name.as_str(), "created": print_millis(org.created_at), "size": org.members.len() });
    unkept(StatusCode::OK, &body)
}

fn print_members(org: &Namespace) -> Reply {
    let members = org.members.iter().map(|(name, (_, role))| (name.to_string(), json!(print_role(*role))));
    unkept(StatusCode::OK, &Value::Object(members.collect()))
}
