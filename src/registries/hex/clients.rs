//! How each client is pointed at a mount: the lines that a new user pastes. Source: contract hex §4.

use super::pin;
use crate::config;
use crate::registries::{Place, SetUp};

/// Returns the line of every client for a mount. A repository beside the public one is added to mix by its name, and its
/// key is taken by its fingerprint; rebar3 wants both in a file.
pub fn set_up(keys: &config::Hex, place: &Place<'_>) -> Vec<SetUp> {
    let (url, name) = (place.url, &keys.repository);
    let line = |client, line| SetUp { client, line };
    if keys.is_hexpm() {
        return vec![line("mix", format!("export HEX_MIRROR={url}")), line("rebar3", format!("export HEX_CDN={url}"))];
    }
    let fingerprint = pin(keys).map(|pin| format!(" --fetch-public-key {}", pin.fingerprint()));
    vec![line("mix", format!("mix hex.repo add {name} {url}{}", fingerprint.unwrap_or_default()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { url: "https://mirror.example/hex", plain_host: None };

    fn lines(keys: &config::Hex) -> Vec<String> {
        set_up(keys, &PLACE).into_iter().map(|set_up| set_up.line).collect()
    }

    #[test]
    fn every_client_has_a_line_to_paste() {
        assert_eq!(
            lines(&config::Hex::default()),
            ["export HEX_MIRROR=https://mirror.example/hex", "export HEX_CDN=https://mirror.example/hex"]
        );
    }

    #[test]
    fn another_repository_is_added_by_name_and_fingerprint() {
        let fingerprint = format!("SHA256:{}", "A".repeat(43));
        let keys =
            config::Hex { repository: "acme".into(), fingerprint: Some(fingerprint.clone()), ..Default::default() };
        let expected = format!("mix hex.repo add acme https://mirror.example/hex --fetch-public-key {fingerprint}");
        assert_eq!(lines(&keys), [expected]);
    }
}
