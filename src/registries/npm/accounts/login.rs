//! Logging in and out, and making an account. Source: contract npm §8.2, §8.3.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{FORM, address, check_password, one_time_password, read, revision, user_id};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::config::Registration;
use crate::overlay::audit::Actor;
use crate::overlay::networks::Networks;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::NewToken;
use crate::overlay::users::{NewUser, User, UserName};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::{Challenge, Error};
use crate::registries::npm::replies::unkept;

/// What logs in. Source: contract npm §8.2.
#[derive(Deserialize)]
struct LogIn {
    name: String,
    password: Secret,
    email: Option<String>,
    /// Ours: the code of an invitation. Clients that cannot send it may show it as a one-time password, which an account
    /// that is not there yet has no other use for.
    invitation: Option<Secret>,
}

/// Who asks for an account.
pub(super) struct Newcomer<'a> {
    pub name: &'a UserName,
    pub email: &'a str,
    pub password: &'a Secret,
    pub invitation: Option<&'a Secret>,
}

impl Npm {
    /// `PUT /-/user/org.couchdb.user:{name}`: logs in, or makes an account. Source: contract npm §8.2.
    pub(in crate::registries::npm) async fn log_in(
        &self,
        request: &Request<'_>,
        name: &str,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let LogIn { name: said, password, email, invitation } = read(body)?;
        if said != name {
            return Err(Error::Unprocessable("the name in the body is not the one in the path".into()));
        }
        let name = UserName::parse(name)?;
        let email = email.as_deref().filter(|email| !email.is_empty());
        let user = match (self.gate.overlay().user(&name).await?, email) {
            (Some(held), Some(email)) if held.email.as_deref().is_some_and(|held| held != email) => {
                // Whoever does not know the password is not told that the name is taken.
                self.log_in_fully(request, &name, &password, one_time_password(request)).await?;
                return Err(Error::Conflict("this name is taken, with another e-mail address".into()));
            }
            (Some(_), _) => self.log_in_fully(request, &name, &password, one_time_password(request)).await?,
            (None, None) => return Err(Error::not_found(format!("the user {name}"))),
            (None, Some(email)) => {
                let invitation = invitation.or_else(|| one_time_password(request));
                let new = Newcomer { name: &name, email, password: &password, invitation: invitation.as_ref() };
                self.register(new, request).await?
            }
        };
        let token = self.issue_session(&user, request).await?;
        let (id, rev) = (user_id(&user), revision(&user));
        Ok(unkept(StatusCode::CREATED, &json!({ "ok": true, "id": id, "rev": rev, "token": token.reveal() })))
    }

    /// Logs in by a name, a password, and a code where the account has a second factor.
    pub(super) async fn log_in_fully(
        &self,
        request: &Request<'_>,
        name: &UserName,
        password: &Secret,
        code: Option<Secret>,
    ) -> Result<User, Error> {
        let (overlay, from) = (self.gate.overlay(), address(request));
        let user = overlay.log_in(name, password, from).await?;
        if user.factor.is_some() {
            let code = code.ok_or(Error::Challenge(Challenge::Code))?;
            overlay.take_code(&user, &code, from).await?;
        }
        Ok(user)
    }

    /// Makes an account, if who asks for it may have one.
    pub(super) async fn register(&self, new: Newcomer<'_>, request: &Request<'_>) -> Result<User, Error> {
        let Newcomer { name, email, password, invitation } = new;
        let invitation = match self.gate.registration() {
            _ if self.gate.names_admin(name) => return Err(by_operators()),
            Registration::Closed => return Err(by_operators()),
            Registration::Open => None,
            Registration::Invitation if invitation.is_none() => {
                return Err(Error::Forbidden("an account here needs an invitation, from the operator".into()));
            }
            Registration::Invitation => invitation,
        };
        check_password(password)?;
        let actor =
            Actor { name: name.to_string(), via: "registration".to_owned(), address: request.peer, reason: None };
        let (email, is_admin) = (Some(email), false);
        let new =
            NewUser { name, email, password, invitation, is_admin, is_email_unique: false, with_namespace: false };
        Ok(self.gate.overlay().sign_up(new, address(request), &actor).await?)
    }

    pub(super) async fn issue_session(&self, user: &User, request: &Request<'_>) -> Result<Secret, Error> {
        let actor =
            Actor { name: user.name.to_string(), via: "password".to_owned(), address: request.peer, reason: None };
        let new = NewToken {
            user: Some(user.id),
            kind: "session",
            name: "",
            description: "",
            rights: &Rights::all(),
            networks: &Networks::default(),
            is_read_only: false,
            is_automation: false,
            expires_at: None,
            form: FORM,
        };
        Ok(self.gate.overlay().issue_token(new, &actor).await?.1)
    }

    /// `DELETE /-/user/token/{token}`: logs out. Source: contract npm §8.3.
    pub(in crate::registries::npm) async fn log_out(&self, visitor: &Visitor, token: &Secret) -> Result<Reply, Error> {
        self.revoke(visitor, token.reveal()).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::Unprocessable("this token is not yours".into()),
            error => error,
        })
    }
}

fn by_operators() -> Error {
    Error::Forbidden("accounts are made by the operator of this registry".into())
}
