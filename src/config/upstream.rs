//! The servers that a mount mirrors.

use super::credentials::Credentials;
use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, print_list, quote, read_base_url, read_choice, text_of};
use crate::base::secret::SafeUrl;

/// `[[mount.upstream]]`: a registry that others run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Ends in `/`; holds no user, query or fragment.
    pub url: SafeUrl,
    /// The scopes it serves, `@acme`; empty: whatever no other upstream serves.
    pub scopes: Vec<String>,
    /// Whether it may resolve to a private address.
    pub allow_private: bool,
    /// Where it tells of what has changed; without it, at itself.
    pub changes: Option<SafeUrl>,
    pub changes_type: ChangesType,
    pub credentials: Option<Credentials>,
}

/// How an npm registry tells of what has changed. Source: contract npm §12.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesType {
    /// By numbers, at npm's host for replicas.
    Npm,
    /// By numbers, at the registry itself: cnpmcore, and Heliostat.
    Cnpmcore,
    /// By time.
    Cnpmjsorg,
}

const CHANGES_TYPES: [(&str, ChangesType); 3] =
    [("npm", ChangesType::Npm), ("cnpmcore", ChangesType::Cnpmcore), ("cnpmjsorg", ChangesType::Cnpmjsorg)];

// === impl Upstream ===

impl Upstream {
    /// Returns an upstream without scopes and credentials, as one that was discovered.
    pub fn open(url: SafeUrl) -> Self {
        Self {
            url,
            scopes: Vec::new(),
            allow_private: false,
            changes: None,
            changes_type: ChangesType::Npm,
            credentials: None,
        }
    }

    pub(super) fn read_all(mount: &mut Section<'_>) -> Vec<Self> {
        let mut upstreams: Vec<Self> = Vec::new();
        mount.sections("upstream", |section| {
            let read = Self::read(section, &upstreams);
            upstreams.extend(read);
        });
        upstreams
    }

    /// Reads one; `None` when it has no usable URL, which is noted.
    fn read(section: &mut Section<'_>, earlier: &[Self]) -> Option<Self> {
        let url = section.required("url", read_base_url);
        let scopes = section.list("scopes", Vec::new(), read_scope);
        let upstream = Self {
            allow_private: section.value("allow_private", false),
            changes: section.value("changes", None),
            changes_type: section.value("changes_type", ChangesType::Npm),
            credentials: Credentials::read(section),
            url: url?,
            scopes,
        };
        upstream.check_scopes(earlier, section);
        Some(upstream)
    }

    fn check_scopes(&self, earlier: &[Self], section: &mut Section<'_>) {
        for (index, scope) in self.scopes.iter().enumerate() {
            let taken = earlier.iter().flat_map(|other| &other.scopes).chain(&self.scopes[..index]);
            if taken.into_iter().any(|other| other == scope) {
                section.complain("scopes", format!("{} is given twice", quote(scope)));
            }
        }
        if self.scopes.is_empty()
            && !section.is_mistaken("scopes")
            && earlier.iter().any(|other| other.scopes.is_empty())
        {
            section.complain("scopes", "is missing: only one upstream of a mount may serve every scope");
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { url, scopes, allow_private, changes, changes_type, credentials } = self;
        out.section("[[mount.upstream]]");
        out.key("url", url);
        out.text("scopes", &print_list(scopes));
        out.key("allow_private", allow_private);
        out.key("changes", changes);
        out.key("changes_type", changes_type);
        if let Some(credentials) = credentials {
            credentials.print(out);
        }
    }
}

// === impl ChangesType ===

impl Setting for ChangesType {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &CHANGES_TYPES)
    }

    fn print(&self) -> String {
        let (word, _) = CHANGES_TYPES.iter().find(|(_, kind)| kind == self).expect("every kind has its word");
        quote(word)
    }
}

// === Readers ===

/// Reads an npm scope. Source: contract npm §1.1.
fn read_scope(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    match text.strip_prefix('@') {
        Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => Ok(text.to_owned()),
        _ => Err(format!("must be a scope such as \"@acme\", not {}", quote(text))),
    }
}
