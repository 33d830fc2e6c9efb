//! Two processes meet at a socket, and one gives the other its listeners: pingora's zero-downtime upgrade.
//!
//! The new process waits there; the old one comes when it is told to. Either may be first, by some five seconds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::server::{Fds, ListenFds};

use crate::base::fs;

/// The longest path that a socket can have, in bytes. Source: unix(7).
const MAX_PATH: usize = 107;

/// Why listeners cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} is too long for a socket: {MAX_PATH} bytes at most")]
    Path(PathBuf),
    #[error("no process handed its listeners over at {path}")]
    Nobody { path: PathBuf, source: io::Error },
}

/// Waits for a running process to give its listeners, for some seconds.
///
/// # Errors
/// [`Error`]: no process came, or none can.
pub fn take(path: &Path) -> Result<Fds, Error> {
    let text = socket_path(path)?;
    let failed = |source| Error::Nobody { path: path.to_owned(), source };
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    tracing::info!(path = text, "waiting for the running process to hand its listeners over");
    let mut fds = Fds::new();
    fds.get_from_sock(text).map_err(|errno| failed(errno.into()))?;
    Ok(fds)
}

/// Gives the listeners to the process that waits; false when none does, and nothing has changed.
pub async fn give(fds: &ListenFds, path: &Path) -> bool {
    let path = match socket_path(path) {
        Ok(path) => path.to_owned(),
        Err(error) => {
            tracing::error!(%error, "cannot hand over: serving on");
            return false;
        }
    };
    let fds = Arc::clone(fds);
    let sent = tokio::task::spawn_blocking(move || fds.lock().send_to_sock(path.as_str()).map_err(io::Error::from));
    match sent.await.map_err(io::Error::other).flatten() {
        Ok(_) => {
            tracing::info!("a new process has taken the listeners");
            true
        }
        Err(error) => {
            tracing::error!(%error, "no new process took the listeners: serving on");
            false
        }
    }
}

fn socket_path(path: &Path) -> Result<&str, Error> {
    path.to_str().filter(|text| text.len() <= MAX_PATH).ok_or_else(|| Error::Path(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        assert!(matches!(take(Path::new(&"x".repeat(MAX_PATH + 1))), Err(Error::Path(_))));
    }
}
