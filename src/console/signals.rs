//! Owns the signals that the console answers. Must not act on them.

/// What a signal asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// End (SIGTERM, SIGINT).
    End,
    /// The terminal is gone (SIGHUP): end, draw no more.
    HungUp,
    /// Stop for now (SIGTSTP).
    Suspend,
    /// It goes on after a stop (SIGCONT).
    Continued,
    /// The terminal has another size (SIGWINCH).
    Resized,
}

#[cfg(unix)]
pub use unix::Signals;

#[cfg(not(unix))]
pub use elsewhere::Signals;

#[cfg(unix)]
mod unix {
    use std::io;

    use rustix::process::Signal as Number;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Asked;

    /// The signals of a Unix process.
    pub struct Signals {
        terminate: Signal,
        interrupt: Signal,
        hang_up: Signal,
        stop: Signal,
        carry_on: Signal,
        resize: Signal,
    }

    impl Signals {
        /// From now on they come here and do nothing else.
        pub fn new() -> io::Result<Self> {
            let of = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
            Ok(Self {
                terminate: of(Number::TERM)?,
                interrupt: of(Number::INT)?,
                hang_up: of(Number::HUP)?,
                stop: of(Number::TSTP)?,
                carry_on: of(Number::CONT)?,
                resize: of(Number::WINCH)?,
            })
        }

        /// The next one. Cancel-safe.
        pub async fn next(&mut self) -> Asked {
            tokio::select! {
                _ = self.terminate.recv() => Asked::End,
                _ = self.interrupt.recv() => Asked::End,
                _ = self.hang_up.recv() => Asked::HungUp,
                _ = self.stop.recv() => Asked::Suspend,
                _ = self.carry_on.recv() => Asked::Continued,
                _ = self.resize.recv() => Asked::Resized,
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
mod elsewhere {
    use std::io;

    use super::Asked;

    /// Ctrl-C from outside.
    pub struct Signals;

    impl Signals {
        /// From now on it comes here and does nothing else.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next one. Cancel-safe.
        pub async fn next(&mut self) -> Asked {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Asked::End,
                Err(_) => std::future::pending().await,
            }
        }

        /// There is no such thing here.
        pub fn stop() -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }
    }
}
