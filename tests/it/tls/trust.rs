//! Whom the mirror believes: the system, and beside it `fetch.ca_file`; the same for what it keeps and what it passes on.

use std::io::Write as _;
use std::path::Path;

use super::publish;
use super::upstream::Upstream;
use crate::support::heliostat::{Builder, Heliostat};
use crate::support::registry::FakeRegistry;
use crate::support::tls::{Authority, Wish};

/// Makes a file all that the system trusts.
fn of_system(builder: Builder, roots: &Path) -> Builder {
    builder.environment("SSL_CERT_FILE", &roots.display().to_string()).environment("SSL_CERT_DIR", "")
}

#[tokio::test]
async fn an_authority_of_the_operators_is_believed_for_everything() {
    let authority = Authority::new("the operator's");
    let upstream = Upstream::start(&authority.issue("upstream"));
    let heliostat = upstream.mirror().set_path("fetch", "ca_file", &authority.file()).start().await;
    upstream.is_mirrored(&heliostat).await;
    assert!(heliostat.said().lines().all(|line| !line.contains(Upstream::TOKEN)), "{}", heliostat.said());
}

#[tokio::test]
async fn without_it_nothing_is_asked_and_nothing_is_remembered_as_absent() {
    let authority = Authority::new("nobody's");
    let upstream = Upstream::start(&authority.issue("upstream"));
    let mut heliostat = upstream.mirror().start().await;
    upstream.is_refused(&heliostat).await;
    heliostat.stop();
    heliostat.reconfigure(|builder| builder.set_path("fetch", "ca_file", &authority.file()));
    heliostat.start().await;
    upstream.is_mirrored(&heliostat).await;
}

#[tokio::test]
async fn the_operators_authority_stands_beside_the_systems() {
    let (system, operator) = (Authority::new("the system's"), Authority::new("the operator's"));
    for signer in [&system, &operator] {
        let upstream = Upstream::start(&signer.issue("upstream"));
        let builder = of_system(upstream.mirror(), &system.file());
        upstream.is_mirrored(&builder.set_path("fetch", "ca_file", &operator.file()).start().await).await;
    }
    let upstream = Upstream::start(&system.issue("upstream"));
    upstream.is_mirrored(&of_system(upstream.mirror(), &system.file()).start().await).await;
}

#[tokio::test]
async fn a_certificate_of_another_name_or_another_time_is_not_believed() {
    let authority = Authority::new("the operator's");
    for wish in
        [Wish { names: &["127.0.0.2", "registry.example"], until: 2999 }, Wish { names: &["127.0.0.1"], until: 2001 }]
    {
        let upstream = Upstream::start(&authority.issue_for("upstream", &wish));
        let heliostat = upstream.mirror().set_path("fetch", "ca_file", &authority.file()).start().await;
        upstream.is_refused(&heliostat).await;
    }
}

#[tokio::test]
async fn a_broken_root_of_the_systems_is_left_out() {
    let system = Authority::new("the system's");
    let mut roots = tempfile::NamedTempFile::new().expect("a temporary file");
    let good = std::fs::read_to_string(system.file()).expect("it is there");
    write!(roots, "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n{good}").expect("it can be written");
    let upstream = Upstream::start(&system.issue("upstream"));
    let heliostat = of_system(upstream.mirror(), roots.path()).start().await;
    upstream.is_mirrored(&heliostat).await;
    assert!(heliostat.said().contains("root certificate of the system left out"), "{}", heliostat.said());
}

#[tokio::test]
async fn a_machine_without_any_roots_still_mirrors_what_needs_none() {
    let empty = tempfile::NamedTempFile::new().expect("a temporary file");
    let registry = FakeRegistry::start();
    let tarball = publish(&registry, "plain", 10_000);
    let heliostat = of_system(Heliostat::builder().npm(registry.url(), ""), empty.path()).start().await;
    assert!(heliostat.get(&tarball.path).await.is(&tarball.bytes));
    assert!(heliostat.said().contains("there is no root certificate"), "{}", heliostat.said());
    let secured = Upstream::start(&Authority::new("nobody's").issue("upstream"));
    secured.is_refused(&of_system(secured.mirror(), empty.path()).start().await).await;
}
