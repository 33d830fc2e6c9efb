//! Who likes which packages. Source: contract npm §7.3.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::name::PackageName;
use super::replies::unkept;
use super::routes::Stars;
use crate::base::http::{Reply, Request};
use crate::overlay::packages::{Change, Edit, Package};
use crate::overlay::users::{User, UserName};
use crate::registries::gate::Visitor;
use crate::registries::queries;

impl Npm {
    /// Answers what needs no body.
    pub(super) async fn answer_stars(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        stars: &Stars,
    ) -> Result<Reply, Error> {
        match stars {
            Stars::Mine => {
                let mine = self.liked_by(visitor, self.gate.user(visitor)?).await?;
                Ok(unkept(StatusCode::OK, &json!(mine)))
            }
            Stars::Of { user } => self.stars_of(visitor, user).await,
            Stars::View => self.stars_in_view(request, visitor).await,
            Stars::SetOne { name, likes } => self.set_star(visitor, name, *likes).await,
            Stars::Set { .. } => Err(Error::internal("a star without its body")),
        }
    }

    /// Sets, or takes away, the star of the package that the body names.
    pub(super) async fn answer_stars_body(
        &self,
        visitor: &Visitor,
        stars: &Stars,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let Stars::Set { likes } = stars else { return Err(Error::internal("a body that nobody asked for")) };
        let name = name_of(body)?;
        self.set_star(visitor, &name, *likes).await
    }

    async fn set_star(&self, visitor: &Visitor, name: &PackageName, likes: bool) -> Result<Reply, Error> {
        let held = self.held(visitor, name).await?;
        let mut reply = self.like(visitor, &held, likes).await?;
        if !likes {
            reply.status = StatusCode::OK;
        }
        Ok(reply)
    }

    /// Changes the caller's own star.
    pub(super) async fn like(&self, visitor: &Visitor, held: &Package, likes: bool) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        self.gate.let_write(visitor, &held.name)?;
        let edit = if likes { Edit::Star { user: user.id } } else { Edit::Unstar { user: user.id } };
        // What is so already is no new state of the package.
        let edits = if held.stars.contains(&user.name) == likes { Vec::new() } else { vec![edit] };
        self.change(visitor, Change { edits: &edits, ..self.change_of(&held.name, "star") }).await
    }

    /// Names what a user likes as the members of an object, which is what pnpm prints the keys of.
    async fn stars_of(&self, visitor: &Visitor, user: &str) -> Result<Reply, Error> {
        let user = self.find_user(user).await?.ok_or_else(|| Error::not_found(format!("the user {user}")))?;
        let liked = self.liked_by(visitor, &user).await?;
        let liked: Map<String, Value> = liked.into_iter().map(|name| (name, Value::Bool(true))).collect();
        Ok(unkept(StatusCode::OK, &Value::Object(liked)))
    }

    /// Answers as the view of a CouchDB did: who is not there likes nothing.
    async fn stars_in_view(&self, request: &Request<'_>, visitor: &Visitor) -> Result<Reply, Error> {
        let key = queries::find(request.query, "key");
        let key: Option<String> = key.and_then(|key| serde_json::from_str(&key).ok());
        let key = key.ok_or(Error::bad_request("the key is a user's name, as JSON text"))?;
        let liked = match self.find_user(&key).await? {
            Some(user) => self.liked_by(visitor, &user).await?,
            None => Vec::new(),
        };
        let rows: Vec<Value> = liked.iter().map(|name| json!({ "key": key, "value": name })).collect();
        Ok(unkept(StatusCode::OK, &json!({ "rows": rows })))
    }

    /// Lists what a user likes, as far as who asks sees it.
    async fn liked_by(&self, visitor: &Visitor, user: &User) -> Result<Vec<String>, Error> {
        let liked = self.gate.overlay().starred_by(self.gate.mount(), user.id).await?;
        self.visible_names(visitor, liked).await
    }

    /// Finds a user; what is no name is nobody's.
    pub(super) async fn find_user(&self, name: &str) -> Result<Option<User>, Error> {
        match UserName::parse(name) {
            Ok(name) => Ok(self.gate.overlay().user(&name).await?),
            Err(_) => Ok(None),
        }
    }
}

/// Reads which package is meant: pnpm says it under both names.
fn name_of(body: &Bytes) -> Result<PackageName, Error> {
    let body: Map<String, Value> = read(body)?;
    let name = ["package", "name"].into_iter().find_map(|key| body.get(key)?.as_str());
    Ok(PackageName::parse(name.ok_or(Error::Unprocessable("the body names no package".into()))?)?)
}
