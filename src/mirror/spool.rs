//! Bytes on their way: in memory while they are few, in a temporary file when they are many.

use std::io::{self, Write};

use bytes::Bytes;

use super::store::Store;
use crate::base::fs::Temp;

/// From this length on, bytes go to disk.
const IN_MEMORY: usize = 1024 * 1024;

/// A buffer that does not grow in memory beyond [`IN_MEMORY`] bytes.
pub struct Spool<'a> {
    store: &'a Store,
    memory: Vec<u8>,
    disk: Option<Temp>,
    length: u64,
}

impl<'a> Spool<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self { store, memory: Vec::new(), disk: None, length: 0 }
    }

    /// Returns how many bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns all bytes, in memory.
    ///
    /// # Errors
    /// The system's.
    pub fn into_bytes(mut self) -> io::Result<Bytes> {
        match self.disk.take() {
            None => Ok(self.memory.into()),
            Some(temp) => {
                temp.write_all(&self.memory)?;
                temp.slice(self.length).read_all()
            }
        }
    }

    /// Writes all bytes to `out`, never holding more than a piece of them.
    ///
    /// # Errors
    /// The system's, or those of `out`.
    pub fn pour(self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(temp) = &self.disk {
            let written = temp.slice(self.length - self.memory.len() as u64);
            for start in (0..written.length).step_by(IN_MEMORY) {
                out.write_all(&written.part(start..start + IN_MEMORY as u64).read_all()?)?;
            }
        }
        out.write_all(&self.memory)
    }
}

impl Write for Spool<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.memory.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.memory.len() >= IN_MEMORY {
            let temp = match self.disk.take() {
                Some(temp) => temp,
                None => self.store.temp()?,
            };
            temp.write_all(&self.memory)?;
            self.memory.clear();
            self.disk = Some(temp);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
