//! What every engine shares: which job gets a slot, orders, the feed of a screen, the proof that a worker lives.
//!
//! One dispatcher owns what runs; one feed tells the console what changed. Nothing is shared with either but channels. How a job is
//! run is a [`Runner`]'s matter. What a dead process left is found by its lock file ([`WorkerLock`]) or when its claim runs out:
//! recovery is not a special path.

mod dispatcher;
mod feed;
mod intake;
mod orders;
mod overview;
mod presence;
mod reporter;
mod runner;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::workflow::Observer;
use super::{Command, Event, Ports, Settings};
pub use dispatcher::EngineEnd;
pub(super) use feed::Hint;
#[cfg(feature = "temporal")]
pub(super) use orders::record;
pub use presence::{WorkerLock, WorkerLockError};
pub(super) use runner::{RunError, Runner};

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

/// What a runner is made from.
pub(super) struct Bench {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) presence: Arc<WorkerLock>,
    /// Hears what effects say while they run.
    pub(super) observer: Arc<dyn Observer>,
    /// Facts for the screen.
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only a fleet has something to tell by itself"))]
    pub(super) facts: mpsc::Sender<Event>,
}

/// Starts a dispatcher in this process whose jobs are run by what `make` makes.
pub(super) fn start<Run: Runner>(
    ports: Ports,
    settings: Settings,
    presence: WorkerLock,
    make: impl FnOnce(Bench) -> Run,
) -> EngineHandle {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (facts, events) = mpsc::channel(EVENTS);
    let presence = Arc::new(presence);
    let (observer, said) = reporter::new(facts.clone());
    let bench = Bench {
        ports: ports.clone(),
        settings: settings.clone(),
        presence: presence.clone(),
        observer,
        facts: facts.clone(),
    };
    let runner = Arc::new(make(bench));
    let finished = tokio::spawn(dispatcher::run(ports, settings, presence, runner, (orders, said), facts));
    EngineHandle { commands, events, finished }
}
