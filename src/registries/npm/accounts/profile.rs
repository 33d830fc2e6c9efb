//! What an account says of itself, how that is changed, and its second factor. Source: contract npm §8.3.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{address, check_password, read};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::factors::Mode;
use crate::overlay::users::{User, UserEdit};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::replies::unkept;
use crate::registries::times::print_millis;

/// What an account may say beside its name and address, as npm knows it.
const MEMBERS: [&str; 5] = ["fullname", "homepage", "freenode", "twitter", "github"];
/// The longest of them, in bytes.
const LONGEST: usize = 255;

/// What changes a profile. Source: contract npm §8.3; npm sends all members that it has read, and one that is other.
#[derive(Deserialize)]
struct Edit {
    email: Option<String>,
    password: Option<NewPassword>,
    tfa: Option<Tfa>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct NewPassword {
    old: Secret,
    new: Secret,
}

/// What is to become of a second factor: one is begun, changed or ended, or proved by a first code.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tfa {
    Wish { password: Secret, mode: String },
    Proof([Secret; 1]),
}

impl Npm {
    /// `GET /-/npm/v1/user`. Source: contract npm §8.3.
    pub(super) async fn profile(&self, visitor: &Visitor) -> Result<Reply, Error> {
        let user = self.gate.user(visitor)?;
        Ok(unkept(StatusCode::OK, &self.print_profile(user).await?))
    }

    /// `POST /-/npm/v1/user`: another e-mail address or password, what else an account says, its second factor. Source:
    /// contract npm §8.3.
    pub(in crate::registries::npm) async fn edit_profile(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let user = self.free_user(visitor)?;
        let Edit { email, password, tfa, rest } = read(body)?;
        if let Some(tfa) = tfa {
            return self.edit_factor(request, visitor, tfa).await;
        }
        if let Some(NewPassword { old, new }) = &password {
            check_password(new)?;
            self.gate.overlay().log_in(&user.name, old, address(request)).await?;
        }
        let said = merge(&read_said(user)?, &rest)?;
        let edit = UserEdit {
            email: email.as_deref().map(Some),
            password: password.as_ref().map(|password| &password.new),
            profile: said.as_deref(),
            ..UserEdit::default()
        };
        let edited = self.gate.overlay().edit_user(user.id, edit, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::OK, &self.print_profile(&edited).await?))
    }

    /// Begins, changes, ends or proves a second factor. Source: npm-profile's README, "profile.set".
    async fn edit_factor(&self, request: &Request<'_>, visitor: &Visitor, tfa: Tfa) -> Result<Reply, Error> {
        let (user, actor, overlay) = (self.gate.user(visitor)?, self.gate.actor(visitor), self.gate.overlay());
        let mut profile = match tfa {
            Tfa::Proof([code]) => {
                let codes = overlay.prove_factor(user, &code, &actor).await?;
                let codes: Vec<&str> = codes.iter().map(Secret::reveal).collect();
                return Ok(unkept(StatusCode::OK, &json!({ "name": user.name.as_str(), "tfa": codes })));
            }
            Tfa::Wish { password, mode } => {
                overlay.log_in(&user.name, &password, address(request)).await?;
                match (mode.as_str(), Mode::parse(&mode)) {
                    ("disable", _) => overlay.end_factor(user, &actor).await?,
                    (_, Some(mode)) if user.factor.is_some() => overlay.set_factor_mode(user, mode, &actor).await?,
                    (_, Some(mode)) => {
                        let secret = overlay.begin_factor(user, mode, &actor).await?;
                        let link = self.print_link(request, user, &secret);
                        return Ok(unkept(StatusCode::OK, &json!({ "name": user.name.as_str(), "tfa": link })));
                    }
                    (_, None) => return Err(Error::Unprocessable("the mode of a second factor is not known".into())),
                }
                self.print_profile(user).await?
            }
        };
        if profile["tfa"].is_null() {
            profile["tfa"] = Value::Bool(false);
        }
        Ok(unkept(StatusCode::OK, &profile))
    }

    /// Prints what an authenticator scans. Source: the Key Uri Format of Google's authenticator.
    fn print_link(&self, request: &Request<'_>, user: &User, secret: &Secret) -> String {
        let host = request.base.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
        let quote = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let issuer = quote(host);
        format!("otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}", quote(user.name.as_str()), secret.reveal())
    }

    async fn print_profile(&self, user: &User) -> Result<Value, Error> {
        let factor = self.gate.overlay().factor(user.id).await?;
        let tfa = factor.map(|factor| json!({ "pending": factor.is_pending, "mode": factor.mode.as_str() }));
        let mut profile = json!({
            "tfa": tfa,
            "name": user.name.as_str(),
            "email": user.email,
            "email_verified": false,
            "created": print_millis(user.created_at),
            "updated": print_millis(user.modified_at),
            "cidr_whitelist": null,
            "fullname": "",
        });
        if let Some(profile) = profile.as_object_mut() {
            profile.extend(read_said(user)?);
        }
        Ok(profile)
    }
}

/// Reads what an account says of itself.
pub(super) fn read_said(user: &User) -> Result<Map<String, Value>, Error> {
    let Some(kept) = &user.profile else { return Ok(Map::new()) };
    serde_json::from_slice(kept).map_err(|_| Error::internal("a profile of ours that cannot be read"))
}

/// Returns what an account says after an edit; `None` where that is what it has said before. What is null is taken away.
fn merge(held: &Map<String, Value>, edit: &Map<String, Value>) -> Result<Option<Vec<u8>>, Error> {
    let mut said = held.clone();
    for (member, value) in edit.iter().filter(|(member, _)| MEMBERS.contains(&member.as_str())) {
        match value {
            Value::Null => drop(said.remove(member)),
            Value::String(text) if text.len() <= LONGEST => drop(said.insert(member.clone(), value.clone())),
            _ => return Err(Error::Unprocessable(format!("{member} is no text, or too long").into())),
        }
    }
    Ok((said != *held).then(|| Value::Object(said).to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_an_account_says_is_changed_member_by_member() {
        let held = object(json!({ "fullname": "Joe", "github": "joe" }));
        let merged =
            |edit: Value| merge(&held, &object(edit)).map(|said| said.map(|said| String::from_utf8(said).unwrap()));
        assert_eq!(merged(json!({})).unwrap(), None);
        assert_eq!(merged(json!({ "fullname": "Joe", "email_verified": true, "tfa": 5 })).unwrap(), None);
        assert_eq!(merged(json!({ "github": null })).unwrap().unwrap(), "{\"fullname\":\"Joe\"}");
        let both = merged(json!({ "github": "j", "twitter": "t" })).unwrap().unwrap();
        assert_eq!(both, "{\"fullname\":\"Joe\",\"github\":\"j\",\"twitter\":\"t\"}");
        for wrong in [json!({ "fullname": 5 }), json!({ "fullname": "x".repeat(256) })] {
            assert!(merged(wrong).is_err());
        }
    }
}
