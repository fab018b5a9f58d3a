//! Owns the thread that reads the terminal: keys, mouse, pasted text, new sizes. Must not know what they mean.
//!
//! A thread of its own, because reading may block: crossterm reads on until an escape sequence is whole, and once the terminal
//! is gone it reads nothing for ever, at full speed. So this thread looks for a hang-up first, and whatever happens to it, the
//! loop goes on.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// Events that may wait for the loop.
const WAITING: usize = 256;

/// The running thread. Dropping it ends the thread before the next key is read.
pub struct Input {
    events: mpsc::Receiver<Event>,
    /// A byte wakes the thread; dropping it ends the thread.
    wake: io::PipeWriter,
}

impl Input {
    /// Begins to read. From now on nobody else may ask the terminal anything.
    pub fn start() -> io::Result<Self> {
        let (sender, events) = mpsc::channel(WAITING);
        let (ended, wake) = io::pipe()?;
        let terminal = readiness::Terminal::open(ended)?;
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read(&terminal, &sender))?;
        Ok(Self { events, wake })
    }

    /// The screen has another size: the thread takes that in now.
    ///
    /// Left for later, crossterm would find it together with the next key, return the size, and forget that a key is there
    /// until another one comes.
    pub fn size_changed(&mut self) {
        // A thread that has ended needs no word.
        let _ = self.wake.write_all(&[0]);
    }

    /// The next event; `None` once the terminal is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// Ends where the terminal is gone, nobody listens, or the console has ended.
fn read(terminal: &readiness::Terminal, events: &mpsc::Sender<Event>) {
    let mut patience = Duration::ZERO;
    while terminal.is_there() {
        match event::poll(patience) {
            Ok(true) => {
                let Ok(event) = event::read() else { return };
                if events.blocking_send(event).is_err() {
                    return;
                }
                patience = Duration::ZERO;
            }
            Ok(false) => {
                if !terminal.wait() {
                    return;
                }
                // What is readable and yet no event is a part of one: its rest is waited for without turning in circles.
                patience = PATIENCE;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// How long the rest of an escape sequence is waited for at a time.
const PATIENCE: Duration = Duration::from_millis(50);

#[cfg(unix)]
mod readiness {
    use std::fs::File;
    use std::io::{self, IsTerminal, PipeReader, Read};
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// The terminal as something to wait for.
    pub struct Terminal {
        input: OwnedFd,
        ended: PipeReader,
    }

    impl Terminal {
        /// Standard input where that is a terminal, else the one that this process was started from: as crossterm chooses.
        pub fn open(ended: PipeReader) -> io::Result<Self> {
            let input = if io::stdin().is_terminal() {
                io::stdin().as_fd().try_clone_to_owned()?
            } else {
                File::open("/dev/tty")?.into()
            };
            Ok(Self { input, ended })
        }

        /// Until there is something to read; `false` where there never will be again.
        pub fn wait(&self) -> bool {
            self.look(None)
        }

        /// Whether there may be something to read, now or later.
        pub fn is_there(&self) -> bool {
            self.look(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
        }

        fn look(&self, limit: Option<&Timespec>) -> bool {
            let mut fds = [PollFd::new(&self.input, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
            match poll(&mut fds, limit) {
                Ok(_) => {
                    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
                    let (terminal, word) = (fds[0].revents(), fds[1].revents());
                    if word.contains(PollFlags::IN) && matches!((&self.ended).read(&mut [0; 64]), Ok(0) | Err(_)) {
                        return false;
                    }
                    !word.intersects(gone) && !terminal.intersects(gone)
                }
                Err(error) => error == rustix::io::Errno::INTR,
            }
        }
    }
}

#[cfg(not(unix))]
mod readiness {
    use std::io::{self, PipeReader};
    use std::time::Duration;

    /// The terminal as something to wait for.
    pub struct Terminal;

    impl Terminal {
        /// The console of this process.
        pub fn open(_ended: PipeReader) -> io::Result<Self> {
            Ok(Self)
        }

        /// Such a terminal does not hang up without an error.
        pub fn is_there(&self) -> bool {
            true
        }

        /// Until there is something to read.
        pub fn wait(&self) -> bool {
            loop {
                match crossterm::event::poll(Duration::from_millis(500)) {
                    Ok(true) => return true,
                    Ok(false) => {}
                    Err(_) => return false,
                }
            }
        }
    }
}
