//! What a mount speaks, and the keys that only mounts of that dialect have.

use std::time::Duration;

use super::files::Files;
use super::hex::Hex;
use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, Size, print_list, quote, read_choice, text_of};

/// The protocol a mount speaks, with its own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    Npm(Npm),
    Hex(Hex),
    Files(Files),
    Niso(Niso),
    Nessemble(Nessemble),
}

/// Keys of npm mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Npm {
    /// Names that are ours, with `*` for any run of characters: published here, and never asked upstream.
    pub own: Vec<String>,
    /// Names of upstream's, with `*` for any run of characters, that may be published over here: then both are served as
    /// one, and ours win.
    pub merged: Vec<String>,
    /// What names may be made here.
    pub new_names: NewNames,
    /// Bytes of the longest publish, whose tarball is a third longer in it than it is.
    pub max_publish_bytes: u64,
    /// Whether who shows no credentials may read.
    pub anonymous_reading: bool,
    /// Whether registries that admins name over HTTP may have loopback, link-local and private addresses.
    pub allow_private_registries: bool,
    /// Whether the files of a version are served one by one.
    pub files: bool,
    pub downloads: Downloads,
    pub signatures: Signatures,
    /// Whether what is published here is signed, with a key of our own.
    pub sign: bool,
}

/// Which names may be made; those that are there are never judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewNames {
    /// Whatever npm takes for the name of an old package.
    Old,
    /// What cnpm's registry was first made for: lower case, and nothing that stands for anything in a URL.
    Seed,
    /// What npm lets be published today.
    New,
}

/// Keys of niso mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Niso {
    /// Whether upstreams want the slash of `@acme/app` as `%2F`.
    pub escaped_slash: bool,
}

/// Keys of nessemble mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nessemble {
    /// How many requests one address may make.
    pub requests_per_minute: u32,
    pub requests_per_day: u32,
}

/// Who tells how often mirrored packages were fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloads {
    /// Upstream, of everybody.
    Upstream,
    /// We, of who fetched them here.
    Own,
}

/// What is asked of a registry's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// A missing one refuses, and so does a bad one.
    Require,
    /// A bad one refuses, a missing one passes.
    Verify,
    Off,
}

/// Makes a dialect with its keys at their defaults.
type Make = fn() -> Dialect;

/// Every dialect by its name.
const DIALECTS: [(&str, Make); 5] = [
    ("npm", || Dialect::Npm(Npm::default())),
    ("hex", || Dialect::Hex(Hex::default())),
    ("files", || Dialect::Files(Files::default())),
    ("niso", || Dialect::Niso(Niso::default())),
    ("nessemble", || Dialect::Nessemble(Nessemble::default())),
];

const SIGNATURES: [(&str, Signatures); 3] =
    [("require", Signatures::Require), ("verify", Signatures::Verify), ("off", Signatures::Off)];

const NEW_NAMES: [(&str, NewNames); 3] =
    [("old-rules", NewNames::Old), ("seed-regex", NewNames::Seed), ("npm-new", NewNames::New)];

const DOWNLOADS: [(&str, Downloads); 2] = [("upstream", Downloads::Upstream), ("own", Downloads::Own)];

// === impl Dialect ===

impl Default for Dialect {
    fn default() -> Self {
        Self::Npm(Npm::default())
    }
}

impl Dialect {
    /// Returns every dialect, with its keys at their defaults.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        DIALECTS.iter().map(|(_, make)| make())
    }

    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Npm(_) => "npm",
            Self::Hex(_) => "hex",
            Self::Files(_) => "files",
            Self::Niso(_) => "niso",
            Self::Nessemble(_) => "nessemble",
        }
    }

    /// Returns where a mount is that does not say: several trees are mirrored more often than several registries.
    pub(super) fn path(&self, name: &str) -> String {
        match self {
            Self::Npm(_) | Self::Hex(_) | Self::Niso(_) | Self::Nessemble(_) => format!("/{name}"),
            Self::Files(_) => format!("/files/{name}"),
        }
    }

    /// Returns how long an upstream is believed at most.
    pub(super) fn max_ttl(&self) -> Duration {
        match self {
            Self::Npm(_) | Self::Hex(_) | Self::Niso(_) | Self::Nessemble(_) => Duration::from_secs(5 * 60),
            Self::Files(_) => Files::MAX_TTL,
        }
    }

    /// Tells whether a mount must name its upstream.
    pub(super) fn needs_upstream(&self) -> bool {
        match self {
            Self::Npm(_) | Self::Niso(_) | Self::Nessemble(_) => false,
            Self::Hex(hex) => !hex.is_hexpm(),
            Self::Files(_) => true,
        }
    }

    /// Tells whether packages have scopes, which may have upstreams of their own.
    pub(super) fn has_scopes(&self) -> bool {
        match self {
            Self::Npm(_) | Self::Niso(_) => true,
            Self::Hex(_) | Self::Files(_) | Self::Nessemble(_) => false,
        }
    }

    /// Tells whether there are packages, which have names and versions.
    pub(super) fn has_packages(&self) -> bool {
        !matches!(self, Self::Files(_))
    }

    /// Reads which dialect a mount speaks; its own keys come later, in the order of the file.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default: Make = Self::default;
        section.value_with("dialect", default, |node| read_choice(node, &DIALECTS))()
    }

    /// Reads the keys that only this dialect has.
    pub(super) fn read_keys(self, section: &mut Section<'_>) -> Self {
        match self {
            Self::Npm(npm) => Self::Npm(npm.read(section)),
            Self::Hex(hex) => Self::Hex(hex.read(section)),
            Self::Files(files) => Self::Files(files.read(section)),
            Self::Niso(niso) => Self::Niso(niso.read(section)),
            Self::Nessemble(nessemble) => Self::Nessemble(nessemble.read(section)),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.text("dialect", &quote(self.as_str()));
    }

    pub(super) fn print_keys(&self, out: &mut Printer) {
        match self {
            Self::Npm(npm) => npm.print(out),
            Self::Hex(hex) => hex.print(out),
            Self::Files(files) => files.print(out),
            Self::Niso(niso) => niso.print(out),
            Self::Nessemble(nessemble) => nessemble.print(out),
        }
    }
}

// === impl Npm ===

impl Default for Npm {
    fn default() -> Self {
        let (downloads, signatures) = (Downloads::Upstream, Signatures::Verify);
        let (own, merged) = (Vec::new(), Vec::new());
        Self {
            own,
            merged,
            new_names: NewNames::Old,
            max_publish_bytes: 100 << 20,
            anonymous_reading: true,
            allow_private_registries: false,
            files: true,
            downloads,
            signatures,
            sign: true,
        }
    }
}

impl Npm {
    fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            own: section.list("own", self.own, read_pattern),
            merged: section.list("merged", self.merged, read_pattern),
            new_names: section.value("new_names", self.new_names),
            max_publish_bytes: section.positive("max_publish_bytes", Size(self.max_publish_bytes)).0,
            anonymous_reading: section.value("anonymous_reading", self.anonymous_reading),
            allow_private_registries: section.value("allow_private_registries", self.allow_private_registries),
            files: section.value("files", self.files),
            downloads: section.value("downloads", self.downloads),
            signatures: section.value("signatures", self.signatures),
            sign: section.value("sign", self.sign),
        }
    }

    fn print(&self, out: &mut Printer) {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            own,
            merged,
            new_names,
            max_publish_bytes,
            anonymous_reading,
            allow_private_registries,
            files,
            downloads,
            signatures,
            sign,
        } = self;
        out.text("own", &print_list(own));
        out.text("merged", &print_list(merged));
        out.key("new_names", new_names);
        out.key("max_publish_bytes", &Size(*max_publish_bytes));
        out.key("anonymous_reading", anonymous_reading);
        out.key("allow_private_registries", allow_private_registries);
        out.key("files", files);
        out.key("downloads", downloads);
        out.key("signatures", signatures);
        out.key("sign", sign);
    }
}

// === impl Niso ===

impl Niso {
    fn read(self, section: &mut Section<'_>) -> Self {
        Self { escaped_slash: section.value("escaped_slash", self.escaped_slash) }
    }

    fn print(&self, out: &mut Printer) {
        let Self { escaped_slash } = self;
        out.key("escaped_slash", escaped_slash);
    }
}

// === impl Nessemble ===

impl Default for Nessemble {
    /// Generous: an old client opens a connection a request, and asks two a package.
    fn default() -> Self {
        Self { requests_per_minute: 1_000, requests_per_day: 1_000_000 }
    }
}

impl Nessemble {
    fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            requests_per_minute: section.positive("requests_per_minute", self.requests_per_minute),
            requests_per_day: section.positive("requests_per_day", self.requests_per_day),
        }
    }

    fn print(&self, out: &mut Printer) {
        let Self { requests_per_minute, requests_per_day } = self;
        out.key("requests_per_minute", requests_per_minute);
        out.key("requests_per_day", requests_per_day);
    }
}

/// Reads a name, or a pattern of names.
pub(super) fn read_pattern(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    if text.is_empty() || text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(format!("must be a name, or a pattern such as \"@acme/*\", not {}", quote(text)));
    }
    Ok(text.to_owned())
}

// === impl NewNames ===

impl Setting for NewNames {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &NEW_NAMES)
    }

    fn print(&self) -> String {
        let (word, _) = NEW_NAMES.iter().find(|(_, names)| names == self).expect("every choice has its word");
        quote(word)
    }
}

// === impl Downloads ===

impl Setting for Downloads {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &DOWNLOADS)
    }

    fn print(&self) -> String {
        let (word, _) = DOWNLOADS.iter().find(|(_, counts)| counts == self).expect("every choice has its word");
        quote(word)
    }
}

// === impl Signatures ===

impl Setting for Signatures {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &SIGNATURES)
    }

    fn print(&self) -> String {
        let (word, _) = SIGNATURES.iter().find(|(_, mode)| mode == self).expect("every mode has its word");
        quote(word)
    }
}
