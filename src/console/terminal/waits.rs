//! What the loop waits for, where a source may be gone or not there yet.

use std::time::Duration;

use crossterm::event::Event as TerminalEvent;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::input::Input;

/// At most this much is taken from one source before the others have their turn.
const BATCH: usize = 1_024;

/// Waits for events of the terminal; pends once it is gone.
pub async fn next_input(input: &mut Option<Input>, buffer: &mut Vec<TerminalEvent>) -> usize {
    match input {
        Some(input) => input.next(buffer, BATCH).await,
        None => std::future::pending().await,
    }
}

/// Waits for the engine; pends once it has started.
pub async fn started<T>(engine: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    match engine {
        Some(engine) => engine.await.ok(),
        None => std::future::pending().await,
    }
}

/// Waits for a batch; pends once its source is gone.
pub async fn receive<T>(source: &mut Option<Receiver<T>>, buffer: &mut Vec<T>) -> usize {
    match source {
        Some(source) => source.recv_many(buffer, BATCH).await,
        None => std::future::pending().await,
    }
}

/// Sleeps; pends where there is no end.
pub async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
