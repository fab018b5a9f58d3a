//! Reads the terminal: keys, mouse, focus, pasted text. It does not know what they mean.
//!
//! ```text
//! bytes ─▶ decoder ─▶ translate (one sequence) ─▶ bursts ─▶ events
//! ```
//!
//! A thread of its own reads, since a read may block. It reads until nothing is left, and both stages have timeouts: no byte
//! waits for a later one. Sizes come with `SIGWINCH`, not from here.

mod bursts;
#[cfg(unix)]
mod decoder;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod translate;
#[cfg(unix)]
mod tty;

use std::io;

use crossterm::event::Event;
use tokio::sync::mpsc;

/// Events that may wait for the loop; then the reader waits too, and the system holds further bytes.
const QUEUE: usize = 1_024;

/// The running reader. Dropping it ends its thread.
pub struct Input {
    events: mpsc::Receiver<Event>,
    /// Dropping it wakes the thread and ends it.
    _stop: io::PipeWriter,
}

impl Input {
    /// Starts to read. From here on nothing else may read the terminal.
    ///
    /// The second value receives whether the terminal's background is light, once the terminal reports it.
    pub fn start() -> io::Result<(Self, mpsc::UnboundedReceiver<bool>)> {
        let (sender, events) = mpsc::channel(QUEUE);
        let (backgrounds, background) = mpsc::unbounded_channel();
        let (stopped, stop) = io::pipe()?;
        start_thread(stopped, sender, backgrounds)?;
        Ok((Self { events, _stop: stop }, background))
    }

    /// Waits for events and takes up to `limit` of them; 0 once the terminal is gone. Cancel-safe.
    pub async fn next(&mut self, events: &mut Vec<Event>, limit: usize) -> usize {
        self.events.recv_many(events, limit).await
    }
}

#[cfg(unix)]
fn start_thread(
    stopped: io::PipeReader,
    sender: mpsc::Sender<Event>,
    backgrounds: mpsc::UnboundedSender<bool>,
) -> io::Result<()> {
    let terminal = tty::Tty::open(stopped)?;
    std::thread::Builder::new().name("input".to_owned()).spawn(move || read(&terminal, &sender, &backgrounds))?;
    Ok(())
}

/// Reads until the terminal is gone, the console has ended, or its loop has.
#[cfg(unix)]
fn read(terminal: &tty::Tty, sender: &mpsc::Sender<Event>, backgrounds: &mpsc::UnboundedSender<bool>) {
    use std::time::Instant;

    let mut decoder = decoder::Decoder::new();
    let mut bursts = bursts::BurstFilter::default();
    let mut buffer = [0; 16 * 1024];
    let (mut single, mut events) = (Vec::new(), Vec::new());
    loop {
        let deadline = [decoder.deadline(), bursts.deadline()].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let bytes: &[u8] = match terminal.wait(timeout) {
            tty::Readiness::Readable => match terminal.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => &buffer[..length],
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => &[],
                Err(_) => return,
            },
            tty::Readiness::TimedOut => &[],
            tty::Readiness::Gone => return,
        };
        let now = Instant::now();
        if bytes.is_empty() {
            decoder.expire(now, &mut single);
        } else {
            decoder.push(bytes, now, &mut single);
        }
        if let Some(is_light) = decoder.take_background() {
            // The loop may have stopped listening.
            let _ = backgrounds.send(is_light);
        }
        for event in single.drain(..) {
            bursts.push(event, now, &mut events);
        }
        bursts.expire(now, &mut events);
        for event in events.drain(..) {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    }
}

/// Windows has events, not bytes, and no bracketed paste: every paste there is a burst.
#[cfg(not(unix))]
fn start_thread(
    stopped: io::PipeReader,
    sender: mpsc::Sender<Event>,
    _backgrounds: mpsc::UnboundedSender<bool>,
) -> io::Result<()> {
    use std::time::{Duration, Instant};

    /// How often an idle reader notices that the console has ended.
    const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

    let read = move || {
        let _stopped = stopped;
        let mut bursts = bursts::BurstFilter::default();
        let mut events = Vec::new();
        while !sender.is_closed() {
            let timeout = bursts.deadline().map_or(IDLE_TIMEOUT, |at| at.saturating_duration_since(Instant::now()));
            match crossterm::event::poll(timeout) {
                Ok(true) => match crossterm::event::read() {
                    Ok(event) => bursts.push(event, Instant::now(), &mut events),
                    Err(_) => return,
                },
                Ok(false) => {}
                Err(_) => return,
            }
            bursts.expire(Instant::now(), &mut events);
            for event in events.drain(..) {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(read)?;
    Ok(())
}
