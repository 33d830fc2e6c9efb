//! How each client is pointed at a mount: the lines that a new user pastes.

use crate::registries::{Place, SetUp};

/// Returns the line of every client for a mount. yarn 4 refuses a registry without TLS unless it is told the host.
///
/// Source: each client's documentation of its settings. bun has no command that changes one; it reads a variable.
pub fn set_up(place: &Place<'_>) -> Vec<SetUp> {
    let Place { url, plain_host } = place;
    let line = |client, line| SetUp { client, line };
    let allow = plain_host.map_or_else(String::new, |host| {
        format!(" && yarn config set --home unsafeHttpWhitelist --json '[\"{host}\"]'")
    });
    vec![
        line("npm", format!("npm config set registry {url}/")),
        line("pnpm", format!("pnpm config set registry {url}/")),
        line("yarn 1", format!("yarn config set registry {url}/")),
        line("yarn 4", format!("yarn config set --home npmRegistryServer {url}/{allow}")),
        line("bun", format!("export BUN_CONFIG_REGISTRY={url}/")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_line_to_paste() {
        let place = Place { url: "https://mirror.example/npm", plain_host: None };
        let lines: Vec<_> = set_up(&place).into_iter().map(|set_up| set_up.line).collect();
        assert_eq!(
            lines,
            [
                "npm config set registry https://mirror.example/npm/",
                "pnpm config set registry https://mirror.example/npm/",
                "yarn config set registry https://mirror.example/npm/",
                "yarn config set --home npmRegistryServer https://mirror.example/npm/",
                "export BUN_CONFIG_REGISTRY=https://mirror.example/npm/",
            ]
        );
    }

    #[test]
    fn yarn_4_is_told_to_take_plain_http() {
        let place = Place { url: "http://127.0.0.1:4870/npm", plain_host: Some("127.0.0.1") };
        let yarn = &set_up(&place)[3].line;
        assert!(
            yarn.ends_with("/npm/ && yarn config set --home unsafeHttpWhitelist --json '[\"127.0.0.1\"]'"),
            "{yarn}"
        );
    }
}
