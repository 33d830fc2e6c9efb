//! Varnish with its cache in memory and one pool of threads.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Kind, Peer, Site};
use crate::process::{Process, SERVER_CORE, free_address};

/// Starts Varnish with an empty cache before the origin.
///
/// # Errors
/// When it does not start.
pub fn start(site: &Site<'_>, directory: &Path) -> Result<Peer> {
    let address = free_address()?;
    let file = directory.join("mirror.vcl");
    fs::write(&file, program(site.origin.address.port()))?;
    let mut command = Command::new("varnishd");
    command.args(["-F", "-j", "none", "-s", "malloc,2g", "-p", "thread_pools=1", "-p", "thread_pool_min=100"]);
    command.args(["-p", "thread_pool_max=2000", "-p", "timeout_idle=300", "-T", "none"]);
    command.arg("-a").arg(address.to_string()).arg("-f").arg(&file).arg("-n").arg(directory.join("state"));
    let process = Process::start("varnish", SERVER_CORE, &command, site.work)?;
    Peer::ready(Kind::Varnish, address, process, "/-/ping")
}

/// `Accept` is part of the key, as for nginx; Varnish sees to the codings by itself.
fn program(origin_port: u16) -> String {
    format!(
        r#"vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin_port}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_hash {{ hash_data(req.url); hash_data(req.http.Accept); return (lookup); }}
sub vcl_backend_response {{ set beresp.ttl = 1h; }}
"#
    )
}
