//! One thread that makes a journal durable. Requests that arrive while it waits for the disk share the next wait.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use tokio::sync::oneshot;

/// A file to make durable, and where the result goes.
struct SyncRequest {
    file: Arc<File>,
    result: oneshot::Sender<Result<(), String>>,
}

/// The handle to the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Syncer(Sender<SyncRequest>);

/// What was written before becomes durable.
#[derive(Debug)]
pub(in crate::engine) struct PendingSync(Option<oneshot::Receiver<Result<(), String>>>);

impl PendingSync {
    /// Nothing needs to become durable.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Waits until it is durable. Errors: one line.
    pub(super) async fn wait(self) -> Result<(), String> {
        match self.0 {
            None => Ok(()),
            Some(result) => result.await.unwrap_or_else(|_| Err("the thread that syncs it has ended".to_owned())),
        }
    }
}

impl Syncer {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let (sender, requests) = mpsc::channel();
        std::thread::Builder::new().name("submit-journal".to_owned()).spawn(move || run(&requests))?;
        Ok(Self(sender))
    }

    /// Requests that everything written to the file so far becomes durable.
    pub(super) fn sync(&self, file: Arc<File>) -> PendingSync {
        let (result, receiver) = oneshot::channel();
        // If the thread has ended, the dropped sender reports that.
        let _ = self.0.send(SyncRequest { file, result });
        PendingSync(Some(receiver))
    }
}

fn run(requests: &Receiver<SyncRequest>) {
    // A file that failed once may report success afterwards although what it had to write is lost.
    let mut failed: Option<(Arc<File>, String)> = None;
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        group.extend(requests.try_iter());
        while let Some(request) = group.pop() {
            let outcome = match &failed {
                Some((file, error)) if Arc::ptr_eq(file, &request.file) => Err(error.clone()),
                _ => request.file.sync_data().map_err(|error| error.to_string()),
            };
            if let Err(error) = &outcome {
                failed = Some((request.file.clone(), error.clone()));
            }
            // A journal is rarely replaced, so nearly always the whole group waits for one file.
            let is_same = |other: &SyncRequest| Arc::ptr_eq(&other.file, &request.file);
            let (same, others): (Vec<_>, Vec<_>) = group.into_iter().partition(is_same);
            group = others;
            for request in same.into_iter().chain([request]) {
                // A caller that does not wait has dropped its receiver.
                let _ = request.result.send(outcome.clone());
            }
        }
    }
}
