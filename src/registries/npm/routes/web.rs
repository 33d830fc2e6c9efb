//! Logins by a browser. Source: contract npm §8.4; the paths below `login` are cnpm's.

use super::Target;
use super::account::Account;
use super::action::Reads;
use crate::base::secret::Secret;

/// What a client or a browser does for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Web {
    /// `POST /-/v1/login`: a client begins one.
    Begin,
    /// `/-/v1/login/request/session/{id}`: the page.
    Page { id: Secret },
    /// `POST` of the same: its user goes through with it.
    End { id: Secret },
    /// `/-/v1/login/done/session/{id}`: the client asks whether it is over.
    Done { id: Secret },
}

/// Finds what lies under `/-/`; `None` for what is no login.
pub fn find(segments: &[&str]) -> Option<Target> {
    match segments {
        ["v1", "login"] => Some(Target::post(Account::Web(Web::Begin))),
        ["v1", "login", "request", "session", id] => {
            let id = || Secret::new(*id);
            let end = Some(Account::Web(Web::End { id: id() }).into());
            Some(Target { post: end, ..Target::read(Account::Web(Web::Page { id: id() })) })
        }
        ["v1", "login", "done", "session", id] => Some(Target::read(Account::Web(Web::Done { id: Secret::new(*id) }))),
        _ => None,
    }
}

// === impl Web ===

impl Web {
    pub fn reads(&self) -> Reads<'_> {
        match self {
            Self::Begin | Self::End { .. } => Reads::Credentials,
            Self::Page { .. } | Self::Done { .. } => Reads::Nothing,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin_web_login",
            Self::Page { .. } => "web_login_page",
            Self::End { .. } => "end_web_login",
            Self::Done { .. } => "web_login_done",
        }
    }
}
