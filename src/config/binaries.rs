//! Mirrors of binaries: which trees of files are listed under `/-/binary/` of the npm mounts, and how each is read.

use super::Dialect;
use super::mount::Mount;
use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, print_list, quote, read_base_url, read_choice, read_optional, text_of};
use crate::base::secret::SafeUrl;

/// `[[binary]]`: one tree of binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// What stands behind `/-/binary/`; it may have a scope.
    pub name: String,
    /// Under whose name it is listed too.
    pub category: String,
    pub description: String,
    pub form: Form,
    /// The files mount that bytes come through.
    pub files: String,
    /// The files mount that listings are read through.
    pub lists: String,
    /// Where the listings lie below that mount's upstream, without a slash at the start.
    pub path: String,
    /// The package whose versions have the builds, and the npm mount that it comes from.
    pub package: Option<String>,
    pub registry: Option<String>,
    pub platforms: Vec<String>,
    pub architectures: Vec<String>,
    pub libcs: Vec<String>,
    /// Numbers of node's ABI that there may be builds for.
    pub abis: Vec<u32>,
    /// What people are told of where it comes from.
    pub dist_url: Option<SafeUrl>,
    pub repo_url: Option<SafeUrl>,
}

/// The form of a tree's listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pages of links.
    Index,
    /// JSON of releases.
    Releases,
    /// XML of a bucket.
    Bucket,
    /// The versions of a package say where their builds are.
    Hosted,
}

const FORMS: [(&str, Form); 4] =
    [("index", Form::Index), ("releases", Form::Releases), ("bucket", Form::Bucket), ("hosted", Form::Hosted)];

/// Longest name, in characters, as of packages.
const LONGEST_NAME: usize = 214;

/// What node's ABIs since its version 14 are.
const ABIS: [u32; 6] = [83, 93, 108, 115, 127, 137];

// === impl Binary ===

impl Binary {
    /// Returns a mirror as it is when nothing else is said of it.
    pub fn of(name: &str, form: Form, files: &str) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            name: name.to_owned(),
            category: name.to_owned(),
            description: String::new(),
            form,
            files: files.to_owned(),
            lists: files.to_owned(),
            path: String::new(),
            package: None,
            registry: None,
            platforms: texts(&["darwin", "linux", "win32"]),
            architectures: texts(&["arm64", "ia32", "x64"]),
            libcs: texts(&["glibc", "musl"]),
            abis: ABIS.to_vec(),
            dist_url: None,
            repo_url: None,
        }
    }

    /// Reads all mirrors, which name some of the mounts.
    pub(super) fn read_all(root: &mut Section<'_>, mounts: &[Mount]) -> Vec<Self> {
        let mut read: Vec<Self> = Vec::new();
        root.sections("binary", |section| {
            let Some(binary) = Self::read(section) else { return };
            binary.check(&read, mounts, section);
            read.push(binary);
        });
        read
    }

    /// Reads one; `None` where a key that it needs is absent or wrong, which is noted.
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let name = section.required("name", read_name);
        let form = section.required("type", Form::read);
        let files = section.required("files", read_word);
        let needed = name.as_ref().zip(form).zip(files.as_ref());
        let default = Self::of(name.as_deref().unwrap_or_default(), Form::Index, files.as_deref().unwrap_or_default());
        let read = Self {
            category: section.value_with("category", None, read_optional(read_name)).unwrap_or(default.category),
            description: section.value("description", default.description),
            form: form.unwrap_or(Form::Index),
            lists: section.value_with("lists", None, read_optional(read_word)).unwrap_or(default.lists),
            path: section.value_with("path", default.path, read_path),
            package: section.value("package", default.package),
            registry: section.value("registry", default.registry),
            platforms: section.list("platforms", default.platforms, read_word),
            architectures: section.list("architectures", default.architectures, read_word),
            libcs: section.list("libcs", default.libcs, read_word),
            abis: section.list("abis", default.abis, u32::read),
            dist_url: section.value_with("dist_url", default.dist_url, read_optional(read_base_url)),
            repo_url: section.value_with("repo_url", default.repo_url, read_optional(read_base_url)),
            name: default.name,
            files: default.files,
        };
        needed.is_some().then_some(read)
    }

    fn check(&self, earlier: &[Self], mounts: &[Mount], section: &mut Section<'_>) {
        if let Some(index) = earlier.iter().position(|other| other.name == self.name) {
            section.complain("name", format!("binary[{index}] has the name {} already", quote(&self.name)));
        }
        let is_files = |mount: &Mount| matches!(mount.dialect, Dialect::Files(_));
        for (key, name) in [("files", &self.files), ("lists", &self.lists)] {
            if !mounts.iter().any(|mount| mount.name == *name && is_files(mount)) && !section.is_mistaken(key) {
                section.complain(key, format!("must be the name of a mount of files, not {}", quote(name)));
            }
        }
        let is_hosted = self.form == Form::Hosted;
        for (key, value) in [("package", &self.package), ("registry", &self.registry)] {
            if value.is_some() != is_hosted && !section.is_mistaken(key) {
                section.complain(key, "must be there for the type \"hosted\", and for no other");
            }
        }
        let is_npm =
            |name: &String| mounts.iter().any(|mount| mount.name == *name && matches!(mount.dialect, Dialect::Npm(_)));
        if let Some(name) = self.registry.as_ref().filter(|name| !is_npm(name)) {
            section.complain("registry", format!("must be the name of a mount of npm, not {}", quote(name)));
        }
        if self.form == Form::Releases && self.path.is_empty() && !section.is_mistaken("path") {
            section.complain("path", "is missing: where the list of releases is, such as \"repos/acme/tool/releases\"");
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            name,
            category,
            description,
            form,
            files,
            lists,
            path,
            package,
            registry,
            platforms,
            architectures,
            libcs,
            abis,
            dist_url,
            repo_url,
        } = self;
        out.section("[[binary]]");
        out.key("name", name);
        out.key("category", category);
        out.key("description", description);
        out.key("type", form);
        out.key("files", files);
        out.key("lists", lists);
        out.key("path", path);
        out.key("package", package);
        out.key("registry", registry);
        out.text("platforms", &print_list(platforms));
        out.text("architectures", &print_list(architectures));
        out.text("libcs", &print_list(libcs));
        out.text("abis", &print_list(abis));
        out.key("dist_url", dist_url);
        out.key("repo_url", repo_url);
    }
}

// === impl Form ===

impl Setting for Form {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &FORMS)
    }

    fn print(&self) -> String {
        let (word, _) = FORMS.iter().find(|(_, form)| form == self).expect("every form has its word");
        quote(word)
    }
}

// === Readers ===

/// Reads a name as packages have them, which may have a scope.
fn read_name(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    let is_name = match text.strip_prefix('@') {
        Some(rest) => rest.split_once('/').is_some_and(|(scope, name)| good(scope) && good(name)),
        None => good(text),
    };
    if is_name && text.len() <= LONGEST_NAME {
        return Ok(text.to_owned());
    }
    Err(format!("must be a name such as \"node\" or \"@acme/tool\", not {}", quote(text)))
}

/// Reads a path below an upstream; slashes around it do not count.
fn read_path(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let path = text.trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b'+');
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if path.is_empty() || path.split('/').all(good) {
        return Ok(path.to_owned());
    }
    Err(format!("must be a path of letters, digits and a few signs, such as \"dist\", not {}", quote(text)))
}

/// Reads what stands in file names.
fn read_word(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(format!("must be letters, digits, \"-\" or \"_\", not {}", quote(text)));
    }
    Ok(text.to_owned())
}
