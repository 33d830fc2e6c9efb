//! How every dialect answers: the path is read once, what turns out to be damaged is fetched once more, and a fault is
//! told in the dialect's own shape.

use std::future::Future;

use async_trait::async_trait;
use bytes::Bytes;

use super::blocks::{Blocks, Subject};
use super::failure::Error;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};
use crate::mirror::Mirror;

/// One mount of a dialect.
pub trait Desk: Send + Sync {
    /// What a request asks for.
    type Action: Named;
    /// Who asks, as far as that matters here.
    type Visitor: Send + Sync;

    fn mirror(&self) -> &Mirror;

    /// Returns what the mount does not serve.
    fn blocks(&self) -> &Blocks;

    /// Reads a request's method and path.
    ///
    /// # Errors
    /// It makes no sense; nothing was asked upstream.
    fn parse(&self, request: &Request<'_>) -> Result<Self::Action, Error>;

    /// Tells whether a path that cannot be read may hold a secret all the same.
    fn may_hide(&self, _path: &str) -> bool {
        false
    }

    /// Finds out who asks, and lets in who may ask this at all.
    ///
    /// # Errors
    /// Nobody else is told more than that: not even whether it is blocked.
    fn admit(
        &self,
        request: &Request<'_>,
        action: &Self::Action,
    ) -> impl Future<Output = Result<Self::Visitor, Error>> + Send;

    /// Tells whether what is asked about is there, and who asks is not to know of it: then it is not told either that it is
    /// blocked, but what it would be told of a name where nothing is.
    fn hides(
        &self,
        _action: &Self::Action,
        _visitor: &Self::Visitor,
    ) -> impl Future<Output = Result<bool, Error>> + Send {
        std::future::ready(Ok(false))
    }

    /// Answers what was asked for.
    fn answer(
        &self,
        request: &Request<'_>,
        action: &Self::Action,
        visitor: &Self::Visitor,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Answers with an error, in the shape that the client reads.
    fn tell(&self, error: &Error, request: &Request<'_>) -> Reply;

    /// Answers what was asked for with the body that [`Desk::answer`] has said it needs.
    fn answer_body(
        &self,
        _request: &Request<'_>,
        _action: &Self::Action,
        _visitor: &Self::Visitor,
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

    /// Says what is asked about, as far as that may be blocked.
    fn subject(&self) -> Subject<'_>;

    /// Tells whether the path that it was read from holds a secret.
    fn hides_path(&self) -> bool {
        false
    }
}

/// Lets in who may ask for what is not blocked.
async fn enter<D: Desk>(desk: &D, request: &Request<'_>, action: &D::Action) -> Result<D::Visitor, Error> {
    let visitor = desk.admit(request, action).await?;
    match desk.blocks().check(action.subject()).await {
        Err(Error::Barred { .. }) if desk.hides(action, &visitor).await? => Ok(visitor),
        checked => checked.map(|()| visitor),
    }
}

/// Answers; again, once, when what is kept turned out to be damaged.
async fn answer_healing<D: Desk>(desk: &D, request: &Request<'_>, action: &D::Action) -> Result<Outcome, Error> {
    let visitor = enter(desk, request, action).await?;
    match desk.answer(request, action, &visitor).await {
        Err(error) => match error.engine() {
            Some(cause) if desk.mirror().heal(cause).await => desk.answer(request, action, &visitor).await,
            _ => Err(error),
        },
        answered => answered,
    }
}

async fn answer_body<D: Desk>(desk: &D, request: &Request<'_>, body: Bytes) -> Result<Reply, Error> {
    let action = desk.parse(request)?;
    let visitor = enter(desk, request, &action).await?;
    desk.answer_body(request, &action, &visitor, body).await
}

/// Turns an error into a reply, and logs it if the fault is ours.
fn fail<D: Desk>(desk: &D, error: &Error, request: &Request<'_>) -> Reply {
    if error.is_ours() {
        tracing::error!(request = request.id, error = error as &dyn std::error::Error, "request failed");
    }
    desk.tell(error, request)
}

/// Answers with a fault that comes before anything is looked at.
pub fn turn_away<D: Desk>(desk: &D, error: &Error, request: &Request<'_>) -> Reply {
    hide_path(desk, fail(desk, error, request).action("refused"), request)
}

/// Keeps a path that holds a secret from the log, also where its body was read, or was too long for that.
fn hide_path<D: Desk>(desk: &D, mut reply: Reply, request: &Request<'_>) -> Reply {
    let read = desk.parse(request);
    reply.note.hides_path = read.map_or_else(|_| desk.may_hide(request.path), |action| action.hides_path());
    reply
}

#[async_trait]
impl<D: Desk> Handler for D {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let action = match self.parse(request) {
            Ok(action) => action,
            Err(error) => return hide_path(self, self.tell(&error, request).action("refused"), request).into(),
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
        let reply = answer_body(self, request, body).await.unwrap_or_else(|error| fail(self, &error, request));
        hide_path(self, reply, request)
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        hide_path(self, self.tell(&refusal.into(), request).action("refused"), request)
    }
}
