//! How each client is pointed at a mount: the lines that a new user pastes.

/// One client and the line that sets its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUp {
    pub client: &'static str,
    pub line: String,
}

/// Returns the line of every client for a mount at `url`, which has no `/` at its end. `plain_host` is the URL's host
/// where it has no TLS: yarn 4 refuses such a registry unless it is told the host.
///
/// Source: each client's documentation of its settings. bun has no command that changes one; it reads a variable.
pub fn set_up(url: &str, plain_host: Option<&str>) -> Vec<SetUp> {
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
        let lines: Vec<_> = set_up("https://mirror.example/npm", None).into_iter().map(|set_up| set_up.line).collect();
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
        let yarn = &set_up("http://127.0.0.1:4870/npm", Some("127.0.0.1"))[3].line;
        assert!(
            yarn.ends_with("/npm/ && yarn config set --home unsafeHttpWhitelist --json '[\"127.0.0.1\"]'"),
            "{yarn}"
        );
    }
}
