//! The local engine: a task for each running job in this process, as many as there are slots.
//!
//! One dispatcher owns what runs; one feed tells the console what changed. Nothing is shared with either but channels. What a
//! dead process left is found by its lock file ([`Presence`]) or when its claim runs out: recovery is not a special path.

mod dispatcher;
mod feed;
mod intake;
mod orders;
mod overview;
mod presence;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Command, Event, Ports, Settings};
pub use dispatcher::EngineEnd;
pub use presence::{Presence, PresenceError};

/// How many events wait for a reader before the engine waits for it.
const EVENTS: usize = 1024;

/// How many orders wait for the engine.
const COMMANDS: usize = 256;

/// A running engine.
pub struct EngineHandle {
    /// Orders in. When every sender is gone, the engine stops as by `Command::Stop`.
    pub commands: mpsc::Sender<Command>,
    /// Facts out; must be read, or the engine waits.
    pub events: mpsc::Receiver<Event>,
    /// Ends when the engine has ended, with how it ended.
    pub finished: JoinHandle<EngineEnd>,
}

/// Starts an engine in this process.
pub fn start(ports: Ports, settings: Settings, presence: Presence) -> EngineHandle {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (facts, events) = mpsc::channel(EVENTS);
    let finished = tokio::spawn(dispatcher::run(ports, settings, presence, orders, facts));
    EngineHandle { commands, events, finished }
}
