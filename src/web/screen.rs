//! What a new user sees when the server starts: where it is, what it mirrors, and the line to paste for each client.

use std::io::{Write, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::base::secret::SafeUrl;
use crate::config::{Config, Dialect, Mount};
use crate::registries::{self, SetUp};

/// The screen, but for the addresses, which are known once they are bound.
#[derive(Clone, Debug)]
pub struct Screen {
    scheme: &'static str,
    data: PathBuf,
    offline: bool,
    mounts: Vec<Place>,
}

/// What the screen tells of one mount.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    dialect: Dialect,
    path: String,
    /// An address of its own.
    listen: Option<SocketAddr>,
    public_url: Option<SafeUrl>,
    /// In words.
    upstreams: String,
}

// === impl Screen ===

impl Screen {
    pub fn of(config: &Config) -> Self {
        let place = |mount: &Mount| Place {
            name: mount.name.clone(),
            dialect: mount.dialect.clone(),
            path: mount.path.clone(),
            listen: mount.listen.first().copied(),
            public_url: mount.public_base(&config.listen),
            upstreams: print_upstreams(mount),
        };
        Self {
            scheme: if config.listen.tls.is_some() { "https" } else { "http" },
            data: absolute(&config.data),
            offline: config.offline,
            mounts: config.mounts.iter().map(place).collect(),
        }
    }

    /// Writes the screen to the standard error: the standard output is the log's.
    pub fn print(&self, addresses: &[SocketAddr]) {
        // Where nobody can see the screen, there is nobody to tell.
        let _ = stderr().lock().write_all(self.text(addresses).as_bytes());
    }

    /// Returns the screen for a server that listens on `addresses`.
    pub fn text(&self, addresses: &[SocketAddr]) -> String {
        let mut text = format!("\nHeliostat {}\n\n", env!("CARGO_PKG_VERSION"));
        for address in addresses {
            text.push_str(&format!("  address  {}://{address}{}\n", self.scheme, reach(*address)));
        }
        text.push_str(&format!("  data     {}\n", self.data.display()));
        if self.offline {
            text.push_str("  offline  upstreams are never asked\n");
        }
        self.mounts.iter().for_each(|place| place.print(&self.url_of(place, addresses), &mut text));
        text.push('\n');
        text
    }
}

impl Screen {
    /// Returns where a mount is reached, without a slash at the end.
    fn url_of(&self, place: &Place, addresses: &[SocketAddr]) -> String {
        let at = |address: SocketAddr, path| format!("{}://{}{path}", self.scheme, local(address));
        match (&place.public_url, place.listen, addresses.first()) {
            (Some(url), ..) => url.as_url().as_str().trim_end_matches('/').to_owned(),
            (None, Some(own), _) => at(own, ""),
            (None, None, Some(first)) => at(*first, &place.path),
            (None, None, None) => place.path.clone(),
        }
    }
}

/// Tells who reaches an address, where that may surprise.
fn reach(address: SocketAddr) -> &'static str {
    if address.ip().is_unspecified() { "  (open to the network)" } else { "" }
}

/// Returns an address that reaches the server from this machine.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn absolute(path: &Path) -> PathBuf {
    // It fails only for an empty path or a current directory that is gone: then the path as it is says as much.
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.components().collect())
}

fn print_upstreams(mount: &Mount) -> String {
    let mut words: Vec<_> = mount
        .upstreams
        .iter()
        .map(|upstream| match &upstream.scopes[..] {
            [] => upstream.url.to_string(),
            scopes => format!("{} for {}", upstream.url, scopes.join(", ")),
        })
        .collect();
    if mount.upstreams.iter().all(|upstream| !upstream.scopes.is_empty()) {
        words.push(registries::of(&mount.dialect).default_upstream_in_words().to_owned());
    }
    words.join("; ")
}

// === impl Place ===

impl Place {
    fn print(&self, url: &str, text: &mut String) {
        let plain_host = url.strip_prefix("http://").map(host_of);
        text.push_str(&format!("\n{} at {url}/ mirrors {}. To use it, paste:\n\n", self.name, self.upstreams));
        for SetUp { client, line } in registries::of(&self.dialect).set_up(&registries::Place { url, plain_host }) {
            text.push_str(&format!("  {client:<7}  {line}\n"));
        }
    }
}

/// Returns the host of what follows the scheme of a URL, without its port.
fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Upstream;

    fn url(text: &str) -> SafeUrl {
        SafeUrl::parse(text).unwrap()
    }

    #[test]
    fn the_screen_shows_address_data_mounts_and_the_lines_to_paste() {
        let config = Config { data: "/var/lib/heliostat".into(), ..Config::default() };
        let text = Screen::of(&config).text(&["127.0.0.1:4870".parse().unwrap()]);
        let expected = r#"
  address  http://127.0.0.1:4870
  data     /var/lib/heliostat

npm at http://127.0.0.1:4870/npm/ mirrors the registry that npm is set to on this machine. To use it, paste:

  npm      npm config set registry http://127.0.0.1:4870/npm/
  pnpm     pnpm config set registry http://127.0.0.1:4870/npm/
  yarn 1   yarn config set registry http://127.0.0.1:4870/npm/
  yarn 4   yarn config set --home npmRegistryServer http://127.0.0.1:4870/npm/ && yarn config set --home unsafeHttpWhitelist --json '["127.0.0.1"]'
  bun      export BUN_CONFIG_REGISTRY=http://127.0.0.1:4870/npm/

hex at http://127.0.0.1:4870/hex/ mirrors https://repo.hex.pm/. To use it, paste:

  mix      export HEX_MIRROR=http://127.0.0.1:4870/hex
  rebar3   export HEX_CDN=http://127.0.0.1:4870/hex

niso at http://127.0.0.1:4870/niso/ mirrors https://registry.niso.online/. To use it, paste:

  niso     registry URL: http://127.0.0.1:4870/niso
  curl     curl -fOJ http://127.0.0.1:4870/niso/v1/packages/NAME/latest/ARCH

nessemble at http://127.0.0.1:4870/nessemble/ mirrors http://www.nessemble.com/registry/. To use it, paste:

  nessemble  nessemble registry http://127.0.0.1:4870/nessemble

"#;
        assert_eq!(text, format!("\nHeliostat {}\n{expected}", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn what_is_open_offline_or_elsewhere_is_said() {
        let mut config = Config { offline: true, ..Config::default() };
        config.listen.public_url = Some(url("https://mirror.example/"));
        let scoped = Upstream { scopes: vec!["@acme".to_owned()], ..Upstream::open(url("https://corp.example/")) };
        config.mounts[0].upstreams = vec![scoped, Upstream::open(url("https://joe:hunter2@registry.example/"))];
        let text = Screen::of(&config).text(&["0.0.0.0:80".parse().unwrap(), "[::1]:81".parse().unwrap()]);
        assert!(text.contains("  address  http://0.0.0.0:80  (open to the network)\n  address  http://[::1]:81\n"));
        assert!(text.contains("  offline  "));
        let mount = "npm at https://mirror.example/npm/ mirrors https://corp.example/ for @acme; \
                     https://****@registry.example/.";
        assert!(text.contains(mount), "{text}");
        assert!(!text.contains("unsafeHttp") && !text.contains("hunter2"));
    }

    #[test]
    fn a_mount_with_an_address_of_its_own_is_reached_there() {
        let mut config = Config::default();
        config.mounts[0].listen = vec!["0.0.0.0:4871".parse().unwrap()];
        let text = Screen::of(&config).text(&["127.0.0.1:4870".parse().unwrap(), "0.0.0.0:4871".parse().unwrap()]);
        assert!(text.contains("\nnpm at http://127.0.0.1:4871/ mirrors "), "{text}");
    }

    #[test]
    fn every_address_is_reached_from_here_by_some_other() {
        let local = |text: &str| local(text.parse().unwrap()).to_string();
        assert_eq!(local("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(local("[::]:1"), "[::1]:1");
        assert_eq!(local("192.0.2.1:1"), "192.0.2.1:1");
        assert_eq!(host_of("[::1]:4870/npm"), "[::1]");
        assert_eq!(host_of("mirror.example/npm"), "mirror.example");
    }
}
