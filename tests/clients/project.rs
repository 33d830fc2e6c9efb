//! The project that every client installs: about 75 packages, 6 MB, no install script, nothing for one platform only.
//!
//! It holds what trips mirrors: a scoped name, a name in capitals, aliases (`string-width-cjs` is `string-width` 4 beside
//! `string-width` 5), and several versions of one package.

/// The number of packages the project is known to need, from below: `^` ranges move, and merge or split a few of them.
pub const PACKAGES_AT_LEAST: usize = 60;

/// The project's manifest. Its own dependencies are pinned; what those need is resolved anew by every client.
pub const MANIFEST: &str = r#"{
  "name": "installed-by-clients",
  "version": "1.0.0",
  "private": true,
  "dependencies": {
    "@isaacs/cliui": "8.0.2",
    "JSONStream": "1.3.5",
    "body-parser": "1.20.3",
    "micromatch": "4.0.8",
    "send": "0.19.0"
  }
}
"#;
