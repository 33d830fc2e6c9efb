//! Users, their logins, profiles and tokens. Source: contract npm §8.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use self::tokens::Listed;
use self::users::Found;
use super::Npm;
use super::error::Error;
use super::routes::Account;
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::Form;
use crate::overlay::users::User;
use crate::registries::gate::Visitor;

mod bounds;
pub mod confirm;
mod login;
mod page;
mod profile;
mod tokens;
mod users;
mod web;

/// What our tokens look like: a scanner for secrets finds them by it.
const FORM: Form = Form::OURS;

/// Lengths of a password, in characters. Source: contract npm §8.2.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=100;

impl Npm {
    /// Does what needs no body.
    pub(super) async fn answer_account(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        account: &Account,
    ) -> Result<Reply, Error> {
        match account {
            Account::User { name, .. } => self.user(visitor, name).await,
            Account::LogOut { token } => self.log_out(visitor, token).await,
            Account::WhoAmI => self.whoami(visitor),
            Account::Profile => self.profile(visitor).await,
            Account::Tokens => self.tokens(request, visitor, Listed::All).await,
            Account::BoundTokens => self.tokens(request, visitor, Listed::Bound).await,
            Account::Web(web) => self.answer_web(request, web).await,
            Account::RevokeToken { key } => self.revoke(visitor, key).await,
            Account::LogIn { .. }
            | Account::EditUser { .. }
            | Account::EditProfile
            | Account::IssueToken
            | Account::IssueBoundToken => Err(Error::internal("an account's action without its body")),
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_account_body(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        account: &Account,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        match account {
            Account::LogIn { name } => self.log_in(request, name, body).await,
            Account::EditUser { name, expected } => {
                self.edit_user(request, visitor, Found { name, expected: *expected }, body).await
            }
            Account::EditProfile => self.edit_profile(request, visitor, body).await,
            Account::IssueToken => self.issue_token(request, visitor, body).await,
            Account::IssueBoundToken => self.issue_bound_token(visitor, body).await,
            Account::Web(web) => self.answer_web_body(request, web, body).await,
            _ => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// Returns the user that asks, by a token that may do whatever its user may.
    pub(super) fn free_user<'a>(&self, visitor: &'a Visitor) -> Result<&'a User, Error> {
        let identity = self.gate.known(visitor)?;
        let is_automation = identity.token.as_ref().is_some_and(|token| token.is_automation);
        if is_automation || !identity.may_grant(&Rights::all()) {
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

/// Who comes over no network comes from here.
pub(super) fn address(request: &Request<'_>) -> IpAddr {
    request.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Returns the one-time password that a client shows. Source: contract npm §2.5.
pub(super) fn one_time_password(request: &Request<'_>) -> Option<Secret> {
    let value = request.headers.get("npm-otp")?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| Secret::new(value))
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
