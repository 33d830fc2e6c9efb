//! What the server tells of itself over HTTP: start page, health, metrics, incidents, tasks. A [`Handler`] like any other,
//! mounted at the root.

mod api;
mod door;
mod pages;
pub mod screen;
pub mod tasks;

use std::sync::Arc;

use ::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use ::http::{Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;

use self::tasks::call::is_about_tasks;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{self, Metrics};

pub use api::Incidents;
pub use pages::Guide;

const JSON: &str = "application/json";

/// The server's own pages.
pub struct Web {
    pub guides: Vec<Guide>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub incidents: Arc<dyn Incidents>,
    /// Answers what is asked of tasks: [`tasks::Tasks`].
    pub tasks: Arc<dyn Handler>,
}

#[async_trait]
impl Handler for Web {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        if is_about_tasks(request.path) {
            return self.tasks.handle(request).await;
        }
        if !matches!(*request.method, Method::GET | Method::HEAD) {
            let mut reply =
                api::problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here", request.id);
            reply.set(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply.into();
        }
        let reply = match request.path {
            "/" => pages::start(&self.guides, request.base),
            "/healthz" => Reply::bytes(StatusCode::OK, "text/plain", "alive\n").action("health"),
            "/readyz" => self.readiness(),
            "/metrics" => self.numbers(request.id),
            "/-/heliostat/api/v1/incidents" => api::incidents(&*self.incidents, request).await,
            _ => api::problem(StatusCode::NOT_FOUND, "there is nothing here", request.id),
        };
        fresh(reply).into()
    }

    async fn handle_body(&self, request: &Request<'_>, body: Bytes) -> Reply {
        self.tasks.handle_body(request, body).await
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        let (status, reason) = match refusal {
            Refusal::Loop => (StatusCode::LOOP_DETECTED, "this request has been here before"),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the request body is too long"),
            Refusal::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "too many requests at once"),
            Refusal::Unreachable => (StatusCode::BAD_GATEWAY, "the upstream cannot be reached"),
        };
        api::problem(status, reason, request.id)
    }
}

impl Web {
    fn readiness(&self) -> Reply {
        let obstacles = self.health.obstacles();
        let status = if obstacles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = json!({ "ready": obstacles.is_empty(), "reasons": obstacles }).to_string();
        Reply::bytes(status, JSON, body).action("health")
    }

    fn numbers(&self, request_id: &str) -> Reply {
        match self.metrics.render() {
            Ok(text) => Reply::bytes(StatusCode::OK, metrics::CONTENT_TYPE, text).action("metrics"),
            Err(error) => {
                tracing::error!(%error, request_id, "metrics cannot be printed");
                api::problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be printed", request_id)
            }
        }
    }
}

/// Marks a reply as true for this moment only.
fn fresh(mut reply: Reply) -> Reply {
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::http::Body;

    struct Two;

    #[async_trait]
    impl Incidents for Two {
        async fn newest(&self, limit: usize) -> Vec<serde_json::Value> {
            [json!({"kind": "digest"}), json!({"kind": "length"})].into_iter().take(limit).collect()
        }
    }

    /// Knows no tasks.
    struct Untasked;

    #[async_trait]
    impl Handler for Untasked {
        async fn handle(&self, request: &Request<'_>) -> Outcome {
            api::problem(StatusCode::IM_A_TEAPOT, "no tasks", request.id).into()
        }

        fn refuse(&self, _refusal: Refusal, request: &Request<'_>) -> Reply {
            api::problem(StatusCode::IM_A_TEAPOT, "no tasks", request.id)
        }
    }

    async fn get(method: Method, path: &str, query: &str) -> (StatusCode, String) {
        let guide =
            Guide { title: "npm".into(), url: "/npm".into(), lines: vec!["npm config set registry {url}/".into()] };
        let web = Web {
            guides: vec![guide],
            metrics: Arc::new(Metrics::new().unwrap()),
            health: Arc::default(),
            incidents: Arc::new(Two),
            tasks: Arc::new(Untasked),
        };
        let headers = ::http::HeaderMap::new();
        let base = "http://host:4870";
        let request = Request { method: &method, path, query, headers: &headers, base, peer: None, id: "r" };
        let Outcome::Reply(reply) = web.handle(&request).await else { panic!("the web forwards nothing") };
        let Body::Bytes(body) = reply.body else { panic!("the web answers with bytes") };
        (reply.status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_living_server_that_is_not_ready_says_why() {
        assert_eq!(get(Method::GET, "/healthz", "").await.0, StatusCode::OK);
        let (status, body) = get(Method::GET, "/readyz", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, r#"{"ready":false,"reasons":["the store is not open","not listening yet"]}"#);
    }

    #[tokio::test]
    async fn incidents_are_listed_up_to_the_number_asked() {
        let path = "/-/heliostat/api/v1/incidents";
        assert_eq!(get(Method::GET, path, "").await.1, r#"{"incidents":[{"kind":"digest"},{"kind":"length"}]}"#);
        assert_eq!(get(Method::GET, path, "a=b&limit=1").await.1, r#"{"incidents":[{"kind":"digest"}]}"#);
        assert_eq!(get(Method::GET, path, "limit=many").await.0, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn the_start_page_tells_each_client_what_to_set() {
        let (status, page) = get(Method::GET, "/", "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("npm config set registry http://host:4870/npm/"), "{page}");
    }

    #[tokio::test]
    async fn nothing_can_be_written_here_but_what_becomes_a_task() {
        assert_eq!(get(Method::PUT, "/", "").await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(get(Method::POST, "/-/heliostat/api/v1/sync", "").await.0, StatusCode::IM_A_TEAPOT);
        assert_eq!(get(Method::POST, "/-/heliostat/api/v1/incidents", "").await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(get(Method::GET, "/other", "").await.0, StatusCode::NOT_FOUND);
    }
}
