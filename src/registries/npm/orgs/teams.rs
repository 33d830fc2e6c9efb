//! Teams of organisations: their members, and the packages that are bound to them. Source: contract npm §9.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::base::http::Reply;
use crate::overlay::Error as Refusal;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::packages::{Change, Edit};
use crate::overlay::rights::Action;
use crate::overlay::teams::{Move, NewTeam, Permission, Team, TeamName, TeamPath};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::replies::unkept;
use crate::registries::npm::routes::TeamAt;
use crate::registries::times::print_millis;

/// A team to be made.
#[derive(Deserialize)]
pub(in crate::registries::npm) struct Wish {
    name: String,
    description: Option<String>,
}

/// Which package, and what is given on it.
#[derive(Deserialize)]
pub(in crate::registries::npm) struct Given {
    pub(in crate::registries::npm) package: String,
    permissions: Option<String>,
}

/// Names that exist are valid ones; whether there is such a team is not said.
struct Named {
    org: NamespaceName,
    team: TeamName,
}

impl Npm {
    /// Lists the teams of an organisation as `org:team`.
    pub(in crate::registries::npm) async fn teams(&self, org: &str) -> Result<Reply, Error> {
        let org = self.org(org).await?.name;
        let teams = self.gate.overlay().teams(&org).await?;
        let print = |team: &TeamName| json!(format!("{}:{}", org.as_str(), team.as_str()));
        Ok(unkept(StatusCode::OK, &teams.iter().map(print).collect()))
    }

    pub(in crate::registries::npm) async fn create_team(
        &self,
        visitor: &Visitor,
        org: &str,
        wish: Wish,
    ) -> Result<Reply, Error> {
        let org = self.org(org).await?.name;
        self.gate.let_lead(visitor, &org)?;
        let name = TeamName::parse(&wish.name)?;
        let path = TeamPath { namespace: &org, name: &name };
        let new = NewTeam { path, description: wish.description.as_deref().unwrap_or_default() };
        self.gate.overlay().create_team(new, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true, "name": name.as_str() })))
    }

    pub(in crate::registries::npm) async fn show_team(&self, at: &TeamAt) -> Result<Reply, Error> {
        let team = self.find_team(&named(at)?).await?;
        let (name, created) = (team.name.as_str(), print_millis(team.created_at));
        let body = json!({ "name": name, "description": team.description, "created": created });
        Ok(unkept(StatusCode::OK, &body))
    }

    pub(in crate::registries::npm) async fn remove_team(&self, visitor: &Visitor, at: &TeamAt) -> Result<Reply, Error> {
        let named = named(at)?;
        self.gate.let_lead(visitor, &named.org)?;
        self.find_team(&named).await?;
        self.gate.overlay().remove_team(named.path(), &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    pub(in crate::registries::npm) async fn team_members(&self, at: &TeamAt) -> Result<Reply, Error> {
        let team = self.find_team(&named(at)?).await?;
        Ok(unkept(StatusCode::OK, &team.members.keys().map(|name| json!(name.as_str())).collect()))
    }

    pub(in crate::registries::npm) async fn join(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
        user: &str,
    ) -> Result<Reply, Error> {
        self.move_member(visitor, at, user, Move::In).await?;
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true })))
    }

    pub(in crate::registries::npm) async fn leave(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
        user: &str,
    ) -> Result<Reply, Error> {
        self.move_member(visitor, at, user, Move::Out).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    async fn move_member(&self, visitor: &Visitor, at: &TeamAt, user: &str, way: Move) -> Result<(), Error> {
        let named = named(at)?;
        self.gate.let_lead(visitor, &named.org)?;
        self.find_team(&named).await?;
        let user = self.known_user(user).await?;
        let moved = self.gate.overlay().move_member(named.path(), user.id, way, &self.gate.actor(visitor)).await;
        moved.map_err(|error| match error {
            Refusal::Absent { kind: "member", .. } if way == Move::In => {
                Error::not_found(format!("{} among the members of {}", user.name, named.org))
            }
            Refusal::Absent { kind: "member", .. } => Error::not_found(format!("{} in {}", user.name, named.path())),
            error => error.into(),
        })
    }

    pub(in crate::registries::npm) async fn packages_of_team(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
    ) -> Result<Reply, Error> {
        let team = self.find_team(&named(at)?).await?;
        let packages = self.gate.overlay().packages_of_team(self.gate.mount(), team.id).await?;
        self.print_packages(visitor, packages.into_iter().collect()).await
    }

    /// Binds a package to a team: nobody but its teams sees it then, beside owners and admins.
    pub(in crate::registries::npm) async fn grant(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
        given: Given,
    ) -> Result<Reply, Error> {
        let permission = given.permissions.as_deref().and_then(Permission::parse);
        let permission = permission.ok_or(Error::Unprocessable("permissions are read-only or read-write".into()))?;
        let edit = |team| Edit::Bind { team, permission };
        self.bind(visitor, at, &given.package, &edit).await?;
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true })))
    }

    pub(in crate::registries::npm) async fn revoke_from(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
        given: Given,
    ) -> Result<Reply, Error> {
        self.bind(visitor, at, &given.package, &|team| Edit::Unbind { team }).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    /// Changes what a team is given on a package of its own scope: the teams of others have no say in it.
    async fn bind(
        &self,
        visitor: &Visitor,
        at: &TeamAt,
        package: &str,
        edit: &(dyn Fn(u64) -> Edit<'static> + Sync),
    ) -> Result<(), Error> {
        let (named, name) = (named(at)?, PackageName::parse(package)?);
        let held = self.held(visitor, &name).await?;
        let by_owner = self.let_edit(visitor, Action::Admin, &held).await?;
        if name.scope() != Some(named.org.to_string().as_str()) {
            return Err(Error::Forbidden(format!("{name} is not in the scope of {}", named.path()).into()));
        }
        let edit = edit(self.find_team(&named).await?.id);
        let is_bound = |team| held.bindings.iter().any(|binding| binding.team == team);
        if let Edit::Unbind { team } = edit
            && !is_bound(team)
        {
            return Err(Error::not_found(format!("{name} among the packages of {}", named.path())));
        }
        let change = Change { by_owner, edits: &[edit], ..self.change_of(name.as_str(), "bind") };
        self.change(visitor, change).await.map(drop)
    }

    async fn find_team(&self, named: &Named) -> Result<Team, Error> {
        let team = self.gate.overlay().team(named.path()).await?;
        team.ok_or_else(|| Error::not_found(format!("the team {}", named.path())))
    }
}

/// Reads where a team is; what is no name is no team.
fn named(at: &TeamAt) -> Result<Named, Error> {
    let missing = |_| Error::not_found(format!("the team {}:{}", at.org, at.team));
    let org = NamespaceName::parse(&at.org).map_err(missing)?;
    Ok(Named { org, team: TeamName::parse(&at.team).map_err(missing)? })
}

// === impl Named ===

impl Named {
    fn path(&self) -> TeamPath<'_> {
        TeamPath { namespace: &self.org, name: &self.team }
    }
}
