//! What stands before the desk: every request is counted, and every answer says what all of them say.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::Nessemble;
use super::error::{self, Error};
use super::rate::{Figures, Meter};
use super::replies::{self, Dressing};
use crate::base::clock::Clock;
use crate::base::http::{Handler, Outcome, Refusal, Reply, Request};

/// A mount, with the count of its requests.
pub struct Metered {
    pub desk: Nessemble,
    pub meter: Meter,
    pub clock: Clock,
}

#[async_trait]
impl Handler for Metered {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let start = Instant::now();
        let (outcome, figures) = match self.meter.enter(request.peer, self.clock.now()) {
            Ok(figures) => (self.desk.handle(request).await, figures),
            Err(figures) => (error::reply(&Error::TooMany, request.id).action("refused").into(), figures),
        };
        match outcome {
            Outcome::Reply(reply) => dressed(reply, start, figures).into(),
            other => other,
        }
    }

    async fn handle_body(&self, request: &Request<'_>, _body: Bytes) -> Reply {
        self.refuse(Refusal::TooLarge, request)
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        let start = Instant::now();
        let mut figures = self.meter.enter(request.peer, self.clock.now()).unwrap_or_else(|figures| figures);
        if refusal == Refusal::TooMany {
            // Whatever is left here, there is nothing left of what the whole server gives.
            figures.remaining = 0;
        }
        dressed(self.desk.refuse(refusal, request), start, figures)
    }
}

fn dressed(mut reply: Reply, start: Instant, figures: Figures) -> Reply {
    replies::dress(&mut reply, &Dressing { took: start.elapsed(), figures });
    reply
}
