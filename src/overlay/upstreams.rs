//! Upstreams that were named here, beside those of the configuration, and which scopes come from where.
//!
//! All are held in memory, so that a hit asks no database: they are read again when their head has moved, within half a
//! second on every node. What an upstream is shown as credentials is sealed for the server that it was given for: one that
//! moves to another server is shown nothing until it is given anew.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use url::Url;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, upstreams as rows};
use super::error::Error;
use crate::base::secret::Secret;

/// Names an upstream, for its whole life and beyond.
pub type UpstreamId = u64;

/// An upstream that was named here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub id: UpstreamId,
    pub mount: String,
    /// No other of its mount has it.
    pub name: String,
    /// Where it starts; holds no credentials.
    pub url: Url,
    /// What it is, in the dialect's own word.
    pub kind: String,
    /// What stands before the names of its users.
    pub user_prefix: String,
    /// Where it tells of its changes.
    pub change_stream: Option<String>,
    /// What it is shown; nobody else is.
    pub token: Option<Secret>,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
}

/// An upstream to be named.
#[derive(Clone, Copy, Debug)]
pub struct NewUpstream<'a> {
    pub mount: &'a str,
    pub name: &'a str,
    pub url: &'a Url,
    pub kind: &'a str,
    pub user_prefix: &'a str,
    pub change_stream: Option<&'a str>,
    pub token: Option<&'a Secret>,
}

/// What is to become of an upstream; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamEdit<'a> {
    pub name: Option<&'a str>,
    pub url: Option<&'a Url>,
    pub kind: Option<&'a str>,
    pub user_prefix: Option<&'a str>,
    pub change_stream: Option<Option<&'a str>>,
    /// Without one, the token stays with the server that it was given for.
    pub token: Option<Option<&'a Secret>>,
}

/// Where the names of a scope come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Upstream(UpstreamId),
    /// They are published here, and asked of nobody.
    Own,
    /// From where all others come.
    Default,
}

/// A scope that was bound here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Stays when it is bound anew.
    pub id: u64,
    pub mount: String,
    /// With its `@`.
    pub scope: String,
    pub target: Target,
}

/// All that was named and bound here, as of a revision of their head.
#[derive(Debug, Default)]
pub struct Routes {
    /// `None`: nothing has been read yet.
    revision: Option<u64>,
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
}

/// The routes in memory.
pub(super) type Map = ArcSwap<Routes>;

impl Overlay {
    /// Names an upstream.
    ///
    /// # Errors
    /// [`Error::Taken`], or the database's. Nothing was kept.
    pub async fn add_upstream(&self, new: NewUpstream<'_>, actor: &Actor) -> Result<Upstream, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let made = new.made(write.number, write.now);
        if rows::is_taken(&write, new.mount, new.name, made.id).await? {
            return Err(Error::taken("registry", new.name));
        }
        rows::insert(&write, &made, self.seal_token(&made)?.as_deref()).await?;
        write.turn(Head::Routes).await?;
        write.commit(&Entry { actor, verb: "add upstream", subject: subject(&made), detail: detail(&made) }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(made)
    }

    /// Changes an upstream.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Taken`], or the database's. Nothing was changed.
    pub async fn edit_upstream(
        &self,
        mount: &str,
        id: UpstreamId,
        edit: UpstreamEdit<'_>,
        actor: &Actor,
    ) -> Result<Upstream, Error> {
        let write = self.db.write(self.clock.now()).await?;
        let held = rows::find(write.link(), mount, id).await?.ok_or_else(|| Error::absent("registry", id))?;
        let edited = edit.apply(self.open_token(held)?, write.now);
        if rows::is_taken(&write, mount, &edited.name, id).await? {
            return Err(Error::taken("registry", &edited.name));
        }
        rows::update(&write, &edited, self.seal_token(&edited)?.as_deref()).await?;
        write.turn(Head::Routes).await?;
        let (subject, detail) = (subject(&edited), detail(&edited));
        write.commit(&Entry { actor, verb: "edit upstream", subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(edited)
    }

    /// Takes an upstream away, to which no scope is bound but such as are `moot`: those would come from where all others come,
    /// which may have other things under their names.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::InUse`], or the database's. Nothing was changed.
    pub async fn remove_upstream(
        &self,
        mount: &str,
        id: UpstreamId,
        moot: impl Fn(&str) -> bool,
        actor: &Actor,
    ) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let (held, _) = rows::find(write.link(), mount, id).await?.ok_or_else(|| Error::absent("registry", id))?;
        let freed = rows::delete(&write, id).await?;
        if !freed.iter().all(|scope| moot(scope)) {
            return Err(Error::InUse("scopes are bound to this registry: bind them to another, or unbind them, first"));
        }
        write.turn(Head::Routes).await?;
        let detail = format!("{}, {}: {}", held.name, held.url, freed.join(" "));
        write.commit(&Entry { actor, verb: "remove upstream", subject: subject(&held), detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Binds a scope to where its names are to come from; anew, where it is bound already.
    ///
    /// # Errors
    /// [`Error::Absent`]: there is no such upstream. Or the database's. Nothing was changed.
    pub async fn bind_scope(&self, mount: &str, scope: &str, target: Target, actor: &Actor) -> Result<Route, Error> {
        let write = self.db.write(self.clock.now()).await?;
        if let Target::Upstream(id) = target
            && rows::find(write.link(), mount, id).await?.is_none()
        {
            return Err(Error::absent("registry", id));
        }
        let route = rows::bind(&write, mount, scope, target).await?;
        write.turn(Head::Routes).await?;
        let (subject, detail) = (format!("scope {mount}/{scope}"), target.to_string());
        write.commit(&Entry { actor, verb: "bind scope", subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(route)
    }

    /// Unbinds a scope.
    ///
    /// # Errors
    /// [`Error::Absent`], or the database's. Nothing was changed.
    pub async fn unbind_scope(&self, mount: &str, id: u64, actor: &Actor) -> Result<(), Error> {
        let write = self.db.write(self.clock.now()).await?;
        let scope = rows::unbind(&write, mount, id).await?.ok_or_else(|| Error::absent("scope", id))?;
        write.turn(Head::Routes).await?;
        let subject = format!("scope {mount}/{scope}");
        write.commit(&Entry { actor, verb: "unbind scope", subject, detail: String::new() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(())
    }

    /// Returns all that was named and bound here, as it is now. Asks no database while nothing of it changes.
    ///
    /// # Errors
    /// The database's: nobody can say where names come from.
    pub async fn routes(&self) -> Result<Arc<Routes>, Error> {
        let revision = self.pulse.heads(&self.db).await?.routes;
        let held = self.map.load();
        if held.revision.is_some_and(|held| held >= revision) {
            return Ok(Arc::clone(&held));
        }
        let read = Arc::new(self.read_routes(revision).await?);
        // Unless others were read since.
        self.map.rcu(|held| Arc::clone(if held.revision > read.revision { held } else { &read }));
        Ok(read)
    }

    /// Reads routes after their head was seen at `revision`: they are as of that, or later.
    async fn read_routes(&self, revision: u64) -> Result<Routes, Error> {
        let snapshot = self.db.snapshot().await?;
        let upstreams = rows::list(snapshot.link()).await?;
        let routes = rows::routes(snapshot.link()).await?;
        let upstreams = upstreams.into_iter().map(|held| self.open_token(held)).collect::<Result<_, _>>()?;
        Ok(Routes { revision: Some(revision), upstreams, routes })
    }

    fn seal_token(&self, upstream: &Upstream) -> Result<Option<Vec<u8>>, Error> {
        upstream.token.as_ref().map(|token| self.vault.seal(&purpose(upstream), token)).transpose()
    }

    fn open_token(&self, (upstream, sealed): rows::Sealed) -> Result<Upstream, Error> {
        let token = sealed.map(|sealed| self.vault.open(&purpose(&upstream), &sealed)).transpose()?;
        Ok(Upstream { token, ..upstream })
    }
}

/// What a token is sealed for: moved to another row or another server, it opens no more.
fn purpose(upstream: &Upstream) -> String {
    format!("upstream {} at {}", upstream.id, upstream.url.origin().ascii_serialization())
}

fn subject(upstream: &Upstream) -> String {
    format!("upstream {}/{}", upstream.mount, upstream.id)
}

fn detail(upstream: &Upstream) -> String {
    let Upstream { name, url, kind, token, .. } = upstream;
    format!("{name}, {url}, {kind}, {}", if token.is_some() { "with a token" } else { "without a token" })
}

// === impl NewUpstream ===

impl NewUpstream<'_> {
    fn made(&self, id: UpstreamId, now: SystemTime) -> Upstream {
        Upstream {
            id,
            mount: self.mount.to_owned(),
            name: self.name.to_owned(),
            url: self.url.clone(),
            kind: self.kind.to_owned(),
            user_prefix: self.user_prefix.to_owned(),
            change_stream: self.change_stream.map(str::to_owned),
            token: self.token.cloned(),
            created_at: now,
            modified_at: now,
        }
    }
}

// === impl UpstreamEdit ===

impl UpstreamEdit<'_> {
    fn apply(&self, held: Upstream, now: SystemTime) -> Upstream {
        let url = self.url.unwrap_or(&held.url).clone();
        let kept = held.token.filter(|_| url.origin() == held.url.origin());
        let owned = |new: Option<&str>, held: String| new.map_or(held, str::to_owned);
        Upstream {
            name: owned(self.name, held.name),
            kind: owned(self.kind, held.kind),
            user_prefix: owned(self.user_prefix, held.user_prefix),
            change_stream: self.change_stream.map_or(held.change_stream, |new| new.map(str::to_owned)),
            token: self.token.map_or(kept, Option::<&Secret>::cloned),
            modified_at: now,
            url,
            ..held
        }
    }
}

// === impl Target ===

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Upstream(id) => write!(formatter, "upstream {id}"),
            Self::Own => formatter.write_str("published here"),
            Self::Default => formatter.write_str("the default upstream"),
        }
    }
}

// === impl Routes ===

impl Routes {
    /// Tells one state from another.
    pub fn revision(&self) -> u64 {
        self.revision.unwrap_or_default()
    }

    /// Returns the upstreams of a mount, in the order in which they were named.
    pub fn upstreams(&self, mount: &str) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter().filter(move |upstream| upstream.mount == mount)
    }

    /// Returns the bound scopes of a mount, in their order.
    pub fn scopes(&self, mount: &str) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| route.mount == mount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    fn held() -> Upstream {
        Upstream {
            id: 7,
            mount: "npm".to_owned(),
            name: "corp".to_owned(),
            url: "https://registry.example/npm/".parse().unwrap(),
            kind: "npm".to_owned(),
            user_prefix: String::new(),
            change_stream: Some("https://registry.example/_changes".to_owned()),
            token: Some(Secret::new("hunter2")),
            created_at: from_millis(1),
            modified_at: from_millis(1),
        }
    }

    fn edited(edit: UpstreamEdit<'_>) -> Upstream {
        edit.apply(held(), from_millis(2))
    }

    #[test]
    fn a_token_stays_with_its_server() {
        for (url, stays) in [
            ("https://registry.example/other/", true),
            ("https://registry.example:443/", true),
            ("https://registry.example:8443/npm/", false),
            ("http://registry.example/npm/", false),
            ("https://evil.example/npm/", false),
        ] {
            let url: Url = url.parse().unwrap();
            let edit = UpstreamEdit { url: Some(&url), ..UpstreamEdit::default() };
            assert_eq!(edited(edit).token.is_some(), stays, "{url}");
            let new = Secret::new("another");
            let edit = UpstreamEdit { token: Some(Some(&new)), ..edit };
            assert_eq!(edited(edit).token, Some(new), "{url}");
        }
        assert_eq!(edited(UpstreamEdit { token: Some(None), ..UpstreamEdit::default() }).token, None);
    }

    #[test]
    fn what_an_edit_does_not_name_stays() {
        let modified_at = from_millis(2);
        assert_eq!(edited(UpstreamEdit::default()), Upstream { modified_at, ..held() });
        let edit = UpstreamEdit {
            name: Some("acme"),
            kind: Some("cnpmcore"),
            user_prefix: Some("cnpm:"),
            change_stream: Some(None),
            ..UpstreamEdit::default()
        };
        let expected = Upstream {
            name: "acme".to_owned(),
            kind: "cnpmcore".to_owned(),
            user_prefix: "cnpm:".to_owned(),
            change_stream: None,
            modified_at,
            ..held()
        };
        assert_eq!(edited(edit), expected);
    }
}
