//! Invitations: codes by which somebody may make one account, where not everybody may. Random, shown once, kept as their
//! SHA-256, and used up by the very transaction that makes the account.

use std::time::SystemTime;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::invitations as rows;
use super::error::Error;
use super::tokens::Form;
use super::users::check_email;
use crate::base::digest::Digest;
use crate::base::secret::Secret;

/// An invitation, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: u64,
    /// The only address it is for.
    pub email: Option<String>,
    pub expires_at: SystemTime,
    pub used_at: Option<SystemTime>,
}

impl Overlay {
    /// Makes an invitation, for anybody or for who has an e-mail address. Its code is returned this once.
    ///
    /// # Errors
    /// [`Error::Malformed`], or the database's. Nothing was kept.
    pub async fn invite(
        &self,
        email: Option<&str>,
        expires_at: SystemTime,
        actor: &Actor,
    ) -> Result<(u64, Secret), Error> {
        check_email(email)?;
        let code = Form::Hex.random();
        let write = self.db.write(self.clock.now()).await?;
        rows::insert(&write, hash(&code), (email, expires_at)).await?;
        let id = write.number;
        let (subject, detail) = (format!("invitation {id}"), email.unwrap_or_default().to_owned());
        write.commit(&Entry { actor, verb: "invite", subject, detail }).await?;
        Ok((id, code))
    }
}

/// Returns what is kept of a code. Blanks around it come from copying, and case from whoever writes it down.
pub(super) fn hash(code: &Secret) -> Digest {
    Digest::of(code.reveal().trim().to_ascii_lowercase().as_bytes())
}

/// Tells whether an invitation holds for who wants an account.
///
/// # Errors
/// [`Error::NotInvited`].
pub(super) fn judge(held: Option<&Invitation>, email: Option<&str>, now: SystemTime) -> Result<u64, Error> {
    let held = held.filter(|held| held.used_at.is_none() && now < held.expires_at);
    let is_same = |wanted: &str| email.is_some_and(|email| email.to_lowercase() == wanted.to_lowercase());
    let held = held.filter(|held| held.email.as_deref().is_none_or(is_same));
    held.map(|held| held.id).ok_or(Error::NotInvited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    #[test]
    fn an_invitation_holds_once_in_time_and_for_its_address() {
        let invitation = |email: Option<&str>| Invitation {
            id: 7,
            email: email.map(str::to_owned),
            expires_at: from_millis(10),
            used_at: None,
        };
        let holds = |held: &Invitation, email, now| judge(Some(held), email, from_millis(now)).is_ok();
        assert!(holds(&invitation(None), None, 9) && holds(&invitation(None), Some("a@b"), 9));
        assert!(!holds(&invitation(None), None, 10));
        assert!(holds(&invitation(Some("A@b")), Some("a@B"), 9));
        assert!(!holds(&invitation(Some("a@b")), Some("c@b"), 9) && !holds(&invitation(Some("a@b")), None, 9));
        let used = Invitation { used_at: Some(from_millis(1)), ..invitation(None) };
        assert!(!holds(&used, None, 9));
        assert!(matches!(judge(None, None, from_millis(9)), Err(Error::NotInvited)));
    }

    #[test]
    fn a_code_is_the_same_however_it_is_copied() {
        assert_eq!(hash(&Secret::new(" 0AF \n")), hash(&Secret::new("0af")));
    }
}
