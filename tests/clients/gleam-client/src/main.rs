//! Asks a Hex repository as Gleam does: `gleam-client REPOSITORY API NAME VERSION`.
//!
//! Gleam itself can be told of no mirror (contract hex §4.3); the crate that it asks with can. One line is written for each
//! thing that was asked and understood; the first that is not ends it.

use std::error::Error;

use hexpm::{ApiError, Config};
use ureq::http::{Request, Response};

/// Larger answers are refused, in bytes.
const LARGEST: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [repository, api, name, version] = &arguments[..] else { return Err("four arguments are wanted".into()) };
    let config = Config { repository_base: repository.parse()?, api_base: api.parse()? };
    let key = send(Request::get(format!("{repository}/public_key")).body(Vec::new())?)?.into_body();

    let versions = hexpm::repository_v2_get_versions_response(
        send(hexpm::repository_v2_get_versions_request(None, &config))?,
        &key,
    )?;
    println!("versions {}", sorted(versions.keys()));

    let package = hexpm::repository_v2_get_package_response(
        send(hexpm::repository_v2_get_package_request(name, None, &config))?,
        &key,
    )?;
    let release = package.releases.iter().find(|release| release.version.to_string() == *version);
    let release = release.ok_or("the package has no such version")?;
    println!("package {} {} needs {}", package.repository, package.name, sorted(release.requirements.keys()));

    let tarball = hexpm::repository_get_package_tarball_response(
        send(hexpm::repository_get_package_tarball_request(name, version, None, &config))?,
        &release.outer_checksum,
    )?;
    println!("tarball {}", tarball.len());

    let missing = hexpm::repository_v2_get_package_response(
        send(hexpm::repository_v2_get_package_request("nobody_has_this", None, &config))?,
        &key,
    );
    println!("missing {}", matches!(missing, Err(ApiError::NotFound)));

    let release = hexpm::api_get_package_release_response(send(hexpm::api_get_package_release_request(
        name, version, None, &config,
    ))?)?;
    println!("release {} {}", release.version, release.meta.app);
    Ok(())
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<_> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

/// Sends a request; any status is an answer.
fn send(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Box<dyn Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let response = match request.body().is_empty() {
        // A body of no bytes is none.
        true => agent.run(request.map(|_| ()))?,
        false => agent.run(request)?,
    };
    let (head, mut body) = response.into_parts();
    Ok(Response::from_parts(head, body.with_config().limit(LARGEST).read_to_vec()?))
}
