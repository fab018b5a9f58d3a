//! Draws on as many threads as there are processors, and keeps the newest images for repeated requests.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{ImageError, Subject, image};

/// Images that are kept.
const KEPT: usize = 16;

/// Draws images off the runtime's threads.
#[derive(Debug)]
pub(in crate::simulator) struct RenderQueue {
    newest: Mutex<VecDeque<(Subject, Bytes)>>,
    slots: Semaphore,
}

impl RenderQueue {
    /// An empty one.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self { newest: Mutex::default(), slots: Semaphore::new(processors) }
    }

    /// The image's file; the same bytes at every request.
    pub async fn image(&self, subject: &Subject) -> Result<Bytes, ImageError> {
        if let Some(kept) = self.kept(subject) {
            return Ok(kept);
        }
        let _slot = self.slots.acquire().await.map_err(|_| ImageError::Ending)?;
        let ordered = subject.clone();
        let bytes = tokio::task::spawn_blocking(move || image(&ordered)).await.map_err(|_| ImageError::Ending)??;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.push_front((subject.clone(), bytes.clone()));
        newest.truncate(KEPT);
        Ok(bytes)
    }

    fn kept(&self, subject: &Subject) -> Option<Bytes> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.iter().find(|(kept, _)| kept == subject).map(|(_, bytes)| bytes.clone())
    }
}
