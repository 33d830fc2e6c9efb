//! How each client is pointed at a mount: the lines that a new user pastes.

use crate::registries::{Place, SetUp};

/// Returns the line of every client for a mount. Source: contract nessemble §9.
pub fn set_up(place: &Place<'_>) -> Vec<SetUp> {
    vec![SetUp { client: "nessemble", line: format!("nessemble registry {}", place.url) }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_line_to_paste() {
        let place = Place { url: "http://mirror.example/nessemble", plain_host: None };
        let lines: Vec<_> = set_up(&place).into_iter().map(|set_up| set_up.line).collect();
        assert_eq!(lines, ["nessemble registry http://mirror.example/nessemble"]);
    }
}
