//! Users as documents, and who one is. Source: contract npm §8.3.

use bytes::Bytes;
use http::StatusCode;
use http::header::ETAG;
use serde::Deserialize;
use serde_json::json;

use super::profile::read_said;
use super::{address, bounds, check_password, read, revision, user_id};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::users::{UserEdit, UserName};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::replies::unkept;
use crate::registries::replies::entity_tag;
use crate::registries::times::print_millis;

/// What an account is to be. Source: contract npm §8.3.
#[derive(Deserialize)]
struct Document {
    name: String,
    password: Secret,
    email: Option<String>,
}

/// An account, as who changes it has found it.
pub struct Found<'a> {
    pub name: &'a str,
    /// The revision that it must still be at.
    pub expected: u64,
}

impl Npm {
    /// `GET /-/user/org.couchdb.user:{name}`: its e-mail address only to who is logged in, and what it says of itself only to
    /// who may read. Source: contract npm §8.3.
    pub(super) async fn user(&self, visitor: &Visitor, name: &str) -> Result<Reply, Error> {
        let found = match UserName::parse(name) {
            Ok(name) => self.gate.overlay().user(&name).await?,
            Err(_) => None,
        };
        let Some(user) = found else { return Ok(missing()) };
        let mut body = json!({
            "_id": user_id(&user),
            "_rev": revision(&user),
            "name": user.name.as_str(),
            "type": "user",
            "roles": [],
            "date": print_millis(user.modified_at),
        });
        if visitor.identity.is_some() {
            body["email"] = json!(user.email);
        }
        if self.gate.let_read(visitor, "").is_ok()
            && let Some(body) = body.as_object_mut()
        {
            body.extend(read_said(&user)?);
        }
        let mut reply = unkept(StatusCode::OK, &body);
        reply.headers.extend(entity_tag(revision(&user)).map(|etag| (ETAG, etag)));
        Ok(reply)
    }

    /// `PUT /-/user/org.couchdb.user:{name}/-rev/{rev}`: another e-mail address, and another password where the old one is
    /// shown. npm does so where a login was answered with 409, and expects a token. Source: contract npm §8.2, §8.3.
    pub(super) async fn edit_user(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        Found { name, expected }: Found<'_>,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        if !user.name.as_str().eq_ignore_ascii_case(name) {
            return Err(Error::Unauthorized("this is the account of another user"));
        }
        let Document { name: said, password, email } = read(body)?;
        if said != name {
            return Err(Error::Unprocessable("the name in the body is not the one in the path".into()));
        }
        check_password(&password)?;
        let by_password = self.gate.known(visitor)?.token.is_none();
        if !by_password {
            self.gate.overlay().log_in(&user.name, &password, address(request)).await?;
        }
        let edit = UserEdit {
            email: email.as_deref().filter(|email| !email.is_empty()).map(Some),
            password: by_password.then_some(&password),
            expected: Some(expected),
            ..UserEdit::default()
        };
        let edited = self.gate.overlay().edit_user(user.id, edit, &self.gate.actor(visitor)).await?;
        let token = self.issue_session(&edited, request).await?;
        let (id, rev) = (user_id(&edited), revision(&edited));
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true, "id": id, "rev": rev, "token": token.reveal() })))
    }

    /// `GET /-/whoami`, and what its token is bound to. Source: contract npm §8.3.
    pub(super) fn whoami(&self, visitor: &Visitor) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        let mut body = json!({ "username": user.name.as_str() });
        let token = self.gate.known(visitor)?.token.as_ref();
        if let Some((token, bounds)) = token.and_then(|token| Some((token, bounds::print(token, self.gate.mount())?))) {
            body["name"] = json!(token.name);
            body["description"] = json!(token.description);
            body["allowedPackages"] = bounds["allowedPackages"].clone();
            body["allowedScopes"] = bounds["allowedScopes"].clone();
            body["expiredAt"] = json!(token.expires_at.map(print_millis));
            body["lastUsedAt"] = json!(token.last_used_at.map(print_millis));
            body["type"] = json!(token.kind);
        }
        Ok(unkept(StatusCode::OK, &body))
    }
}

/// Says that there is no such user, in CouchDB's word. Source: contract npm §8.3.
fn missing() -> Reply {
    let body = json!({ "error": "not_found", "reason": "missing", "message": "missing" });
    unkept(StatusCode::NOT_FOUND, &body)
}
