//! Who asks our own API: credentials as every dialect takes them, and errors in this API's shape.

use ::http::HeaderValue;
use ::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::api;
use crate::base::http::{Reply, Request};
use crate::registries::failure::Error;
use crate::registries::gate::{Credentials, Gate, Visitor};

/// Finds out who asks.
///
/// # Errors
/// The gate's: wrong credentials are refused, wherever they are shown.
pub async fn visitor(gate: &Gate, request: &Request<'_>) -> Result<Visitor, Error> {
    let shown = request.headers.get(AUTHORIZATION).map(|value| Credentials::parse(value.to_str().unwrap_or_default()));
    gate.identify(shown.transpose()?.unwrap_or(Credentials::Nothing), request.peer).await
}

/// Tells of an error, and logs it if the fault is ours.
pub fn tell(error: &Error, request: &Request<'_>) -> Reply {
    if error.is_ours() {
        tracing::error!(request = request.id, error = error as &dyn std::error::Error, "request failed");
    }
    let mut reply = api::problem(error.status(), &error.sentence(request.id), request.id);
    error.explain(&mut reply);
    if matches!(error, Error::Unauthorized(_)) {
        reply.set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}
