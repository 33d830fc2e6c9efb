//! Tokens: made, listed, revoked. Source: contract npm §8.5.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bounds::{self, Bounds, Names};
use super::{FORM, address, read};
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
use crate::registries::npm::replies::unkept;
use crate::registries::queries::parse_number;
use crate::registries::times::print_millis;

/// How many tokens of a user are listed at all.
const MAX_TOKENS: u64 = 10_000;
/// Networks that one token may name. Source: contract npm §8.5.
const MAX_NETWORKS: usize = 10;

/// Days that cnpm lets a token live.
const DAYS: std::ops::RangeInclusive<u64> = 1..=365;

/// What our tokens are, in cnpm's words: they do what their user may, or are bound to something.
const FREE: &str = "user";
const BOUND: &str = "granular";

/// Which tokens are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    All,
    /// Those that are bound to something.
    Bound,
}

/// What makes a token. Source: contract npm §8.5.
#[derive(Deserialize)]
struct Wish {
    password: Secret,
    #[serde(flatten)]
    common: Common,
    /// Days until it ends.
    expires: Option<u64>,
    /// npm 11's word for automation.
    #[serde(default)]
    bypass_2fa: bool,
    #[serde(flatten)]
    bounds: Bounds,
}

/// What makes a token that is bound to something, in cnpm's words. Source: contract npm §8.5.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BoundWish {
    #[serde(flatten)]
    common: Common,
    expires: u64,
    #[serde(default)]
    allowed_packages: Names,
    #[serde(default)]
    allowed_scopes: Names,
}

/// What both say.
#[derive(Deserialize)]
struct Common {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    automation: bool,
    cidr_whitelist: Option<Vec<String>>,
}

impl Npm {
    /// `GET /-/npm/v1/tokens`, by pages. Source: contract npm §8.5.
    pub(in crate::registries::npm) async fn tokens(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        listed: Listed,
    ) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        let (per_page, page) = page(request.query)?;
        let mut tokens = self.gate.overlay().tokens(user.id, None, MAX_TOKENS).await?;
        tokens.retain(|token| listed == Listed::All || token.kind == BOUND);
        let print = |token| print_token(token, self.gate.mount());
        let objects: Vec<Value> = tokens.iter().skip(page * per_page).take(per_page).map(print).collect();
        let has_more = tokens.len() > (page + 1) * per_page;
        let path = if listed == Listed::All { "tokens" } else { "tokens/gat" };
        let next = || format!("{}/-/npm/v1/{path}?perPage={per_page}&page={}", request.base, page + 1);
        let urls = if has_more { json!({ "next": next() }) } else { json!({}) };
        Ok(unkept(StatusCode::OK, &json!({ "objects": objects, "total": tokens.len(), "urls": urls })))
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
        let expires_at = wish.expires.map(expiry).transpose()?;
        let rights = wish.bounds.rights(self.gate.mount())?;
        let common = Common {
            readonly: wish.common.readonly || rights.is_none() && wish.bounds.is_read_only(),
            automation: wish.common.automation || wish.bypass_2fa,
            ..wish.common
        };
        self.issue(visitor, &common, rights, expires_at).await
    }

    /// `POST /-/npm/v1/tokens/gat`: a token that ends within a year. Without names it is bound to this mount. Source:
    /// contract npm §8.5.
    pub(in crate::registries::npm) async fn issue_bound_token(
        &self,
        visitor: &Visitor,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let wish: BoundWish = read(body)?;
        if wish.common.name.is_empty() || !DAYS.contains(&wish.expires) {
            return Err(Error::Unprocessable("such a token has a name, and ends after 1 to 365 days".into()));
        }
        let bounds = Bounds::of(wish.allowed_packages, wish.allowed_scopes);
        let rights = bounds.rights(self.gate.mount())?;
        self.issue(visitor, &wish.common, rights, Some(expiry(wish.expires)?)).await
    }

    async fn issue(
        &self,
        visitor: &Visitor,
        common: &Common,
        rights: Option<Rights>,
        expires_at: Option<SystemTime>,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        let networks = common.cidr_whitelist.as_deref().unwrap_or_default();
        if networks.len() > MAX_NETWORKS {
            return Err(Error::Unprocessable("a token may name 10 networks at most".into()));
        }
        let networks = Networks::parse(&networks.join(","))?;
        let (networks, expires_at) = within(self.gate.known(visitor)?.token.as_ref(), networks, expires_at)?;
        let new = NewToken {
            user: Some(user.id),
            kind: if rights.is_some() { BOUND } else { FREE },
            name: &common.name,
            description: &common.description,
            rights: &rights.unwrap_or_else(Rights::all),
            networks: &networks,
            is_read_only: common.readonly,
            is_automation: common.automation,
            expires_at,
            form: FORM,
        };
        let (token, text) = self.gate.overlay().issue_token(new, &self.gate.actor(visitor)).await?;
        let mut body = print_token(&token, self.gate.mount());
        // This once.
        body["token"] = json!(text.reveal());
        Ok(unkept(StatusCode::OK, &body))
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
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }
}

/// Holds a new token to the bounds of the one that makes it: it ends no later, and holds from nowhere else.
fn within(
    maker: Option<&Token>,
    networks: Networks,
    expires_at: Option<SystemTime>,
) -> Result<(Networks, Option<SystemTime>), Error> {
    let Some(maker) = maker else { return Ok((networks, expires_at)) };
    let ends = [maker.expires_at, expires_at].into_iter().flatten().min();
    match (maker.networks == Networks::default(), networks == Networks::default()) {
        (true, _) => Ok((networks, ends)),
        (false, true) => Ok((maker.networks.clone(), ends)),
        (false, false) => Err(Error::Forbidden("this token makes none for other networks than its own".into())),
    }
}

/// Returns when so many days are over. Source: contract npm §8.5.
fn expiry(days: u64) -> Result<SystemTime, Error> {
    let end = (1..=3650).contains(&days).then(|| Clock::default().now() + Duration::from_secs(days * 86_400));
    end.ok_or(Error::Unprocessable("a token ends after 1 to 3650 days".into()))
}

/// Prints a token without its text.
fn print_token(token: &Token, mount: &str) -> Value {
    let networks = token.networks.to_string();
    let networks: Vec<&str> = networks.split(',').filter(|network| !network.is_empty()).collect();
    let expires_at = token.expires_at.map(print_millis);
    let mut body = json!({
        "token": token.hint,
        "key": token.hash.to_hex(),
        "name": token.name,
        "cidr_whitelist": networks,
        "readonly": token.is_read_only,
        "automation": token.is_automation,
        "created": print_millis(token.created_at),
        "updated": print_millis(token.created_at),
        "lastUsedAt": token.last_used_at.map(print_millis),
        "description": token.description,
        "expires": expires_at,
        "expiry": expires_at,
        "expiredAt": expires_at,
        "type": token.kind,
        "bypass_2fa": token.is_automation,
    });
    if let (Some(body), Some(Value::Object(bounds))) = (body.as_object_mut(), bounds::print(token, mount)) {
        body.extend(bounds);
    }
    body
}

/// Reads `perPage` and `page`. Source: contract npm §8.5.
fn page(query: &str) -> Result<(usize, usize), Error> {
    let number = |name: &str, default| parse_number(query, name, default, "a page is a number");
    match (number("perPage", 10)?, number("page", 0)?) {
        (per_page @ 1..=9_999, page @ 0..=9_999) => Ok((per_page, page)),
        _ => Err(Error::bad_request("a page has 1 to 9999 tokens")),
    }
}
