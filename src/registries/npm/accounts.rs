//! Users, their logins, profiles and tokens. Source: contract npm §8.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Npm;
use super::error::Error;
use super::merge::JSON;
use super::routes::Account;
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::tokens::Form;
use crate::overlay::users::{User, UserName};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

mod login;
mod profile;
mod tokens;

/// What our tokens start with: a scanner for secrets finds them by it.
const FORM: Form = Form::Prefixed("heliostat_");

/// Lengths of a password, in characters. Source: contract npm §8.2.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=100;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Npm {
    /// Does what needs no body.
    pub(super) async fn answer_account(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        account: &Account,
    ) -> Result<Reply, Error> {
        match account {
            Account::User { name } => self.user(visitor, name).await,
            Account::LogOut { token } => self.log_out(visitor, token).await,
            Account::WhoAmI => self.whoami(visitor),
            Account::Profile => self.profile(visitor),
            Account::Tokens => self.tokens(request, visitor).await,
            Account::RevokeToken { key } => self.revoke(visitor, key).await,
            Account::LogIn { .. } | Account::EditProfile | Account::IssueToken => {
                Err(Error::internal("an account's action without its body"))
            }
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_account_body(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        (account, body): (&Account, &Bytes),
    ) -> Result<Reply, Error> {
        match account {
            Account::LogIn { name } => self.log_in(request, name, body).await,
            Account::EditProfile => self.edit_profile(request, visitor, body).await,
            Account::IssueToken => self.issue_token(request, visitor, body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// `GET /-/user/org.couchdb.user:{name}`: its e-mail address only to who is logged in. Source: contract npm §8.3.
    pub(super) async fn user(&self, visitor: &Visitor, name: &str) -> Result<Reply, Error> {
        let missing = || Error::not_found(format!("the user {name}"));
        let name = UserName::parse(name).map_err(|_| missing())?;
        let user = self.gate.overlay().user(&name).await?.ok_or_else(missing)?;
        let mut body = json!({
            "_id": user_id(&user),
            "_rev": revision(&user),
            "name": user.name.as_str(),
            "type": "user",
            "roles": [],
            "date": print(user.modified_at),
        });
        if visitor.identity.is_some() {
            body["email"] = json!(user.email);
        }
        Ok(answer(StatusCode::OK, &body))
    }

    /// `GET /-/whoami`. Source: contract npm §8.3.
    pub(super) fn whoami(&self, visitor: &Visitor) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        Ok(answer(StatusCode::OK, &json!({ "username": user.name.as_str() })))
    }

    /// Returns the user that asks, by a token that may do more than read and publish.
    fn free_user<'a>(&self, visitor: &'a Visitor) -> Result<&'a User, Error> {
        let token = self.gate.known(visitor)?.token.as_ref();
        if token.is_some_and(|token| token.is_read_only || token.is_automation) {
            return Err(Error::Forbidden("this token may not change accounts".into()));
        }
        self.gate.user(visitor)
    }
}

/// Reads a short body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // What is wrong is not quoted: it may be a password.
    serde_json::from_slice(body).map_err(|_| Error::Unprocessable("the body lacks a member, or is no JSON".into()))
}

/// Answers with what is of now, and to be kept nowhere.
pub(super) fn answer(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Reply::bytes(status, JSON, body.to_string());
    reply.set(CACHE_CONTROL, NO_STORE);
    reply
}

/// Who comes over no network comes from here.
fn address(request: &Request<'_>) -> IpAddr {
    request.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn check_password(password: &Secret) -> Result<(), Error> {
    if PASSWORD.contains(&password.reveal().chars().count()) {
        return Ok(());
    }
    Err(Error::Unprocessable("a password has 8 to 100 characters".into()))
}

fn user_id(user: &User) -> String {
    format!("org.couchdb.user:{}", user.name)
}

/// Prints `<counter>-<32 hex>`. Source: contract npm §4.3.
fn revision(user: &User) -> String {
    super::rev(user.revision, user.name.as_str())
}

/// Prints a time as the dialect does.
pub(super) fn print(time: SystemTime) -> String {
    print_millis(OffsetDateTime::from(time))
}
