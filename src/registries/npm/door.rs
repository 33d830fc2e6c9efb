//! The door: who asks, whether it is let in, what it may send, and who may read the answer.

use http::HeaderValue;
use http::header::{AUTHORIZATION, CACHE_CONTROL, VARY};

use super::Npm;
use super::error::Error;
use super::name::PackageName;
use super::publish::naming;
use super::routes::{Access, Account, Action, Reads};
use crate::base::http::{Reply, Request};
use crate::overlay::rights::Action as Change;
use crate::registries::gate::{Act, Credentials, Sight, Visitor};

/// Longest body of who shows its credentials in it, in bytes: nobody knows yet who sends it.
const MAX_CREDENTIALS: u64 = 16 << 10;

/// Who was let in.
pub struct Guest {
    pub visitor: Visitor,
    pub readership: Readership,
}

/// Who may read an answer.
#[derive(Clone, Copy)]
pub enum Readership {
    Everybody,
    /// Who may read this mount.
    Readers,
    /// Who has asked, and nobody else.
    This,
}

impl Npm {
    /// Finds out who asks. Who logs in shows its credentials in the body, and may have old ones beside them. Source:
    /// contract npm §8.1.
    pub(super) async fn visitor(&self, request: &Request<'_>, action: &Action) -> Result<Visitor, Error> {
        let credentials = match request.headers.get(AUTHORIZATION) {
            _ if matches!(action, Action::Account(Account::LogIn { .. } | Account::Web(_))) => Credentials::Nothing,
            None => Credentials::Nothing,
            Some(value) => Credentials::parse(value.to_str().unwrap_or_default())?,
        };
        self.gate.identify(credentials, request.peer).await
    }

    /// Returns how long a body may be, in bytes, that is read before an answer; `None` where none is.
    pub(super) async fn longest_body(&self, visitor: &Visitor, action: &Action) -> Result<Option<u64>, Error> {
        match action.reads() {
            Reads::Nothing => Ok(None),
            Reads::Body => Ok(Some(self.max_body)),
            Reads::Credentials => Ok(Some(self.max_body.min(MAX_CREDENTIALS))),
            Reads::Question => Ok(self.must_split().await?.then_some(self.max_body)),
            Reads::Publication(name) => self.longest_publication(visitor, name).await.map(Some),
        }
    }

    /// Returns how long a write to a package may be. Who may not change it may still give it a star, for which little needs
    /// to be said.
    async fn longest_publication(&self, visitor: &Visitor, name: &PackageName) -> Result<u64, Error> {
        let text = name.as_str();
        self.gate.let_write(visitor, text)?;
        // Who does not see a package is answered as if there were none.
        let package = match self.gate.look(visitor, text).await? {
            Sight::Package { .. } => self.gate.package(text).await?,
            Sight::Nothing | Sight::Elsewhere => None,
        };
        if package.is_none() {
            self.let_take(name)?;
        }
        for action in [Change::Push, Change::Delete, Change::Admin] {
            match self.gate.let_act(visitor, Act { action, name: text, package: package.as_ref() }).await {
                Ok(_) => return Ok(self.max_publish),
                Err(Error::Forbidden(_)) if package.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.max_body)
    }

    /// Lets a name be taken for what is published here.
    pub(super) fn let_take(&self, name: &PackageName) -> Result<(), Error> {
        if !self.gate.keeps(name.as_str()) && !self.gate.merges(name.as_str()) {
            return Err(Error::Forbidden(format!("{name} is not among the names that are published here").into()));
        }
        naming::judge(name, self.new_names).map_err(|wrong| Error::Unprocessable(wrong.into()))
    }

    /// Lets who asks in, as far as reading goes and before a body is read: what writes is judged again with the package.
    /// Returns who may read the answer.
    ///
    /// All routes to a package pass here, and who finds nothing there reads the same on each of them.
    pub(super) async fn let_in(&self, visitor: &Visitor, action: &Action) -> Result<Readership, Error> {
        let everybody = if self.gate.is_public() { Readership::Everybody } else { Readership::Readers };
        match action.access() {
            Access::Open => Ok(everybody),
            Access::Known => self.gate.known(visitor).map(|_| Readership::Readers),
            Access::Read("") => {
                self.gate.let_read(visitor, "")?;
                // What lists many packages may name some that only this visitor sees.
                Ok(if visitor.identity.is_some() { Readership::Readers } else { everybody })
            }
            Access::Read(name) => Ok(self.let_read(visitor, name).await?.unwrap_or(everybody)),
        }
    }

    /// Lets a visitor read a package. Returns who may read the answer, if that is not who may read the mount.
    pub(super) async fn let_read(&self, visitor: &Visitor, name: &str) -> Result<Option<Readership>, Error> {
        self.gate.let_read(visitor, name)?;
        match self.gate.look(visitor, name).await? {
            Sight::Nothing => Err(self.gate.missing(visitor, name)),
            Sight::Package { is_closed: true } => Ok(Some(Readership::This)),
            Sight::Package { is_closed: false } | Sight::Elsewhere => Ok(None),
        }
    }
}

/// Keeps answers that not everybody may read from the caches that everybody reads. Source: contract npm §2.4, §9.
pub fn closed(mut reply: Reply, readership: Readership) -> Reply {
    let is_kept = reply.headers.get(CACHE_CONTROL).is_none_or(|said| said != "no-store");
    let said = match readership {
        Readership::This => "private, no-store",
        Readership::Readers if is_kept => "private, no-cache",
        Readership::Readers | Readership::Everybody => return reply,
    };
    reply.set(CACHE_CONTROL, HeaderValue::from_static(said));
    reply.headers.append(VARY, HeaderValue::from_static("Authorization"));
    reply
}
