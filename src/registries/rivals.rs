//! What every client is told of a release that is held to what was first seen of it: one sentence, whatever the dialect
//! puts it in.

/// Says that upstream has other bytes of `what` than were proved first, and what can be done about it.
pub fn refusal(what: &str) -> String {
    format!(
        "{what} has other bytes upstream than when this mirror first saw it; \
         they are refused until its operator accepts them"
    )
}
