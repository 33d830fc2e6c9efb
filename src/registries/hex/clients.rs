//! How each client is pointed at a mount: the lines that a new user pastes. Source: contract hex §4.

use super::keys::{Fingerprint, PublicKey};
use super::pin;
use crate::config;
use crate::registries::{Place, SetUp};

/// What the file is called that `public_key` of a mirror was saved to.
const FETCHED: &str = "public_key.pem";

/// Returns the line of every client for a mount. A repository beside the public one is added to mix by its name, and its
/// key is taken by its fingerprint; rebar3 wants both in a file.
pub fn set_up(keys: &config::Hex, place: &Place<'_>) -> Vec<SetUp> {
    let (url, name) = (place.url, &keys.repository);
    let line = |client, line| SetUp { client, line };
    let pin = pin(keys).ok();
    let is_public = keys.is_hexpm() && pin.as_ref().is_some_and(|pin| pin.fingerprint() == hexpm());
    if keys.is_hexpm() && !is_public {
        // Clients keep the key that they have for this name, whatever its URL is, until they are told another.
        let file = keys.public_key.as_ref().map_or(FETCHED.into(), |key| key.file.display().to_string());
        return vec![line("mix", format!("mix hex.repo set {name} --url {url} --public-key {file}"))];
    }
    if is_public {
        return vec![line("mix", format!("export HEX_MIRROR={url}")), line("rebar3", format!("export HEX_CDN={url}"))];
    }
    let fingerprint = pin.map(|pin| format!(" --fetch-public-key {}", pin.fingerprint()));
    vec![line("mix", format!("mix hex.repo add {name} {url}{}", fingerprint.unwrap_or_default()))]
}

fn hexpm() -> Fingerprint {
    PublicKey::hexpm().fingerprint()
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
    fn a_repository_that_calls_itself_public_and_signs_by_another_key_is_set_with_that_key() {
        let pem = super::super::samples::Signer::repository().public_key().to_pem().into_bytes();
        let public_key = Some(config::PublicKey { file: "/etc/heliostat/own.pem".into(), pem });
        let fingerprint = Some(format!("SHA256:{}", "A".repeat(43)));
        for (keys, file) in [
            (config::Hex { public_key, ..Default::default() }, "/etc/heliostat/own.pem"),
            (config::Hex { fingerprint, ..Default::default() }, "public_key.pem"),
        ] {
            let expected = format!("mix hex.repo set hexpm --url https://mirror.example/hex --public-key {file}");
            assert_eq!(lines(&keys), [expected]);
        }
        let fingerprint = Some(PublicKey::hexpm().fingerprint().to_string());
        assert_eq!(lines(&config::Hex { fingerprint, ..Default::default() }), lines(&config::Hex::default()));
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
