//! Who may see and change a package: owners as pnpm has them, collaborators, access. Source: contract npm §7.6, §9.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::http::{Reply, Request};
use crate::overlay::packages::{Change, Edit, Package, Reach, SecondFactor};
use crate::overlay::rights::Action;
use crate::overlay::teams::Permission;
use crate::overlay::users::{User, UserName};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::accounts::read;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::replies::unkept;
use crate::registries::npm::routes::Sharing;
use crate::registries::npm::write::OWNER;
use crate::registries::queries;

/// Who is to own a package.
#[derive(Deserialize)]
struct NewOwner {
    user: String,
}

/// What is to become of a package's access.
#[derive(Deserialize)]
struct Wish {
    access: Option<String>,
    publish_requires_tfa: Option<bool>,
    automation_token_overrides_tfa: Option<bool>,
}

impl Npm {
    /// Answers what needs no body.
    pub(in crate::registries::npm) async fn answer_sharing(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        sharing: &Sharing,
    ) -> Result<Reply, Error> {
        match sharing {
            Sharing::Owners { name } => Ok(print_owners(&self.ours(visitor, name).await?)),
            Sharing::Visibility { name } => {
                let is_public = self.ours(visitor, name).await?.audience().reach == Reach::Everybody;
                Ok(unkept(StatusCode::OK, &json!({ "public": is_public })))
            }
            Sharing::Access { name } => Ok(print_access(&self.ours(visitor, name).await?)),
            Sharing::Collaborators { name } => self.collaborators(request, visitor, name).await,
            Sharing::AddOwner { name, user: Some(user) } => self.add_owner(visitor, name, user).await,
            Sharing::RemoveOwner { name, user } => self.remove_owner(visitor, name, user).await,
            Sharing::AddOwner { .. } | Sharing::SetAccess { .. } => Err(Error::internal("a wish without its body")),
        }
    }

    /// Does what a body says.
    pub(in crate::registries::npm) async fn answer_sharing_body(
        &self,
        visitor: &Visitor,
        sharing: &Sharing,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        match sharing {
            Sharing::AddOwner { name, user: None } => {
                let NewOwner { user } = read(body)?;
                self.add_owner(visitor, name, &user).await
            }
            Sharing::SetAccess { name } => self.set_access(visitor, name, read(body)?).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    async fn add_owner(&self, visitor: &Visitor, name: &PackageName, user: &str) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Admin, &held).await?;
        let user = self.known_user(user).await?;
        let edit = Edit::Own { user: user.id, level: OWNER };
        self.change(visitor, Change { by_owner, edits: &[edit], ..self.change_of(&held.name, "owner") }).await?;
        self.tell_owners(name).await
    }

    async fn remove_owner(&self, visitor: &Visitor, name: &PackageName, user: &str) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Admin, &held).await?;
        let user = self.known_user(user).await?;
        let edit = Edit::Disown { user: user.id };
        self.change(visitor, Change { by_owner, edits: &[edit], ..self.change_of(&held.name, "owner") }).await?;
        self.tell_owners(name).await
    }

    /// Answers with the owners as they are after a change, also to who is none any more.
    async fn tell_owners(&self, name: &PackageName) -> Result<Reply, Error> {
        let package = self.gate.package(name.as_str()).await?;
        Ok(print_owners(&package.ok_or_else(|| Error::not_found(name.as_str()))?))
    }

    pub(in crate::registries::npm) async fn known_user(&self, name: &str) -> Result<User, Error> {
        self.find_user(name).await?.ok_or_else(|| Error::not_found(format!("the user {name}")))
    }

    /// Lists who may do what. npm reads an object and asks for no form of it; pnpm asks for `format=cli`, and reads a list.
    async fn collaborators(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        name: &PackageName,
    ) -> Result<Reply, Error> {
        let package = self.ours(visitor, name).await?;
        let mut all = self.gate.collaborators(&package).await?;
        if let Some(user) = queries::find(request.query, "user") {
            all.retain(|name, _| name.as_str().eq_ignore_ascii_case(&user));
        }
        let is_list = queries::find(request.query, "format").is_some_and(|format| format == "cli");
        Ok(unkept(StatusCode::OK, &print_collaborators(&package, &all, is_list)))
    }

    /// `POST /-/package/{name}/access`. A package that is bound to teams is seen by no others, whatever its access.
    async fn set_access(&self, visitor: &Visitor, name: &PackageName, wish: Wish) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let by_owner = self.let_edit(visitor, Action::Admin, &held).await?;
        let is_restricted = match wish.access.as_deref() {
            None => None,
            Some("public") => Some(false),
            Some("restricted" | "private") => Some(true),
            Some(_) => return Err(Error::Unprocessable("access is public or restricted".into())),
        };
        let factor = asked_factor(held.second_factor, wish.publish_requires_tfa, wish.automation_token_overrides_tfa);
        if is_restricted.is_none() && factor.is_none() {
            return Err(Error::Unprocessable("the body says nothing of the access".into()));
        }
        let is_other = is_restricted.filter(|is_restricted| *is_restricted != held.is_restricted);
        let mut edits: Vec<Edit<'_>> = is_other.map(Edit::Restrict).into_iter().collect();
        edits.extend(factor.filter(|factor| *factor != held.second_factor).map(Edit::Ask));
        self.change(visitor, Change { by_owner, edits: &edits, ..self.change_of(&held.name, "access") }).await?;
        let package = self.gate.package(name.as_str()).await?;
        Ok(print_access(&package.ok_or_else(|| Error::not_found(name.as_str()))?))
    }
}

/// Returns which writes are to need a second factor; `None` where nothing is said of it.
fn asked_factor(held: SecondFactor, requires: Option<bool>, overrides: Option<bool>) -> Option<SecondFactor> {
    match (requires, overrides) {
        (Some(false), _) => Some(SecondFactor::Never),
        (Some(true), None) if held != SecondFactor::Never => Some(held),
        (Some(true), Some(true)) => Some(SecondFactor::People),
        (Some(true), _) => Some(SecondFactor::Always),
        (None, Some(_)) if held == SecondFactor::Never => Some(held),
        (None, Some(true)) => Some(SecondFactor::People),
        (None, Some(false)) => Some(SecondFactor::Always),
        (None, None) => None,
    }
}

fn print_owners(package: &Package) -> Reply {
    let print = |(name, email): (&UserName, &Option<String>)| json!({ "username": name.as_str(), "email": email });
    let owners: Vec<Value> = package.owners.iter().map(|owner| print((&owner.name, &owner.email))).collect();
    unkept(StatusCode::OK, &Value::Array(owners))
}

fn print_access(package: &Package) -> Reply {
    let is_public = package.audience().reach == Reach::Everybody;
    let body = json!({
        "access": if is_public { "public" } else { "restricted" },
        "publish_requires_tfa": package.second_factor != SecondFactor::Never,
        "automation_token_overrides_tfa": package.second_factor == SecondFactor::People,
    });
    unkept(StatusCode::OK, &body)
}

fn print_collaborators(package: &Package, all: &BTreeMap<UserName, Permission>, is_list: bool) -> Value {
    if !is_list {
        return all.iter().map(|(name, permission)| (name.to_string(), json!(permission.as_str()))).collect();
    }
    let email =
        |name: &UserName| package.owners.iter().find(|owner| owner.name == *name).and_then(|owner| owner.email.clone());
    let print = |(name, permission): (&UserName, &Permission)| json!({ "user": name.as_str(), "email": email(name), "permissions": permission.as_str() });
    all.iter().map(print).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_second_factor_is_taken_together_with_what_holds() {
        use SecondFactor::{Always, Never, People};
        for (held, requires, overrides, expected) in [
            (Never, Some(true), Some(false), Some(Always)),
            (Never, Some(true), Some(true), Some(People)),
            (Never, Some(true), None, Some(Always)),
            (People, Some(true), None, Some(People)),
            (People, Some(true), Some(false), Some(Always)),
            (Always, Some(false), None, Some(Never)),
            (People, Some(false), Some(true), Some(Never)),
            (Never, None, Some(true), Some(Never)),
            (Always, None, Some(true), Some(People)),
            (People, None, Some(false), Some(Always)),
            (Always, None, None, None),
        ] {
            assert_eq!(asked_factor(held, requires, overrides), expected, "{held:?} {requires:?} {overrides:?}");
        }
    }
}
