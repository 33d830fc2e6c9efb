//! Checksum files, and the files that they list.

use std::time::SystemTime;

use http::header::{ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_TYPE, LAST_MODIFIED, VIA};
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;

use super::Files;
use super::error::{Error, of_mirror};
use super::proofs::{self, Sum};
use super::routes::Place;
use crate::base::http::{Body, CacheState, Reply};
use crate::mirror::fresh::Demand;
use crate::mirror::verify::Broken;
use crate::mirror::{self, Found};
use crate::registries::bodies;
use crate::registries::replies::{self, BYTES};

/// What a checksum file vouches for is not for ever: another may take its name.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A file's line in its checksum file.
pub struct Listed {
    sum: Sum,
    /// How long ago the upstream vouched for it, in seconds.
    age: u64,
    /// When the mirror heard so.
    vouched_at: SystemTime,
}

impl Files {
    /// Answers with a checksum file.
    pub(super) async fn sums(&self, place: &Place, demand: &Demand) -> Result<Reply, Error> {
        let found = self.mirror.document(&self.sources.sums(place)?, demand).await;
        let found = found.map_err(|error| of_mirror(error, &place.path))?;
        let age = found.age.as_secs();
        Ok(self.reply(found, age))
    }

    /// Looks a place up in the checksum file beside it, if the mount names one. No directory has a sum.
    pub(super) async fn listed(&self, place: &Place, demand: &Demand) -> Result<Option<Listed>, Error> {
        let Some(name) = &self.rules.checksums else { return Ok(None) };
        let looked_up = match place.name() {
            "" => Ok(None),
            _ => self.look_up_newest(place, &place.beside(name), demand).await,
        };
        match looked_up {
            // Without a checksum file nothing is listed. That there is none is remembered as of any file.
            Ok(None) | Err(Error::NotFound { .. }) if self.rules.checksums_required => Err(unlisted(place)),
            Err(Error::NotFound { .. }) => Ok(None),
            looked_up => looked_up,
        }
    }

    /// Looks a place up in a checksum file. One that does not list it may be too old to.
    async fn look_up_newest(&self, place: &Place, sums: &Place, demand: &Demand) -> Result<Option<Listed>, Error> {
        let (listed, _) = self.look_up(place, sums, demand).await?;
        if listed.is_some() || demand.newest || self.missed.is_known(&sums.path, place.name()) {
            return Ok(listed);
        }
        match self.look_up(place, sums, &demand.newest()).await {
            Ok((None, CacheState::Stale)) => self.untold(Error::missing(place.path.clone(), CacheState::Stale)),
            Ok((None, _)) => {
                self.missed.note(&sums.path, place.name());
                Ok(None)
            }
            Ok((listed, _)) => Ok(listed),
            Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. } | Error::NotHeld { .. })) => {
                self.untold(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Nobody can tell whether a newer checksum file lists what the one that is held does not. That one is taken at its
    /// word, but where nothing may be served without a proof.
    fn untold(&self, error: Error) -> Result<Option<Listed>, Error> {
        if self.rules.checksums_required { Err(error) } else { Ok(None) }
    }

    async fn look_up(
        &self,
        place: &Place,
        sums: &Place,
        demand: &Demand,
    ) -> Result<(Option<Listed>, CacheState), Error> {
        let found = self.mirror.document(&self.sources.sums(sums)?, demand).await;
        let found = found.map_err(|error| of_mirror(error, &sums.path))?;
        let (age, cache) = (found.age.as_secs(), found.cache);
        let entry = found.entry.as_ref().ok_or_else(|| Error::internal("a document that is not kept"))?;
        let vouched_at = entry.validated_at;
        let file = percent_decode_str(place.name()).decode_utf8_lossy().into_owned();
        let sum = find(found.body, file).await?.map_err(|proofs::Ambiguous| {
            let detail = format!("{} lists two sums for {}", sums.path, place.name());
            let cause = mirror::Error::from(Broken { kind: "checksums", detail });
            of_mirror(cause, &place.path)
        })?;
        Ok((sum.map(|sum| Listed { sum, age, vouched_at }), cache))
    }

    /// Answers with a file whose sum is known. What fails may be newer than the checksum file that is held: then that is
    /// asked for again, once.
    pub(super) async fn proved(&self, place: &Place, listed: Listed, demand: &Demand) -> Result<Reply, Error> {
        let listed = self.renewed(place, listed, demand).await?;
        match self.fetch_proved(place, &listed, demand).await {
            Err(error @ Error::Unproven { .. }) => match self.listed(place, &demand.newest()).await? {
                Some(newer) if newer.sum != listed.sum => self.fetch_proved(place, &newer, demand).await,
                _ => Err(error),
            },
            answered => answered,
        }
    }

    /// Asks for a checksum file again if what it lists has failed since it came: a file streams while it is proved, so that
    /// a client may have been cut off, and is not to find the same again.
    async fn renewed(&self, place: &Place, listed: Listed, demand: &Demand) -> Result<Listed, Error> {
        let want = self.sources.proved(place, &listed.sum)?;
        let kept = self.mirror.find_artifact(&want.key).await;
        if kept.map_err(|error| of_mirror(error, &place.path))?.is_some() {
            return Ok(listed);
        }
        if !self.mirror.was_refused(&want.key, listed.vouched_at) {
            return Ok(listed);
        }
        Ok(self.listed(place, &demand.newest()).await?.unwrap_or(listed))
    }

    async fn fetch_proved(&self, place: &Place, listed: &Listed, demand: &Demand) -> Result<Reply, Error> {
        let found = self.mirror.artifact(&self.sources.proved(place, &listed.sum)?, demand).await;
        let found = found.map_err(|error| of_mirror(error, &place.path))?;
        Ok(self.reply(found, listed.age))
    }

    fn reply(&self, mut found: Found, age: u64) -> Reply {
        let mut reply = Reply::empty(StatusCode::OK);
        reply.set(ACCEPT_RANGES, BYTES);
        reply.set(CACHE_CONTROL, SHORT);
        reply.set(VIA, self.mirror.fetch().via().clone());
        let given = [(CONTENT_TYPE, found.content_type.take()), (LAST_MODIFIED, found.last_modified.take())];
        reply.headers.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut reply = replies::with_found(reply, found);
        reply.set(AGE, HeaderValue::from(age));
        reply
    }
}

/// The mount asks for a proof, and there is none.
fn unlisted(place: &Place) -> Error {
    Error::Forbidden(format!("no checksum file lists {}, and this mirror serves nothing else", place.path).into())
}

/// Finds a name in a checksum file, which may be long and lie on disk.
async fn find(body: Body, name: String) -> Result<Result<Option<Sum>, proofs::Ambiguous>, Error> {
    // It was proved to be text.
    let search = move || Ok(proofs::find(&String::from_utf8_lossy(&bodies::read_all(body)?), &name));
    bodies::apart(search).await
}
