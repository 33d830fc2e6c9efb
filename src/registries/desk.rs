//! How every dialect answers: the path is read once, what turns out to be damaged is fetched once more, and a fault is
//! told in the dialect's own shape.

use std::future::Future;

use async_trait::async_trait;
use bytes::Bytes;

use super::failure::Error;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::mirror::Mirror;

/// One mount of a dialect.
pub trait Desk: Send + Sync {
    /// What a request asks for.
    type Action: Named;

    fn mirror(&self) -> &Mirror;

    /// Reads a request's method and path.
    ///
    /// # Errors
    /// It makes no sense; nothing was asked upstream.
    fn parse(&self, request: &Request<'_>) -> Result<Self::Action, Error>;

    /// Answers what was asked for.
    fn answer(
        &self,
        request: &Request<'_>,
        action: &Self::Action,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Answers with an error, in the shape that the client reads.
    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply;

    /// Answers what was asked for with the body that [`Desk::answer`] has said it needs.
    fn answer_body(
        &self,
        _request: &Request<'_>,
        _action: &Self::Action,
        _body: Bytes,
    ) -> impl Future<Output = Result<Reply, Error>> + Send {
        // Who never asks for a body is never given one.
        std::future::ready(Err(Refusal::TooLarge.into()))
    }
}

/// An action that logs and metrics can tell from others.
pub trait Named: Send + Sync {
    /// One of a closed set of words.
    fn name(&self) -> &'static str;

    /// Tells whether the path that it was read from holds a secret.
    fn hides_path(&self) -> bool {
        false
    }
}

/// Answers again, once, when what is kept turned out to be damaged.
async fn answer_healing<D: Desk>(desk: &D, request: &Request<'_>, action: &D::Action) -> Result<Outcome, Error> {
    match desk.answer(request, action).await {
        Err(error) => match error.engine() {
            Some(cause) if desk.mirror().heal(cause).await => desk.answer(request, action).await,
            _ => Err(error),
        },
        answered => answered,
    }
}

/// Turns an error into a reply, and logs it if the fault is ours.
fn fail<D: Desk>(desk: &D, error: &Error, request: &Request<'_>) -> Reply {
    if error.is_ours() {
        tracing::error!(request = request.id, error = error as &dyn std::error::Error, "request failed");
    }
    desk.tell(error, request)
}

#[async_trait]
impl<D: Desk> Handler for D {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let action = match self.parse(request) {
            Ok(action) => action,
            Err(error) => return self.tell(&error, request).action("refused").into(),
        };
        let mut reply = match answer_healing(self, request, &action).await {
            Ok(Outcome::Reply(reply)) => reply,
            Ok(forward) => return forward,
            Err(error) => fail(self, &error, request),
        };
        reply.note.hides_path = action.hides_path();
        reply.action(action.name()).into()
    }

    async fn handle_body(&self, request: &Request<'_>, body: Bytes) -> Reply {
        let answered = match self.parse(request) {
            Ok(action) => self.answer_body(request, &action, body).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| fail(self, &error, request))
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        self.tell(&refusal.into(), request).action("refused")
    }
}
