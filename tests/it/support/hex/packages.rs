//! Hex packages: their tarballs, and what a repository's document says of them. Pure.
//!
//! Source: contract hex §2 (messages), §3 (tarball).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::random::Random;
use super::super::resource::gzip;
use super::protobuf::{bytes, message, number, text};

/// 2024-01-01T00:00:00Z, in seconds since 1970.
const FIRST_DAY: u64 = 1_704_067_200;
/// What the reference writer stamps on every entry: 2000-01-01.
const STAMP: u64 = 946_684_800;

/// A package: its releases, ascending.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub releases: Vec<Release>,
}

/// One version.
#[derive(Clone, Debug)]
pub struct Release {
    pub version: String,
    /// Name and requirement.
    pub dependencies: Vec<(String, String)>,
    /// Reason and message.
    pub retired: Option<(u64, String)>,
    /// In seconds since 1970.
    pub published_at: u64,
    pub tarball: Bytes,
    /// SHA-256 over what lies in the tarball.
    pub inner: Vec<u8>,
    /// SHA-256 of the tarball.
    pub outer: Vec<u8>,
}

// === impl Package ===

impl Package {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), releases: Vec::new() }
    }

    pub fn with_versions(name: &str, versions: &[&str]) -> Self {
        versions.iter().fold(Self::new(name), |package, version| package.with(Release::of(name, version)))
    }

    pub fn with(mut self, release: Release) -> Self {
        self.releases.push(release);
        self
    }

    pub fn release(&self, version: &str) -> &Release {
        self.releases.iter().find(|release| release.version == version).expect("the package has this version")
    }

    /// Returns the path of a version's tarball.
    pub fn tarball_path(&self, version: &str) -> String {
        format!("/tarballs/{}-{version}.tar", self.name)
    }

    /// Returns the payload of the package's document, which names the repository that it is of.
    pub fn payload(&self, repository: &str) -> Vec<u8> {
        let releases = self.releases.iter().map(|release| message(1, &release.fields()));
        let fields: Vec<Vec<u8>> = releases.chain([text(2, &self.name), text(3, repository)]).collect();
        fields.concat()
    }
}

// === impl Release ===

impl Release {
    /// Makes a release whose tarball holds a small project.
    pub fn of(name: &str, version: &str) -> Self {
        Self::depending(name, version, &[])
    }

    /// Makes a release that needs others: name and requirement.
    pub fn depending(name: &str, version: &str, dependencies: &[(&str, &str)]) -> Self {
        Self::holding(name, version, dependencies, &[])
    }

    /// Makes a release whose tarball has this many bytes at least; names tell the bytes apart.
    pub fn sized(name: &str, version: &str, size: usize) -> Self {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Self::holding(name, version, &[], &Random::new(seed).bytes(size))
    }

    /// Makes a release that rebar3 builds: an application that needs others.
    pub fn in_erlang(name: &str, version: &str, dependencies: &[(&str, &str)]) -> Self {
        let needs: String = dependencies.iter().map(|(name, _)| format!(", {name}")).collect();
        let application = format!(
            "{{application, {name}, [{{description, \"Made for a test\"}}, {{vsn, \"{version}\"}}, \
             {{applications, [kernel, stdlib{needs}]}}]}}.\n"
        );
        let module = format!("-module({name}).\n-export([version/0]).\nversion() -> \"{version}\".\n");
        let (application_file, module_file) = (format!("src/{name}.app.src"), format!("src/{name}.erl"));
        let files = [(application_file.as_str(), application.as_bytes()), (&module_file, module.as_bytes())];
        Self::packed(name, version, dependencies, "rebar3", &files)
    }

    fn holding(name: &str, version: &str, dependencies: &[(&str, &str)], filler: &[u8]) -> Self {
        let project = format!(
            "defmodule Made.MixProject do\n  use Mix.Project\n  def project, do: [app: :{name}, version: \"{version}\"]\nend\n"
        );
        let made: &[u8] = b"defmodule Made do\nend\n";
        let files = &[("mix.exs", project.as_bytes()), ("lib/made.ex", made), ("priv/filler.bin", filler)];
        let files = if filler.is_empty() { &files[..2] } else { &files[..] };
        Self::packed(name, version, dependencies, "mix", files)
    }

    fn packed(name: &str, version: &str, dependencies: &[(&str, &str)], tool: &str, files: &[(&str, &[u8])]) -> Self {
        let contents = gzip(&archive(files));
        let metadata = metadata(name, version, dependencies, tool, files);
        let inner = Sha256::digest([b"3", metadata.as_bytes(), &contents].concat()).to_vec();
        let checksum: String = inner.iter().map(|byte| format!("{byte:02X}")).collect();
        let entries: &[(&str, &[u8])] = &[
            ("VERSION", b"3"),
            ("CHECKSUM", checksum.as_bytes()),
            ("metadata.config", metadata.as_bytes()),
            ("contents.tar.gz", &contents),
        ];
        let tarball = archive(entries);
        let owned = |(name, requirement): &(&str, &str)| ((*name).to_owned(), (*requirement).to_owned());
        Self {
            version: version.to_owned(),
            dependencies: dependencies.iter().map(owned).collect(),
            retired: None,
            published_at: FIRST_DAY,
            outer: Sha256::digest(&tarball).to_vec(),
            inner,
            tarball: tarball.into(),
        }
    }

    /// Puts other bytes under the version, as their publisher may in the first hour.
    pub fn replaced_by(mut self, tarball: impl Into<Bytes>) -> Self {
        self.tarball = tarball.into();
        self.outer = Sha256::digest(&self.tarball).to_vec();
        self
    }

    pub fn retired(mut self, reason: u64, message: &str) -> Self {
        self.retired = Some((reason, message.to_owned()));
        self
    }

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = vec![text(1, &self.version), bytes(2, &self.inner)];
        fields.extend(
            self.dependencies.iter().map(|(name, requirement)| message(3, &[text(1, name), text(2, requirement)])),
        );
        fields.extend(self.retired.iter().map(|(reason, why)| message(4, &[number(1, *reason), text(2, why)])));
        fields.push(bytes(5, &self.outer));
        fields.push(message(7, &[number(1, self.published_at), number(2, 0)]));
        fields
    }
}

/// Prints metadata as mix writes it. Source: contract hex §3.2.
fn metadata(name: &str, version: &str, dependencies: &[(&str, &str)], tool: &str, files: &[(&str, &[u8])]) -> String {
    let requirement = |(name, requirement): &(&str, &str)| {
        let pairs = [("name", name), ("app", name), ("requirement", requirement), ("repository", &"hexpm")];
        let pairs: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{{<<\"{key}\">>,<<\"{value}\">>}}")).collect();
        format!("[{},{{<<\"optional\">>,false}}]", pairs.join(","))
    };
    let requirements: Vec<String> = dependencies.iter().map(requirement).collect();
    let files = files.iter().map(|(path, _)| format!("<<\"{path}\">>")).collect::<Vec<_>>().join(",");
    let texts = [("name", name), ("version", version), ("app", name), ("description", "Made for a test")];
    let texts: String = texts.iter().map(|(key, value)| format!("{{<<\"{key}\">>,<<\"{value}\">>}}.\n")).collect();
    format!(
        "{texts}{{<<\"files\">>,[{files}]}}.\n{{<<\"licenses\">>,[<<\"MIT\">>]}}.\n\
         {{<<\"links\">>,[]}}.\n{{<<\"build_tools\">>,[<<\"{tool}\">>]}}.\n{{<<\"requirements\">>,[{}]}}.\n",
        requirements.join(",")
    )
}

/// Packs a plain tar, always to the same bytes.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(STAMP);
        builder.append_data(&mut header, name, *bytes).expect("a vector takes all bytes");
    }
    builder.into_inner().expect("a vector takes all bytes")
}
