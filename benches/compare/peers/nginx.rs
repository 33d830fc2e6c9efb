//! nginx as a caching proxy: one worker, `proxy_cache` on disk, `sendfile`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Kind, Peer, Site};
use crate::process::{Process, SERVER_CORE, free_address};

/// Starts nginx with an empty cache before the origin.
///
/// # Errors
/// When it does not start.
pub fn start(site: &Site<'_>, directory: &Path) -> Result<Peer> {
    start_before(site.origin.address, directory, site.work)
}

/// Starts nginx with an empty cache before any server.
///
/// # Errors
/// When it does not start.
pub fn start_before(upstream: SocketAddr, directory: &Path, work: &Path) -> Result<Peer> {
    let address = free_address()?;
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration(address, upstream, directory))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(&file).args(["-e", "stderr"]);
    let process = Process::start("nginx", SERVER_CORE, &command, work)?;
    Peer::ready(Kind::Nginx, address, process, "/-/ping")
}

/// The cache key holds what the document's form depends on, as a mirror's must. `proxy_cache_lock` gives it single
/// flight. Requests a connection are not limited, as nobody else limits them.
fn configuration(address: SocketAddr, upstream: SocketAddr, directory: &Path) -> String {
    let directory = directory.display();
    // Only a master that runs as root may name the workers' user; others keep their own.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        r#"
daemon off; {user} worker_processes 1; worker_rlimit_nofile 8192; pid {directory}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; server_tokens off;
    sendfile on; tcp_nopush on; tcp_nodelay on;
    keepalive_timeout 300s; keepalive_requests 1000000000;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/temp; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache levels=1:2 keys_zone=all:16m max_size=8g inactive=1h use_temp_path=off;
    upstream origin {{ server {upstream}; keepalive 16; }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding $http_accept_encoding;
            proxy_cache all;
            proxy_cache_key "$request_uri|$http_accept|$http_accept_encoding";
            proxy_cache_valid 200 1h;
            proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_lock_age 60s;
            proxy_force_ranges on;
            proxy_read_timeout 60s;
            add_header Cache-Status "nginx; $upstream_cache_status";
        }}
    }}
}}
"#
    )
}
