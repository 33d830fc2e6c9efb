//! What an account says of itself, and how that is changed. Source: contract npm §8.3.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{address, answer, check_password, print, read};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::overlay::users::{User, UserEdit};
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;

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
    /// `GET /-/npm/v1/user`. Source: contract npm §8.3.
    pub(super) fn profile(&self, visitor: &Visitor) -> Result<Reply, Error> {
        Ok(answer(StatusCode::OK, &print_profile(self.gate.user(visitor)?)))
    }

    /// `POST /-/npm/v1/user`: another e-mail address or password. Source: contract npm §8.3.
    pub(in crate::registries::npm) async fn edit_profile(
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
