//! One part of a body that is still coming: handed out as it comes, but for its end, which waits for the proofs of the
//! whole. So nobody completes a part of what turns out to be wrong.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::base::fs::Slice;
use crate::base::http::{Cut, Source, WITHHELD};

/// A part on its way.
pub struct Part {
    whole: Whole,
    /// What is still to be handed out, in bytes of the whole.
    left: Range<u64>,
}

enum Whole {
    /// It stands where `left` begins.
    Coming(Box<dyn Source>),
    /// All of it, proved.
    There(Slice),
    /// It did not come to its end.
    Lost,
}

// === impl Part ===

impl Part {
    /// Begins the part `range` of a body.
    ///
    /// # Errors
    /// The body, where it cannot be begun anywhere but at its start.
    pub fn new(mut source: Box<dyn Source>, range: Range<u64>) -> Result<Self, Box<dyn Source>> {
        if source.seek(range.start) { Ok(Self { whole: Whole::Coming(source), left: range }) } else { Err(source) }
    }

    /// Returns how many bytes may be handed out before the proofs hold.
    fn open(&self) -> u64 {
        (self.left.end - self.left.start).saturating_sub(WITHHELD)
    }

    async fn piece(&mut self) -> Result<Bytes, Cut> {
        let open = self.open();
        if let Whole::Coming(source) = &mut self.whole
            && open > 0
            && let Some(piece) = source.next().await
        {
            return piece.map(|bytes| bytes.slice(..bytes.len().min(usize::try_from(open).unwrap_or(usize::MAX))));
        }
        self.read().await
    }

    /// Reads on in the whole, which is waited for.
    async fn read(&mut self) -> Result<Bytes, Cut> {
        let whole = match std::mem::replace(&mut self.whole, Whole::Lost) {
            Whole::Coming(source) => source.whole().await?,
            Whole::There(whole) => whole,
            Whole::Lost => return Err(cut(io::ErrorKind::UnexpectedEof.into())),
        };
        let buffer = BytesMut::zeroed((self.left.end - self.left.start).min(WITHHELD) as usize);
        let read = whole.read_at(buffer, self.left.start).await.map_err(cut)?;
        if read.is_empty() {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        self.whole = Whole::There(whole);
        Ok(read.freeze())
    }
}

#[async_trait]
impl Source for Part {
    fn length(&self) -> Option<u64> {
        Some(self.left.end - self.left.start)
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if self.left.is_empty() {
            return None;
        }
        Some(self.piece().await.inspect(|bytes| self.left.start += bytes.len() as u64))
    }

    async fn whole(self: Box<Self>) -> Result<Slice, Cut> {
        match self.whole {
            Whole::Coming(source) => Ok(source.whole().await?.part(self.left)),
            Whole::There(whole) => Ok(whole.part(self.left)),
            Whole::Lost => Err(cut(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn cut(error: io::Error) -> Cut {
    Cut(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs::Temp;

    const LENGTH: usize = 100_000;
    /// Bytes that come at once.
    const PIECE: usize = 7_000;

    fn body() -> Vec<u8> {
        (0..LENGTH).map(|number| (number % 251) as u8).collect()
    }

    /// A body that comes, and is proved or not when all of it has.
    struct Coming {
        position: usize,
        is_right: bool,
    }

    #[async_trait]
    impl Source for Coming {
        fn length(&self) -> Option<u64> {
            Some(LENGTH as u64)
        }

        async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
            let end = (self.position + PIECE).min(LENGTH - WITHHELD as usize);
            let piece = body().get(self.position..end).map(Bytes::copy_from_slice).filter(|piece| !piece.is_empty());
            self.position = end;
            piece.map(Ok)
        }

        fn seek(&mut self, position: u64) -> bool {
            self.position = position as usize;
            true
        }

        async fn whole(self: Box<Self>) -> Result<Slice, Cut> {
            if !self.is_right {
                return Err(cut(io::ErrorKind::InvalidData.into()));
            }
            let temp = Temp::in_memory().unwrap();
            temp.write_all(&body()).unwrap();
            Ok(temp.slice(LENGTH as u64))
        }
    }

    async fn read(range: Range<usize>, is_right: bool) -> (Vec<u8>, bool) {
        let range = range.start as u64..range.end as u64;
        let Ok(mut part) = Part::new(Box::new(Coming { position: 0, is_right }), range.clone()) else {
            panic!("it can be begun anywhere")
        };
        assert_eq!(part.length(), Some(range.end - range.start));
        let mut read = Vec::new();
        while let Some(piece) = part.next().await {
            match piece {
                Ok(bytes) => read.extend_from_slice(&bytes),
                Err(_) => return (read, false),
            }
        }
        (read, true)
    }

    #[tokio::test]
    async fn a_part_is_what_stands_there_and_its_end_waits_for_the_proofs() {
        for range in [0..LENGTH, 0..1, 10_000..50_000, 30_000..LENGTH, LENGTH - 20_000..LENGTH, LENGTH - 1..LENGTH] {
            assert_eq!(read(range.clone(), true).await, (body()[range.clone()].to_vec(), true), "{range:?}");
            let open = range.len().saturating_sub(WITHHELD as usize);
            let (came, whole) = read(range.clone(), false).await;
            assert!(!whole && came.len() <= open && came == body()[range.start..range.start + came.len()], "{range:?}");
        }
        assert_eq!(read(10_000..50_000, false).await.0.len(), 40_000 - WITHHELD as usize);
    }
}
