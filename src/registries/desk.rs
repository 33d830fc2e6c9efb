//! How every dialect answers: the path is read once, what turns out to be damaged is fetched once more, and a fault is
//! told in the dialect's own shape.

use std::future::Future;

use async_trait::async_trait;
use bytes::Bytes;

use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::mirror::{self, Mirror};

/// One mount of a dialect.
pub trait Desk: Send + Sync {
    /// What a request asks for.
    type Action: Named;
    type Error: Trouble;

    fn mirror(&self) -> &Mirror;

    /// Reads a request's method and path.
    ///
    /// # Errors
    /// It makes no sense; nothing was asked upstream.
    fn parse(&self, request: &Request<'_>) -> Result<Self::Action, Self::Error>;

    /// Answers what was asked for.
    fn answer(
        &self,
        request: &Request<'_>,
        action: &Self::Action,
    ) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    /// Returns what the front refuses by itself as an error of this dialect.
    fn refused(&self, refusal: Refusal, _request: &Request<'_>) -> Self::Error {
        refusal.into()
    }

    /// Answers what was asked for with the body that [`Desk::answer`] has said it needs.
    fn answer_body(
        &self,
        _request: &Request<'_>,
        _action: &Self::Action,
        _body: Bytes,
    ) -> impl Future<Output = Result<Reply, Self::Error>> + Send {
        // Who never asks for a body is never given one.
        std::future::ready(Err(Refusal::TooLarge.into()))
    }
}

/// An action that logs and metrics can tell from others.
pub trait Named: Send + Sync {
    /// One of a closed set of words.
    fn name(&self) -> &'static str;
}

/// A dialect's error.
pub trait Trouble: std::error::Error + From<Refusal> + Send + 'static {
    /// Tells whether it is our own fault, and to be logged as such.
    fn is_ours(&self) -> bool;

    /// Returns the engine's error behind our own fault, if that is where it came from.
    fn engine(&self) -> Option<&mirror::Error>;

    /// Returns the answer in the dialect's shape. `request_id` is shown where the fault is ours.
    fn reply(&self, request_id: &str) -> Reply;
}

/// Answers again, once, when what is kept turned out to be damaged.
async fn answer_healing<D: Desk>(desk: &D, request: &Request<'_>, action: &D::Action) -> Result<Outcome, D::Error> {
    match desk.answer(request, action).await {
        Err(error) => match error.engine() {
            Some(cause) if desk.mirror().heal(cause).await => desk.answer(request, action).await,
            _ => Err(error),
        },
        answered => answered,
    }
}

/// Turns an error into a reply, and logs it if the fault is ours.
fn fail<E: Trouble>(error: &E, request_id: &str) -> Reply {
    if error.is_ours() {
        tracing::error!(request = request_id, error = error as &dyn std::error::Error, "request failed");
    }
    error.reply(request_id)
}

#[async_trait]
impl<D: Desk> Handler for D {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let action = match self.parse(request) {
            Ok(action) => action,
            Err(error) => return error.reply(request.id).action("refused").into(),
        };
        match answer_healing(self, request, &action).await {
            Ok(Outcome::Reply(reply)) => reply.action(action.name()).into(),
            Ok(forward) => forward,
            Err(error) => fail(&error, request.id).action(action.name()).into(),
        }
    }

    async fn handle_body(&self, request: &Request<'_>, body: Bytes) -> Reply {
        let answered = match self.parse(request) {
            Ok(action) => self.answer_body(request, &action, body).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| fail(&error, request.id))
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        self.refused(refusal, request).reply(request.id).action("refused")
    }
}
