//! Tokens: made, listed, revoked. Source: contract npm §8.5.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{FORM, address, answer, print, read};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::networks::Networks;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::{NewToken, Token};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;

/// How many tokens of a user are listed at all.
const MAX_TOKENS: u64 = 10_000;
/// Networks that one token may name. Source: contract npm §8.5.
const MAX_NETWORKS: usize = 10;

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

impl Npm {
    /// `GET /-/npm/v1/tokens`, by pages. Source: contract npm §8.5.
    pub(in crate::registries::npm) async fn tokens(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
    ) -> Result<Reply, Error> {
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
    pub(in crate::registries::npm) async fn issue_token(
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
    pub(in crate::registries::npm) async fn revoke(&self, visitor: &Visitor, key: &str) -> Result<Reply, Error> {
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
