//! How each client is pointed at a mount: the lines that a new user pastes.

use crate::registries::{Place, SetUp};

/// Returns the line of every client for a mount. Any program that downloads will do; these two are everywhere.
pub fn set_up(place: &Place<'_>) -> Vec<SetUp> {
    let url = place.url;
    vec![
        SetUp { client: "curl", line: format!("curl -fLO {url}/PATH") },
        SetUp { client: "wget", line: format!("wget {url}/PATH") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_line_to_paste() {
        let place = Place { url: "https://mirror.example/files/node", plain_host: None };
        let lines: Vec<_> = set_up(&place).into_iter().map(|set_up| set_up.line).collect();
        assert_eq!(
            lines,
            ["curl -fLO https://mirror.example/files/node/PATH", "wget https://mirror.example/files/node/PATH"]
        );
    }
}
