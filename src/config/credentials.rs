//! What an upstream asks of us: a token, a user and password, or a header as it stands, written in the file or in an environment variable.

use super::print::Printer;
use super::section::Section;
use super::tree::{Node, Origin};
use super::values::{Setting, read_optional};
use crate::base::secret::Secret;

/// One upstream's credentials, for its own origin only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer`. Source: RFC 6750 §2.1.
    Token(Secret),
    /// `Authorization: Basic`. The user is no secret by itself, but some registries take a token there.
    /// Source: RFC 7617 §2.
    Basic { username: Secret, password: Secret },
    /// `Authorization` as it is to be sent: a scheme that is neither, or none, as Hex's own keys have.
    /// Source: contract hex §7.2.
    Raw(Secret),
}

/// What became of a key.
enum Written {
    Absent,
    /// Written, but unusable; the mistake is noted.
    Broken,
    Read(Secret),
}

impl Credentials {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let raw = read_either(section, "authorization", "authorization_env");
        let other = Self::read_scheme(section);
        match (raw, other) {
            (Written::Absent, other) => other,
            (_, Some(_)) => refuse(section, "authorization", "must not stand beside token, or username and password"),
            (Written::Broken, None) => None,
            (Written::Read(raw), None) => Some(Self::Raw(raw)),
        }
    }

    fn read_scheme(section: &mut Section<'_>) -> Option<Self> {
        let token = read_either(section, "token", "token_env");
        let username = read_secret(section, "username");
        let password = read_either(section, "password", "password_env");
        match (token, username, password) {
            (Written::Read(token), Written::Absent, Written::Absent) => Some(Self::Token(token)),
            (Written::Absent, Written::Read(username), Written::Read(password)) => {
                if username.reveal().contains(':') {
                    section.complain("username", "must not hold a \":\"");
                }
                Some(Self::Basic { username, password })
            }
            (Written::Absent, Written::Absent, Written::Absent) => None,
            (Written::Absent, _, Written::Absent) => refuse(section, "username", "needs password or password_env"),
            (Written::Absent, Written::Absent, _) => refuse(section, "password", "needs username"),
            // One half is broken, and noted.
            (Written::Absent, _, _) | (Written::Broken, Written::Absent, Written::Absent) => None,
            (_, _, _) => refuse(section, "token", "must not stand beside username and password"),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        match self {
            Self::Token(token) => out.key("token", token),
            Self::Raw(authorization) => out.key("authorization", authorization),
            Self::Basic { username, password } => {
                out.key("username", username);
                out.key("password", password);
            }
        }
    }
}

fn refuse(section: &mut Section<'_>, key: &'static str, what: &str) -> Option<Credentials> {
    section.complain(key, what);
    None
}

/// Reads a secret from `key`, or from the variable that `variable_key` names; `None` when it is absent or wrong, which is
/// noted.
pub(super) fn read_secret_or_variable(
    section: &mut Section<'_>,
    key: &'static str,
    variable_key: &'static str,
) -> Option<Secret> {
    match read_either(section, key, variable_key) {
        Written::Read(secret) => Some(secret),
        Written::Absent | Written::Broken => None,
    }
}

/// Reads a secret from `key`, or from the variable that `variable_key` names.
fn read_either(section: &mut Section<'_>, key: &'static str, variable_key: &'static str) -> Written {
    let direct = read_secret(section, key);
    let Some(variable) = section.value::<Option<String>>(variable_key, None) else { return direct };
    if !matches!(direct, Written::Absent) {
        section.complain(variable_key, format!("must not stand beside {key}"));
        return Written::Broken;
    }
    // The name is not quoted: whoever writes the secret itself there must not find it in a log.
    let found = section.environment.get(&variable).ok_or("names an environment variable that is not set".to_owned());
    let secret = found.and_then(|text| Secret::read(&Node::text(text, Origin::Environment(variable))));
    note(section, variable_key, secret.map(Some))
}

fn read_secret(section: &mut Section<'_>, key: &'static str) -> Written {
    let read = read_optional(Secret::read);
    let result = section.value_with(key, Ok(None), |node| Ok(read(node)));
    note(section, key, result)
}

fn note(section: &mut Section<'_>, key: &'static str, result: Result<Option<Secret>, String>) -> Written {
    match result {
        Ok(None) => Written::Absent,
        Ok(Some(secret)) => Written::Read(secret),
        Err(what) => {
            section.complain(key, what);
            Written::Broken
        }
    }
}
