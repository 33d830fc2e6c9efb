//! Users, their logins, profiles and tokens. Source: contract npm §8.

use url::form_urlencoded;

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use super::web::{self, Web};
use super::write::parse_revision;
use crate::base::secret::Secret;
use crate::registries::npm::error::Error;
use crate::registries::paths::no_route;

/// What becomes of an account, or is asked of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// `/-/user/org.couchdb.user:{name}` (§8.3). `is_edited`: the client is about to edit it.
    User { name: Box<str>, is_edited: bool },
    /// `PUT` of the same: log in, or make an account (§8.2).
    LogIn { name: Box<str> },
    /// `PUT` of the same with `/-rev/{rev}`: another e-mail address or password (§8.3). `expected`: the revision that the
    /// client has seen.
    EditUser { name: Box<str>, expected: u64 },
    /// `DELETE /-/user/token/{token}` (§8.3).
    LogOut { token: Secret },
    /// `/-/whoami` (§8.3).
    WhoAmI,
    /// `/-/npm/v1/user` (§8.3).
    Profile,
    /// `POST` of the same.
    EditProfile,
    /// `/-/npm/v1/tokens` (§8.5).
    Tokens,
    /// `POST` of the same.
    IssueToken,
    /// `DELETE /-/npm/v1/tokens/token/{key}`, and the same below `gat`.
    RevokeToken { key: Box<str> },
    /// `/-/npm/v1/tokens/gat`: tokens that are bound to something (§8.5).
    BoundTokens,
    /// `POST` of the same.
    IssueBoundToken,
    /// Logins by a browser.
    Web(Web),
}

/// Finds what lies under `/-/`; `None` for what is no account's.
pub fn find(segments: &[&str], query: &str) -> Result<Option<Target>, Error> {
    Ok(Some(match segments {
        ["whoami"] => Target::read(Account::WhoAmI),
        ["npm", "v1", "user"] => Target { post: Some(Account::EditProfile.into()), ..Target::read(Account::Profile) },
        ["npm", "v1", "tokens"] => Target { post: Some(Account::IssueToken.into()), ..Target::read(Account::Tokens) },
        ["npm", "v1", "tokens", "gat"] => {
            Target { post: Some(Account::IssueBoundToken.into()), ..Target::read(Account::BoundTokens) }
        }
        ["npm", "v1", "tokens", "token" | "gat", key] => Target::delete(Account::RevokeToken { key: (*key).into() }),
        ["user", "token", token] => Target::delete(Account::LogOut { token: Secret::new(*token) }),
        ["user", user] => find_user(user, is_edited(query))?,
        ["user", user, "-rev", revision] => {
            let (name, expected) = (parse_user(user)?, parse_revision(revision));
            Target { put: Some(Account::EditUser { name, expected }.into()), ..Target::default() }
        }
        _ => return Ok(web::find(segments)),
    }))
}

fn find_user(user: &str, is_edited: bool) -> Result<Target, Error> {
    let name = parse_user(user)?;
    let put = Some(Account::LogIn { name: name.clone() }.into());
    Ok(Target { put, ..Target::read(Account::User { name, is_edited }) })
}

/// npm says so before it edits (§8.2).
fn is_edited(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "write" && value == "true")
}

/// Reads `org.couchdb.user:{name}` (§8.2).
fn parse_user(user: &str) -> Result<Box<str>, Error> {
    let name = user.strip_prefix("org.couchdb.user:").filter(|name| !name.is_empty());
    name.map(Into::into).ok_or_else(no_route)
}

// === impl Account ===

impl Account {
    /// Says who is let in.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::LogIn { .. } | Self::Web(_) => Access::Open,
            Self::User { is_edited: false, .. } => Access::Read(""),
            Self::User { .. }
            | Self::EditUser { .. }
            | Self::LogOut { .. }
            | Self::WhoAmI
            | Self::Profile
            | Self::EditProfile => Access::Known,
            Self::Tokens | Self::IssueToken | Self::RevokeToken { .. } => Access::Known,
            Self::BoundTokens | Self::IssueBoundToken => Access::Known,
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::LogIn { .. } => Reads::Credentials,
            Self::EditUser { .. } | Self::EditProfile => Reads::Body,
            Self::IssueToken | Self::IssueBoundToken => Reads::Body,
            Self::Web(web) => web.reads(),
            _ => Reads::Nothing,
        }
    }

    /// Tells whether its path holds a secret.
    pub fn hides_path(&self) -> bool {
        matches!(self, Self::LogOut { .. } | Self::RevokeToken { .. } | Self::Web(_))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::LogIn { .. } => "log_in",
            Self::EditUser { .. } => "edit_user",
            Self::LogOut { .. } => "log_out",
            Self::WhoAmI => "whoami",
            Self::Profile => "profile",
            Self::EditProfile => "edit_profile",
            Self::Tokens => "tokens",
            Self::IssueToken => "issue_token",
            Self::RevokeToken { .. } => "revoke_token",
            Self::Web(web) => web.name(),
            Self::BoundTokens => "bound_tokens",
            Self::IssueBoundToken => "issue_bound_token",
        }
    }
}

impl From<Account> for Action {
    fn from(account: Account) -> Self {
        Self::Account(account)
    }
}
