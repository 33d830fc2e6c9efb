//! Users, their logins, profiles and tokens. Source: contract npm §8.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::Npm;
use super::error::Error;
use super::merge::JSON;
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::audit::Actor;
use crate::overlay::networks::Networks;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::{Form, NewToken, Token};
use crate::overlay::users::{NewUser, User, UserEdit, UserName};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

/// What our tokens start with: a scanner for secrets finds them by it.
const FORM: Form = Form::Prefixed("heliostat_");

/// How many tokens of a user are listed at all.
const MAX_TOKENS: u64 = 10_000;
/// Networks that one token may name. Source: contract npm §8.5.
const MAX_NETWORKS: usize = 10;
/// Lengths of a password, in characters. Source: contract npm §8.2.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=100;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What logs in. Source: contract npm §8.2.
#[derive(Deserialize)]
struct LogIn {
    name: String,
    password: Secret,
    email: Option<String>,
}

/// What makes a token. Source: contract npm §8.5.
#[derive(Deserialize)]
struct Wish {
    password: Secret,
    #[serde(default)]
    name: String,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    automation: bool,
    #[serde(default)]
    cidr_whitelist: Option<Vec<String>>,
    /// Days until it ends.
    expires: Option<u64>,
    packages_and_scopes_permission: Option<String>,
    /// What bounds a token to some packages: one that is not understood makes no wider token.
    #[serde(default)]
    packages: Value,
    #[serde(default)]
    scopes: Value,
    #[serde(default)]
    orgs: Value,
    #[serde(default)]
    orgs_permission: Value,
}

/// What changes a profile. Source: contract npm §8.3.
#[derive(Deserialize)]
struct Edit {
    email: Option<String>,
    password: Option<NewPassword>,
    #[serde(default)]
    tfa: Value,
}

#[derive(Deserialize)]
struct NewPassword {
    old: Secret,
    new: Secret,
}

impl Npm {
    /// `PUT /-/user/org.couchdb.user:{name}`: logs in, or makes an account. Source: contract npm §8.2.
    pub(super) async fn log_in(&self, request: &Request<'_>, name: &str, body: &Bytes) -> Result<Reply, Error> {
        let LogIn { name: said, password, email } = read(body)?;
        if said != name {
            return Err(Error::Unprocessable("the name in the body is not the one in the path".into()));
        }
        let name = UserName::parse(name)?;
        let email = email.as_deref().filter(|email| !email.is_empty());
        let (overlay, from) = (self.gate.overlay(), address(request));
        let user = match (overlay.user(&name).await?, email) {
            (Some(held), Some(email)) if held.email.as_deref().is_some_and(|held| held != email) => {
                // Whoever does not know the password is not told that the name is taken.
                overlay.log_in(&name, &password, from).await?;
                return Err(Error::Conflict("this name is taken, with another e-mail address".into()));
            }
            (Some(_), _) => overlay.log_in(&name, &password, from).await?,
            (None, None) => return Err(Error::not_found(format!("the user {name}"))),
            (None, Some(email)) => self.register(&name, email, &password, request).await?,
        };
        let token = self.issue_session(&user, request).await?;
        let (id, rev) = (user_id(&user), revision(&user));
        Ok(answer(StatusCode::CREATED, &json!({ "ok": true, "id": id, "rev": rev, "token": token.reveal() })))
    }

    async fn register(
        &self,
        name: &UserName,
        email: &str,
        password: &Secret,
        request: &Request<'_>,
    ) -> Result<User, Error> {
        if !self.gate.is_open() || self.gate.names_admin(name) {
            return Err(Error::Forbidden("accounts are made by the operator of this registry".into()));
        }
        check_password(password)?;
        let actor =
            Actor { name: name.to_string(), via: "registration".to_owned(), address: request.peer, reason: None };
        let (email, is_admin) = (Some(email), false);
        let new = NewUser { name, email, password, is_admin, is_email_unique: false, with_namespace: false };
        Ok(self.gate.overlay().register(new, &actor).await?)
    }

    async fn issue_session(&self, user: &User, request: &Request<'_>) -> Result<Secret, Error> {
        let actor =
            Actor { name: user.name.to_string(), via: "password".to_owned(), address: request.peer, reason: None };
        let new = NewToken {
            user: Some(user.id),
            kind: "session",
            name: "",
            rights: &Rights::all(),
            networks: &Networks::default(),
            is_read_only: false,
            is_automation: false,
            expires_at: None,
            form: FORM,
        };
        Ok(self.gate.overlay().issue_token(new, &actor).await?.1)
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

    /// `DELETE /-/user/token/{token}`: logs out. Source: contract npm §8.3.
    pub(super) async fn log_out(&self, visitor: &Visitor, token: &Secret) -> Result<Reply, Error> {
        self.revoke(visitor, token.reveal()).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::Unprocessable("this token is not yours".into()),
            error => error,
        })
    }

    /// `GET /-/npm/v1/user`. Source: contract npm §8.3.
    pub(super) fn profile(&self, visitor: &Visitor) -> Result<Reply, Error> {
        Ok(answer(StatusCode::OK, &print_profile(self.gate.user(visitor)?)))
    }

    /// `POST /-/npm/v1/user`: another e-mail address or password. Source: contract npm §8.3.
    pub(super) async fn edit_profile(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        let Edit { email, password, tfa } = read(body)?;
        if !tfa.is_null() {
            return Err(Error::NotImplemented);
        }
        if let Some(NewPassword { old, new }) = &password {
            check_password(new)?;
            self.gate.overlay().log_in(&user.name, old, address(request)).await?;
        }
        let edit = UserEdit {
            email: email.as_deref().map(Some),
            password: password.as_ref().map(|password| &password.new),
            ..UserEdit::default()
        };
        let edited = self.gate.overlay().edit_user(user.id, edit, &self.gate.actor(visitor)).await?;
        Ok(answer(StatusCode::OK, &print_profile(&edited)))
    }

    /// `GET /-/npm/v1/tokens`, by pages. Source: contract npm §8.5.
    pub(super) async fn tokens(&self, request: &Request<'_>, visitor: &Visitor) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        let (per_page, page) = page(request.query)?;
        let tokens = self.gate.overlay().tokens(user.id, None, MAX_TOKENS).await?;
        let objects: Vec<Value> = tokens.iter().skip(page * per_page).take(per_page).map(print_token).collect();
        let has_more = tokens.len() > (page + 1) * per_page;
        let next = || format!("{}/-/npm/v1/tokens?perPage={per_page}&page={}", request.base, page + 1);
        let urls = if has_more { json!({ "next": next() }) } else { json!({}) };
        Ok(answer(StatusCode::OK, &json!({ "objects": objects, "total": tokens.len(), "urls": urls })))
    }

    /// `POST /-/npm/v1/tokens`: the password is asked for once more. Source: contract npm §8.5.
    pub(super) async fn issue_token(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        let wish: Wish = read(body)?;
        self.gate.overlay().log_in(&user.name, &wish.password, address(request)).await?;
        let networks = wish.cidr_whitelist.unwrap_or_default();
        if networks.len() > MAX_NETWORKS {
            return Err(Error::Unprocessable("a token may name 10 networks at most".into()));
        }
        let networks = Networks::parse(&networks.join(","))?;
        if [&wish.packages, &wish.scopes, &wish.orgs].into_iter().any(is_bound) || is_bound(&wish.orgs_permission) {
            return Err(Error::Unprocessable("tokens for some packages or organisations are not there yet".into()));
        }
        let is_read_only = match wish.packages_and_scopes_permission.as_deref() {
            None | Some("read-write") => wish.readonly,
            Some("read-only") => true,
            Some(_) => return Err(Error::Unprocessable("a token reads, or reads and writes".into())),
        };
        let new = NewToken {
            user: Some(user.id),
            kind: "user",
            name: &wish.name,
            rights: &Rights::all(),
            networks: &networks,
            is_read_only,
            is_automation: wish.automation,
            expires_at: wish.expires.map(expiry).transpose()?,
            form: FORM,
        };
        let (token, text) = self.gate.overlay().issue_token(new, &self.gate.actor(visitor)).await?;
        let mut body = print_token(&token);
        // This once.
        body["token"] = json!(text.reveal());
        Ok(answer(StatusCode::OK, &body))
    }

    /// `DELETE /-/npm/v1/tokens/token/{key}`, by its key or its text. Source: contract npm §8.5.
    pub(super) async fn revoke(&self, visitor: &Visitor, key: &str) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        let shown = self.gate.known(visitor)?.token.as_ref().map(|token| token.hash);
        let hash = key.parse().unwrap_or_else(|_| Digest::of(key.as_bytes()));
        let token = self.gate.overlay().token(hash).await?;
        let token = token.filter(|token| token.user == Some(user.id)).ok_or_else(|| Error::not_found("the token"))?;
        if shown != Some(token.hash) {
            // Its own any token may end.
            self.free_user(visitor)?;
        }
        self.gate.overlay().revoke_token(token.id, Some(user.id), &self.gate.actor(visitor)).await?;
        Ok(answer(StatusCode::OK, &json!({ "ok": true })))
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

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // What is wrong is not quoted: it may be a password.
    serde_json::from_slice(body).map_err(|_| Error::Unprocessable("the body lacks a member, or is no JSON".into()))
}

fn answer(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Reply::bytes(status, JSON, body.to_string());
    reply.set(CACHE_CONTROL, NO_STORE);
    reply
}

/// Tells whether a wish names something, other than nothing or no access.
fn is_bound(wish: &Value) -> bool {
    match wish {
        Value::Null | Value::Bool(false) => false,
        Value::Array(some) => !some.is_empty(),
        Value::String(text) => !text.is_empty() && text != "no-access",
        _ => true,
    }
}

/// Returns when so many days are over. Source: contract npm §8.5.
fn expiry(days: u64) -> Result<SystemTime, Error> {
    let end = (1..=3650).contains(&days).then(|| Clock::default().now() + Duration::from_secs(days * 86_400));
    end.ok_or(Error::Unprocessable("a token ends after 1 to 3650 days".into()))
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

fn print(time: SystemTime) -> String {
    print_millis(OffsetDateTime::from(time))
}

fn print_profile(user: &User) -> Value {
    json!({
        "tfa": null,
        "name": user.name.as_str(),
        "email": user.email,
        "email_verified": false,
        "created": print(user.created_at),
        "updated": print(user.modified_at),
        "cidr_whitelist": null,
        "fullname": "",
    })
}

/// Prints a token without its text.
fn print_token(token: &Token) -> Value {
    let networks = token.networks.to_string();
    let networks: Vec<&str> = networks.split(',').filter(|network| !network.is_empty()).collect();
    json!({
        "token": token.hint,
        "key": token.hash.to_hex(),
        "name": token.name,
        "cidr_whitelist": networks,
        "readonly": token.is_read_only,
        "automation": token.is_automation,
        "created": print(token.created_at),
        "updated": print(token.created_at),
        "lastUsedAt": token.last_used_at.map(print),
    })
}

/// Reads `perPage` and `page`. Source: contract npm §8.5.
fn page(query: &str) -> Result<(usize, usize), Error> {
    let number = |name: &str, default| {
        let given = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
        given.map_or(Ok(default), |(_, value)| value.parse().map_err(|_| Error::bad_request("a page is a number")))
    };
    match (number("perPage", 10)?, number("page", 0)?) {
        (per_page @ 1..=9_999, page @ 0..=9_999) => Ok((per_page, page)),
        _ => Err(Error::bad_request("a page has 1 to 9999 tokens")),
    }
}
