//! How a mount is used: the lines that a new user pastes.

use crate::registries::{Place, SetUp};

/// Returns the lines for a mount. How niso's own client is pointed at a registry is not documented, so that these are
/// for what everybody has.
pub fn set_up(place: &Place<'_>) -> Vec<SetUp> {
    let packages = format!("{}/v1/packages", place.url);
    vec![
        SetUp { client: "niso", line: format!("registry URL: {}", place.url) },
        SetUp { client: "curl", line: format!("curl -fOJ {packages}/NAME/latest/ARCH") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_line_to_paste() {
        let place = Place { url: "https://mirror.example/niso", plain_host: None };
        let lines: Vec<_> = set_up(&place).into_iter().map(|set_up| set_up.line).collect();
        let expected = [
            "registry URL: https://mirror.example/niso",
            "curl -fOJ https://mirror.example/niso/v1/packages/NAME/latest/ARCH",
        ];
        assert_eq!(lines, expected);
    }
}
