//! What may still be missing when credentials are right.

/// What is asked for beside credentials that are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Challenge {
    #[error("this token may not be used from this address")]
    Network,
    #[error("this needs a one-time password of the account's second factor")]
    Code,
    #[error("the one-time password is wrong, or was used before")]
    WrongCode,
}
