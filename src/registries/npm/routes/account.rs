//! Users, their logins, profiles and tokens. Source: contract npm §8.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::base::secret::Secret;
use crate::registries::npm::error::Error;
use crate::registries::paths::no_route;

/// What becomes of an account, or is asked of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// `/-/user/org.couchdb.user:{name}` (§8.3).
    User { name: Box<str> },
    /// `PUT` of the same: log in, or make an account (§8.2).
    LogIn { name: Box<str> },
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
    /// `DELETE /-/npm/v1/tokens/token/{key}`.
    RevokeToken { key: Box<str> },
}

/// Finds what lies under `/-/`; `None` for what is no account's.
pub fn find(segments: &[&str]) -> Result<Option<Target>, Error> {
    Ok(Some(match segments {
        ["whoami"] => Target::read(Account::WhoAmI),
        ["npm", "v1", "user"] => Target { post: Some(Account::EditProfile.into()), ..Target::read(Account::Profile) },
        ["npm", "v1", "tokens"] => Target { post: Some(Account::IssueToken.into()), ..Target::read(Account::Tokens) },
        ["npm", "v1", "tokens", "token", key] => Target::delete(Account::RevokeToken { key: (*key).into() }),
        ["user", "token", token] => Target::delete(Account::LogOut { token: Secret::new(*token) }),
        ["user", user] => find_user(user)?,
        _ => return Ok(None),
    }))
}

/// Reads `org.couchdb.user:{name}` (§8.2).
fn find_user(user: &str) -> Result<Target, Error> {
    let name = user.strip_prefix("org.couchdb.user:").filter(|name| !name.is_empty()).ok_or_else(no_route)?;
    let put = Some(Account::LogIn { name: name.into() }.into());
    Ok(Target { put, ..Target::read(Account::User { name: name.into() }) })
}

// === impl Account ===

impl Account {
    /// Says who is let in.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::LogIn { .. } => Access::Open,
            Self::User { .. } => Access::Read(""),
            Self::LogOut { .. } | Self::WhoAmI | Self::Profile | Self::EditProfile => Access::Known,
            Self::Tokens | Self::IssueToken | Self::RevokeToken { .. } => Access::Known,
        }
    }

    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::LogIn { .. } | Self::EditProfile | Self::IssueToken => Reads::Body,
            _ => Reads::Nothing,
        }
    }

    /// Tells whether its path holds a secret.
    pub fn hides_path(&self) -> bool {
        matches!(self, Self::LogOut { .. } | Self::RevokeToken { .. })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::LogIn { .. } => "log_in",
            Self::LogOut { .. } => "log_out",
            Self::WhoAmI => "whoami",
            Self::Profile => "profile",
            Self::EditProfile => "edit_profile",
            Self::Tokens => "tokens",
            Self::IssueToken => "issue_token",
            Self::RevokeToken { .. } => "revoke_token",
        }
    }
}

impl From<Account> for Action {
    fn from(account: Account) -> Self {
        Self::Account(account)
    }
}
