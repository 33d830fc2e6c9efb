//! Webhooks, as their owners make and see them. Their secrets nobody sees again. Source: contract npm §15.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::replies::unkept;
use super::routes;
use crate::base::http::Reply;
use crate::base::secret::Secret;
use crate::mirror::egress::{self, Reach};
use crate::overlay::hooks::{About, Hook, HookId, NewHook};
use crate::overlay::users::{User, UserName};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

pub mod heralds;

/// Hooks of one user. Source: contract npm §15.
const MAX_HOOKS: u64 = 20;
/// Longest name, endpoint and secret, in characters. Source: contract npm §15.
const MAX_NAME: usize = 428;
const MAX_ENDPOINT: usize = 2048;
const MAX_SECRET: usize = 200;

#[derive(Deserialize)]
struct Wish {
    #[serde(rename = "type")]
    about: String,
    name: String,
    endpoint: String,
    secret: Secret,
}

#[derive(Deserialize)]
struct Edit {
    endpoint: String,
    secret: Secret,
}

impl Npm {
    pub(super) async fn answer_hook(&self, visitor: &Visitor, hook: &routes::Hook) -> Result<Reply, Error> {
        match hook {
            routes::Hook::List { package, limit, offset } => {
                self.hooks(visitor, package.as_deref(), *limit, *offset).await
            }
            routes::Hook::Show { id } => {
                let hook = self.own_hook(self.gate.user(visitor)?, *id).await?;
                Ok(unkept(StatusCode::OK, &print(&hook)))
            }
            routes::Hook::Remove { id } => {
                let hook = self.own_hook(self.free_user(visitor)?, *id).await?;
                self.gate.overlay().remove_hook(hook.id, &self.gate.actor(visitor)).await?;
                let mut printed = print(&hook);
                printed["deleted"] = json!(print_millis(self.gate.overlay().now()));
                Ok(unkept(StatusCode::OK, &printed))
            }
            routes::Hook::Add | routes::Hook::Edit { .. } => Err(Error::internal("a hook without its body")),
        }
    }

    pub(super) async fn answer_hook_body(
        &self,
        visitor: &Visitor,
        hook: &routes::Hook,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        let actor = self.gate.actor(visitor);
        let hook = match hook {
            routes::Hook::Edit { id } => {
                let held = self.own_hook(user, *id).await?;
                let Edit { endpoint, secret } = read(body)?;
                self.judge_endpoint(&endpoint, &secret)?;
                self.gate.overlay().edit_hook(held.id, &endpoint, &secret, &actor).await?
            }
            routes::Hook::Add => {
                let Wish { about, name, endpoint, secret } = read(body)?;
                let about = self.judge_subject(visitor, &about, &name).await?;
                self.judge_endpoint(&endpoint, &secret)?;
                let mount = self.gate.mount();
                let (name, endpoint, secret) = (name.as_str(), endpoint.as_str(), &secret);
                let new = NewHook { mount, user: user.id, about, name, endpoint, secret, limit: MAX_HOOKS };
                self.gate.overlay().add_hook(new, &actor).await?
            }
            _ => return Err(Error::internal("a body that nobody asked for")),
        };
        Ok(unkept(StatusCode::OK, &print(&hook)))
    }

    async fn hooks(
        &self,
        visitor: &Visitor,
        package: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        let hooks = self.gate.overlay().hooks(self.gate.mount(), user.id).await?;
        let hooks: Vec<&Hook> = hooks.iter().filter(|hook| package.is_none_or(|name| hook.name == name)).collect();
        let objects: Vec<Value> = hooks.iter().skip(offset).take(limit).map(|hook| print(hook)).collect();
        Ok(unkept(StatusCode::OK, &json!({ "objects": objects, "total": hooks.len(), "urls": {} })))
    }

    /// Returns a hook of this mount, which must be its user's.
    async fn own_hook(&self, user: &User, id: HookId) -> Result<Hook, Error> {
        let hook = self.gate.overlay().hook(id).await?.filter(|hook| hook.mount == self.gate.mount());
        match hook {
            Some(hook) if hook.user == user.id => Ok(hook),
            Some(_) => Err(Error::Forbidden("this hook is another user's".into())),
            None => Err(Error::not_found(format!("the hook {id}"))),
        }
    }

    /// Judges what a hook is to be about; of a package it must be one that its user may read, and an owner must have an
    /// account.
    async fn judge_subject(&self, visitor: &Visitor, about: &str, name: &str) -> Result<About, Error> {
        let about = About::parse(about)
            .ok_or_else(|| Error::Unprocessable("a hook is about a package, a scope or an owner".into()))?;
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Error::Unprocessable("a hook's name has 1 to 428 characters".into()));
        }
        if about == About::Scope && !name.starts_with('@') {
            return Err(Error::Unprocessable("a scope begins with @".into()));
        }
        if about == About::Package {
            self.gate.let_read(visitor, name)?;
        }
        if about == About::Owner && !self.has_user(name).await? {
            return Err(Error::not_found(format!("the user {name}")));
        }
        Ok(about)
    }

    async fn has_user(&self, name: &str) -> Result<bool, Error> {
        match UserName::parse(name) {
            Ok(name) => Ok(self.gate.overlay().user(&name).await?.is_some()),
            Err(_) => Ok(false),
        }
    }

    /// Judges where a hook leads. What its name resolves to is judged each time it is told.
    fn judge_endpoint(&self, endpoint: &str, secret: &Secret) -> Result<(), Error> {
        let wrong = |reason: &'static str| Error::Unprocessable(reason.into());
        if endpoint.chars().count() > MAX_ENDPOINT || !(1..=MAX_SECRET).contains(&secret.reveal().chars().count()) {
            return Err(wrong("an endpoint has at most 2048 characters, a secret 1 to 200"));
        }
        if endpoint.chars().any(char::is_control) || secret.reveal().contains('\0') {
            return Err(wrong("an endpoint has no control characters, and a secret no NUL"));
        }
        let url: Url = endpoint.parse().map_err(|_| wrong("the endpoint is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("an endpoint has no user and password: its secret signs what it is told"));
        }
        let reach = if self.allow_private_hooks { Reach::Private } else { Reach::Public };
        egress::check(&url, reach).map_err(|_| wrong("this endpoint is none that may be told anything"))
    }
}

/// Prints a hook without its secret.
fn print(hook: &Hook) -> Value {
    json!({
        "id": hook.id.to_string(),
        "username": hook.user_name.as_str(),
        "name": hook.name,
        "type": hook.about.as_str(),
        "endpoint": hook.endpoint,
        "created": print_millis(hook.created_at),
        "updated": print_millis(hook.modified_at),
        "delivered": hook.last.is_some_and(|last| last.is_delivered),
        "last_delivery": hook.last.map(|last| print_millis(last.at)),
        "response_code": hook.last.and_then(|last| last.status),
        "status": "active",
    })
}
