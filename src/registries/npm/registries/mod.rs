//! Registries that this mount follows, and the scopes that come from them: shown to everybody, and named by admins.
//! Source: contract npm §14.
//!
//! | id | what | scopes |
//! |---|---|---|
//! | `self` | what is published here, asked of nobody | those the configuration keeps, and those bound to it |
//! | `default` | the upstream of everything else | those bound to it, which changes nothing |
//! | `config-…` | an upstream of the configuration | as the configuration has them |
//! | a number | one that was named here | those bound to it |
//!
//! The first three stand in the configuration, and are changed there.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use self::judge::{judge_edit, judge_new};
use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::name::PackageName;
use super::replies::unkept;
use super::routed;
use super::routes::{Page, Registries};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::mirror::Upstream;
use crate::mirror::egress::Reach;
use crate::overlay::upstreams::{self, NewUpstream, Routes, Target, UpstreamEdit, UpstreamId};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

pub mod feeds;
mod judge;

/// The registry that publishes here.
pub const OWN: &str = "self";
/// The registry of whatever has no other.
const DEFAULT: &str = "default";
/// What is told of one that stands in the configuration.
const CONFIGURED: &str = "this stands in the configuration of this registry, and is changed there";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    name: String,
    host: String,
    #[serde(rename = "type")]
    kind: String,
    change_stream: Option<String>,
    user_prefix: Option<String>,
    auth_token: Option<Secret>,
}

/// What is to become of a registry; what is not named stays, what is `null` or empty is taken away.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edit {
    name: Option<String>,
    host: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(deserialize_with = "named")]
    change_stream: Option<Option<String>>,
    user_prefix: Option<String>,
    #[serde(deserialize_with = "named")]
    auth_token: Option<Option<Secret>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    name: String,
    registry_id: String,
}

/// One registry, wherever it stands.
enum Registry<'a> {
    Own,
    Default,
    /// An upstream of the configuration that has scopes.
    Configured(&'a Arc<Upstream>),
    Named(&'a upstreams::Upstream),
}

impl Npm {
    /// Does what needs no body.
    pub(super) async fn answer_registries(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        asked: &Registries,
    ) -> Result<Reply, Error> {
        match asked {
            Registries::List { page } => self.list_registries(request, *page).await,
            Registries::Show { id } => {
                let routes = self.gate.overlay().routes().await?;
                let shown = self.print_registry(&self.registry(&routes, id)?, request.base);
                Ok(unkept(StatusCode::OK, &shown))
            }
            Registries::Scopes { id } => {
                let routes = self.gate.overlay().routes().await?;
                let scopes = self.scopes_of(&routes, &self.registry(&routes, id)?);
                Ok(unkept(StatusCode::OK, &json!({ "count": scopes.len(), "data": scopes })))
            }
            Registries::Remove { id } => {
                self.gate.let_rule(visitor)?;
                let id = self.named_registry(id).await?;
                let (mount, actor) = (self.gate.mount(), self.gate.actor(visitor));
                let is_moot = |scope: &str| self.is_configured(scope);
                self.gate.overlay().remove_upstream(mount, id, is_moot, &actor).await?;
                Ok(done())
            }
            Registries::Unbind { id } => self.unbind_scope(visitor, id).await,
            Registries::Add | Registries::Edit { .. } | Registries::Bind | Registries::Sync { .. } => {
                Err(Error::internal("a registry without its body"))
            }
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_registries_body(
        &self,
        visitor: &Visitor,
        asked: &Registries,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        match asked {
            Registries::Add => self.add_registry(visitor, read(body)?).await,
            Registries::Edit { id } => {
                let id = self.named_registry(id).await?;
                self.edit_registry(visitor, id, read(body)?).await
            }
            Registries::Bind => self.bind_scope(visitor, read(body)?).await,
            Registries::Sync { id } => self.follow_registry(visitor, id, body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    async fn list_registries(&self, request: &Request<'_>, page: Page) -> Result<Reply, Error> {
        let routes = self.gate.overlay().routes().await?;
        let all = self.registries(&routes);
        let shown = all.iter().skip(page.size.saturating_mul(page.index)).take(page.size);
        let data: Vec<Value> = shown.map(|registry| self.print_registry(registry, request.base)).collect();
        Ok(unkept(StatusCode::OK, &json!({ "data": data, "total": all.len(), "count": all.len() })))
    }

    /// Lists the registries that names come from, as the root of a mount tells of them. Source: contract npm §5.5.
    pub(super) async fn print_upstreams(&self, base: &str) -> Result<Vec<Value>, Error> {
        let routes = self.gate.overlay().routes().await?;
        let all = self.registries(&routes);
        let theirs = all.iter().filter(|registry| !matches!(registry, Registry::Own));
        let printed = theirs.map(|registry| self.print_registry(registry, base));
        let told = |printed: Value| {
            json!({
                "registry_name": printed["name"],
                "source_registry": printed["host"],
                "changes_stream_url": printed["changeStream"],
            })
        };
        Ok(printed.map(told).collect())
    }

    async fn add_registry(&self, visitor: &Visitor, wish: Wish) -> Result<Reply, Error> {
        let judged = judge_new(wish, self.reach_of_registries())?;
        let new = NewUpstream {
            mount: self.gate.mount(),
            name: &judged.name,
            url: &judged.url,
            kind: judged.kind,
            user_prefix: &judged.user_prefix,
            change_stream: judged.change_stream.as_deref(),
            token: judged.token.as_ref(),
        };
        let made = self.gate.overlay().add_upstream(new, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true, "id": made.id.to_string() })))
    }

    async fn edit_registry(&self, visitor: &Visitor, id: UpstreamId, wanted: Edit) -> Result<Reply, Error> {
        let judged = judge_edit(wanted, self.reach_of_registries())?;
        let edit = UpstreamEdit {
            name: judged.name.as_deref(),
            url: judged.url.as_ref(),
            kind: judged.kind,
            user_prefix: judged.user_prefix.as_deref(),
            change_stream: judged.change_stream.as_ref().map(Option::as_deref),
            token: judged.token.as_ref().map(Option::as_ref),
        };
        self.gate.overlay().edit_upstream(self.gate.mount(), id, edit, &self.gate.actor(visitor)).await?;
        Ok(done())
    }

    fn reach_of_registries(&self) -> Reach {
        if self.allow_private_registries { Reach::Private } else { Reach::Public }
    }

    // === Scopes ===

    async fn bind_scope(&self, visitor: &Visitor, Binding { name, registry_id }: Binding) -> Result<Reply, Error> {
        judge::scope(&name)?;
        let routes = self.gate.overlay().routes().await?;
        let target = match self.registry(&routes, &registry_id) {
            Ok(Registry::Own) => Target::Own,
            Ok(Registry::Default) => Target::Default,
            Ok(Registry::Named(named)) => Target::Upstream(named.id),
            Ok(Registry::Configured(_)) => return Err(Error::Forbidden(CONFIGURED.into())),
            Err(_) => return Err(Error::BadRequest(format!("there is no registry {registry_id:?}").into())),
        };
        if self.is_configured(&name) {
            let reason = format!("where {name} comes from stands in the configuration of this registry");
            return Err(Error::Forbidden(reason.into()));
        }
        let (mount, actor) = (self.gate.mount(), self.gate.actor(visitor));
        let route = match self.gate.overlay().bind_scope(mount, &name, target, &actor).await {
            // It was taken away meanwhile.
            Err(crate::overlay::Error::Absent { .. }) => {
                return Err(Error::BadRequest(format!("there is no registry {registry_id:?}").into()));
            }
            bound => bound?,
        };
        Ok(unkept(StatusCode::OK, &json!({ "ok": true, "id": route.id.to_string() })))
    }

    async fn unbind_scope(&self, visitor: &Visitor, id: &str) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        if id.strip_prefix("config-").is_some_and(|scope| self.is_configured(scope)) {
            return Err(Error::Forbidden(CONFIGURED.into()));
        }
        let absent = || Error::not_found(format!("the scope {id}"));
        let id = id.parse().map_err(|_| absent())?;
        self.gate.overlay().unbind_scope(self.gate.mount(), id, &self.gate.actor(visitor)).await.map_err(|error| {
            match error {
                crate::overlay::Error::Absent { .. } => absent(),
                error => error.into(),
            }
        })?;
        Ok(done())
    }

    /// Tells whether the configuration says where a scope comes from.
    fn is_configured(&self, scope: &str) -> bool {
        self.configured.scopes.contains_key(scope) || self.gate.rules_keep_all_of(scope)
    }

    // === Where they stand ===

    fn registries<'a>(&'a self, routes: &'a Routes) -> Vec<Registry<'a>> {
        let mut configured: Vec<&Arc<Upstream>> = self.configured.scopes.values().collect();
        configured.sort_by(|one, other| one.id.cmp(&other.id));
        configured.dedup_by(|one, other| one.id == other.id);
        let fixed = [Registry::Own, Registry::Default].into_iter();
        let named = routes.upstreams(self.gate.mount()).map(Registry::Named);
        fixed.chain(configured.into_iter().map(Registry::Configured)).chain(named).collect()
    }

    /// Tells whether a package comes from a registry, which may be called by its identifier or its name.
    pub(super) async fn is_from(&self, name: &PackageName, registry: &str) -> Result<bool, Error> {
        let (routes, upstream) = (self.gate.overlay().routes().await?, self.sources.upstream(name));
        let is_it = |known: &Registry<'_>| match known {
            Registry::Own => false,
            Registry::Default => registry == DEFAULT && self.configured.default.id == upstream.id,
            Registry::Configured(theirs) => {
                theirs.id == upstream.id && (registry == known.id() || theirs.url.host_str() == Some(registry))
            }
            Registry::Named(named) => {
                routed::id_of(named) == upstream.id && (registry == known.id() || registry == named.name)
            }
        };
        Ok(self.registries(&routes).iter().any(is_it))
    }

    fn registry<'a>(&'a self, routes: &'a Routes, id: &str) -> Result<Registry<'a>, Error> {
        let found = self.registries(routes).into_iter().find(|registry| registry.id() == id);
        found.ok_or_else(|| Error::not_found(format!("the registry {id}")))
    }

    /// Returns one that was named here, to be changed.
    async fn named_registry(&self, id: &str) -> Result<UpstreamId, Error> {
        let routes = self.gate.overlay().routes().await?;
        match self.registry(&routes, id)? {
            Registry::Named(named) => Ok(named.id),
            _ => Err(Error::Forbidden(CONFIGURED.into())),
        }
    }

    fn scopes_of(&self, routes: &Routes, registry: &Registry<'_>) -> Vec<Value> {
        let mut configured: Vec<String> = match registry {
            Registry::Own => self.gate.own_scopes().filter(|scope| self.gate.rules_keep_all_of(scope)).collect(),
            Registry::Configured(upstream) => {
                let of_it = self.configured.scopes.iter().filter(|(_, other)| other.id == upstream.id);
                of_it.map(|(scope, _)| scope.clone()).collect()
            }
            Registry::Default | Registry::Named(_) => Vec::new(),
        };
        configured.sort();
        configured.dedup();
        let id = registry.id();
        let print = |scope_id: String, scope: &str| json!({ "scopeId": scope_id, "name": scope, "registryId": id });
        let fixed = configured.iter().map(|scope| print(format!("config-{scope}"), scope));
        let bound = routes
            .scopes(self.gate.mount())
            .filter(|route| registry.target() == Some(route.target) && !self.is_configured(&route.scope));
        fixed.chain(bound.map(|route| print(route.id.to_string(), &route.scope))).collect()
    }

    /// Prints a registry without its token.
    fn print_registry(&self, registry: &Registry<'_>, base: &str) -> Value {
        let fixed = |name: &str, host: &str, kind: &str| {
            json!({
                "registryId": registry.id(),
                "name": name,
                "host": host.trim_end_matches('/'),
                "type": kind,
                "userPrefix": "",
                "changeStream": null,
                "response": null,
                "created": null,
                "updated": null,
            })
        };
        match registry {
            Registry::Own => fixed(OWN, base, "cnpmcore"),
            Registry::Default => fixed(DEFAULT, self.configured.default.url.as_str(), "npm"),
            Registry::Configured(upstream) => {
                fixed(upstream.url.host_str().unwrap_or_default(), upstream.url.as_str(), "npm")
            }
            Registry::Named(named) => {
                let mut printed = fixed(&named.name, named.url.as_str(), &named.kind);
                printed["userPrefix"] = json!(named.user_prefix);
                printed["changeStream"] = json!(named.change_stream);
                printed["created"] = json!(print_millis(named.created_at));
                printed["updated"] = json!(print_millis(named.modified_at));
                printed
            }
        }
    }
}

fn done() -> Reply {
    unkept(StatusCode::OK, &json!({ "ok": true }))
}

/// Tells a member that is `null` from one that is not there.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

// === impl Registry ===

impl Registry<'_> {
    fn id(&self) -> String {
        match self {
            Self::Own => OWN.to_owned(),
            Self::Default => DEFAULT.to_owned(),
            Self::Configured(upstream) => format!("config-{}", upstream.id),
            Self::Named(named) => named.id.to_string(),
        }
    }

    /// Says what a scope is bound to that comes from it.
    fn target(&self) -> Option<Target> {
        match self {
            Self::Own => Some(Target::Own),
            Self::Default => Some(Target::Default),
            Self::Configured(_) => None,
            Self::Named(named) => Some(Target::Upstream(named.id)),
        }
    }
}
