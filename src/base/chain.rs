//! An error and what it came from, in one line: no error's own text repeats its cause.

use std::error::Error;
use std::fmt;

/// Prints an error with its causes.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(formatter, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it cannot be read")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_told_with_its_causes() {
        assert_eq!(Chain(&Outer(io::Error::other("no such disk"))).to_string(), "it cannot be read: no such disk");
    }
}
