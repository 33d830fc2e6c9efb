//! Our own JSON API, below `/-/heliostat/api/v1/`.

use ::http::StatusCode;
use async_trait::async_trait;
use serde_json::{Value, json};

use super::JSON;
use crate::base::http::{Reply, Request};

/// How many incidents are listed when the request does not say.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Knows the incidents: what upstreams sent that was not kept.
#[async_trait]
pub trait Incidents: Send + Sync {
    /// Returns the newest first, at most `limit`: objects of `at`, `mount`, `key`, `package`, `kind`, `detail`.
    async fn newest(&self, limit: usize) -> Vec<Value>;
}

/// Lists the newest incidents, `?limit=` of them.
pub async fn incidents(incidents: &dyn Incidents, request: &Request<'_>) -> Reply {
    let Some(limit) = parse_limit(request.query) else {
        return problem(StatusCode::BAD_REQUEST, "limit is not a number", request.id).action("incidents");
    };
    let list = incidents.newest(limit).await;
    Reply::bytes(StatusCode::OK, JSON, json!({ "incidents": list }).to_string()).action("incidents")
}

/// Returns an error in this API's shape.
pub fn problem(status: StatusCode, reason: &str, request_id: &str) -> Reply {
    let body = json!({ "error": reason, "request_id": request_id }).to_string();
    Reply::bytes(status, JSON, body).action("web")
}

fn parse_limit(query: &str) -> Option<usize> {
    let limit = query.split('&').find_map(|pair| pair.strip_prefix("limit="));
    limit.map_or(Some(DEFAULT_LIMIT), |text| text.parse().ok()).map(|limit| limit.min(MAX_LIMIT))
}
