//! What a shared cache may do with a response, by the letter of RFC 9111. Pure decisions, over heads and times.
//!
//! | question | answered in |
//! |---|---|
//! | what do `Cache-Control` and its directives say? | [`directives`] |
//! | may the response be stored, and which of its headers? | [`storing`] |
//! | how long is it fresh, how old is it? | [`lifetime`] |
//! | may it be reused for this request, now? | [`reuse`] |
//! | is it the one that was selected by this request's headers? | [`vary`] |
//!
//! Documents of registries are held to looser rules ([`super::fresh`]): a mount says how long they are trusted. Files
//! come from servers of which nothing is known but what they say.

pub mod directives;
pub mod lifetime;
pub mod reuse;
pub mod storing;
pub mod vary;
