//! The signals that the console answers.

/// A signal, by what it requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalEvent {
    /// End the process (SIGTERM, SIGINT).
    Terminate,
    /// The terminal is gone (SIGHUP): end, draw no more.
    HangUp,
    /// Stop for now (SIGTSTP).
    Suspend,
    /// The process runs again after a stop (SIGCONT).
    Continue,
    /// The terminal has another size (SIGWINCH).
    Resize,
}

#[cfg(unix)]
pub use unix::Signals;

#[cfg(not(unix))]
pub use other::Signals;

#[cfg(unix)]
mod unix {
    use std::io;

    use rustix::process::Signal as Number;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::SignalEvent;
    use crate::shutdown_signal::ShutdownSignal;

    /// The signals of a Unix process.
    pub struct Signals {
        shutdown: ShutdownSignal,
        hang_up: Signal,
        suspend: Signal,
        resume: Signal,
        resize: Signal,
    }

    impl Signals {
        /// Replaces the default action of these signals.
        pub fn new() -> io::Result<Self> {
            let of = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
            Ok(Self {
                shutdown: ShutdownSignal::listen_without_hangup()?,
                hang_up: of(Number::HUP)?,
                suspend: of(Number::TSTP)?,
                resume: of(Number::CONT)?,
                resize: of(Number::WINCH)?,
            })
        }

        /// The next one. Cancel-safe.
        pub async fn next(&mut self) -> SignalEvent {
            tokio::select! {
                () = self.shutdown.next() => SignalEvent::Terminate,
                _ = self.hang_up.recv() => SignalEvent::HangUp,
                _ = self.suspend.recv() => SignalEvent::Suspend,
                _ = self.resume.recv() => SignalEvent::Continue,
                _ = self.resize.recv() => SignalEvent::Resize,
            }
        }

        /// Stops this process and those that were started with it, as Ctrl-Z does; returns when it is continued.
        pub fn stop() -> io::Result<()> {
            rustix::process::kill_current_process_group(Number::STOP)?;
            Ok(())
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;

    use super::SignalEvent;
    use crate::shutdown_signal::ShutdownSignal;

    /// Ctrl-C from outside.
    pub struct Signals {
        shutdown: ShutdownSignal,
    }

    impl Signals {
        /// Replaces the default action of Ctrl-C.
        pub fn new() -> io::Result<Self> {
            Ok(Self { shutdown: ShutdownSignal::listen()? })
        }

        /// The next one. Cancel-safe.
        pub async fn next(&mut self) -> SignalEvent {
            self.shutdown.next().await;
            SignalEvent::Terminate
        }

        /// Processes cannot be stopped for a while on this system.
        pub fn stop() -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }
    }
}
