//! Writes to the terminal off the loop. A terminal that is slow, or that nothing reads, blocks only the writer's thread: the
//! loop goes on with keys, signals and events, and draws the next frame, which then is the newest, when the last one is
//! written. It also measures the line: on a slow one the operator's next key cuts what is left of a long frame.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::line_meter::{LineMeter, LineSpeed};

/// How long a write may take when the terminal is set up or restored.
const CONTROL_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes of a frame that are always written, however slow the line.
const MAX_REST: usize = 8 * 1024;
/// A frame of more bytes contains an image; a screen of text is never cut, so that a key that repeats does not keep it away.
const MIN_CUT_FRAME: usize = 24 * 1024;
/// Ends whatever sequence a frame was cut in, and the synchronized update that it began.
const CUT: &[u8] = b"\x18\x1b\\\x1b[?2026l";
/// How often a blocked write looks whether it is cancelled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(20);

/// The terminal as a file, for the writer's thread and for whatever restores the terminal.
static DEVICE: OnceLock<Device> = OnceLock::new();

struct Device {
    file: device::File,
    /// Held during a write.
    writing: Mutex<()>,
    /// The console gave the terminal back: what is left of a frame is dropped.
    is_cancelled: AtomicBool,
    /// On a slow line the operator waits: what is left of a long frame is dropped.
    is_cut_requested: AtomicBool,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// A part of it was dropped: the screen is not what the frame shows.
    pub is_cut: bool,
    /// What the line is like.
    pub line: LineSpeed,
}

/// The writer's thread. One frame is in it at a time.
pub struct Output {
    frames: std::sync::mpsc::Sender<Vec<u8>>,
    written: mpsc::UnboundedReceiver<io::Result<Written>>,
    device: &'static Device,
    is_busy: bool,
    /// Short control sequences that wait for the frame before them.
    waiting: Vec<u8>,
}

impl Output {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let device = open()?;
        let (frames, queue) = std::sync::mpsc::channel::<Vec<u8>>();
        let (done, written) = mpsc::unbounded_channel();
        let write = move || {
            let mut meter = LineMeter::new();
            while let Ok(frame) = queue.recv() {
                let result = device.write_frame(&frame, &mut meter);
                if done.send(result).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("output".to_owned()).spawn(write)?;
        Ok(Self { frames, written, device, is_busy: false, waiting: Vec::new() })
    }

    /// Whether a frame is being written. No other is drawn until then.
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// On a slow line, drops what is left of a long frame: the operator did something that the next one shows.
    pub fn cut(&self) {
        if self.is_busy {
            self.device.is_cut_requested.store(true, Ordering::SeqCst);
        }
    }

    /// Writes a frame, or a control sequence after the frame before it.
    pub fn send(&mut self, bytes: Vec<u8>) {
        if self.is_busy {
            self.waiting.extend(bytes);
        } else if !bytes.is_empty() {
            // The thread lives as long as this channel.
            self.is_busy = self.frames.send(bytes).is_ok();
        }
    }

    /// Waits until the frame is written; pends while none is. Cancel-safe. Errors: the terminal is gone.
    pub async fn written(&mut self) -> io::Result<Written> {
        if !self.is_busy {
            return std::future::pending().await;
        }
        let result = self.written.recv().await.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
        self.is_busy = false;
        let waiting = std::mem::take(&mut self.waiting);
        self.send(waiting);
        result
    }
}

/// Writes what sets the terminal up. Errors: the terminal is gone, or nothing reads it.
pub fn write_now(bytes: &[u8]) -> io::Result<()> {
    let device = open()?;
    device.is_cancelled.store(false, Ordering::SeqCst);
    let _writing = device.lock();
    device.file.write(bytes, &mut |_, _, _| true, Some(Instant::now() + CONTROL_TIMEOUT)).map(|_| ())
}

/// Drops the frame that is being written, if any, and writes what restores the terminal, unless nothing reads it.
pub fn restore_now(bytes: &[u8]) {
    let Ok(device) = open() else { return };
    device.is_cancelled.store(true, Ordering::SeqCst);
    let _writing = device.lock();
    // Nothing can be done about a terminal that is gone.
    let _ = device.file.write(bytes, &mut |_, _, _| true, Some(Instant::now() + CONTROL_TIMEOUT));
}

fn open() -> io::Result<&'static Device> {
    if let Some(device) = DEVICE.get() {
        return Ok(device);
    }
    let device = Device {
        file: device::File::open()?,
        writing: Mutex::new(()),
        is_cancelled: AtomicBool::new(false),
        is_cut_requested: AtomicBool::new(false),
    };
    Ok(DEVICE.get_or_init(|| device))
}

impl Device {
    fn write_frame(&self, frame: &[u8], meter: &mut LineMeter) -> io::Result<Written> {
        let _writing = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.is_cut_requested.store(false, Ordering::SeqCst);
        meter.begin_frame();
        let was_slow = meter.is_slow();
        let is_complete = self.file.write(
            frame,
            &mut |written, waited, left| {
                meter.on_write(written, waited);
                // What was found to be slow by this very frame cuts it too: no image was requested on a slow line.
                let is_unwanted = !was_slow || self.is_cut_requested.load(Ordering::SeqCst);
                let is_cut = meter.is_slow() && frame.len() > MIN_CUT_FRAME && left > MAX_REST && is_unwanted;
                !is_cut && !self.is_cancelled.load(Ordering::SeqCst)
            },
            None,
        )?;
        let is_cut = !is_complete && !self.is_cancelled.load(Ordering::SeqCst);
        if is_cut {
            self.file.write(CUT, &mut |_, _, _| !self.is_cancelled.load(Ordering::SeqCst), None)?;
        } else {
            meter.end_frame();
        }
        Ok(Written { is_cut, line: meter.speed() })
    }

    /// Waits for the writer's thread, which notices that it is cancelled; `None` where its write blocks.
    fn lock(&self) -> Option<MutexGuard<'_, ()>> {
        let deadline = Instant::now() + CONTROL_TIMEOUT;
        loop {
            match self.writing.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

#[cfg(unix)]
mod device {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::OpenOptionsExt;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::OFlags;

    use super::CANCEL_INTERVAL;

    /// The terminal, opened for this process alone where that is allowed: writes do not block then, and the shell's own
    /// standard output stays as it is.
    pub struct File {
        output: OwnedFd,
    }

    impl File {
        pub fn open() -> io::Result<Self> {
            let stdout = io::stdout();
            let reopened = rustix::termios::ttyname(&stdout, Vec::new()).map_err(io::Error::from).and_then(|name| {
                std::fs::OpenOptions::new()
                    .write(true)
                    .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
                    .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
            });
            let output = match reopened {
                Ok(file) => file.into(),
                Err(_) => stdout.as_fd().try_clone_to_owned()?,
            };
            Ok(Self { output })
        }

        /// Writes all bytes; false where `go_on` ended that. It is called after every wait and write, with the bytes that were
        /// written, the time that was waited, and the bytes that are left. Errors: the terminal is gone, or `deadline` passed.
        pub fn write(
            &self,
            mut bytes: &[u8],
            go_on: &mut dyn FnMut(usize, Duration, usize) -> bool,
            deadline: Option<Instant>,
        ) -> io::Result<bool> {
            while !bytes.is_empty() {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let begun = Instant::now();
                let is_writable = self.is_writable()?;
                let waited = begun.elapsed();
                if !is_writable {
                    if !go_on(0, waited, bytes.len()) {
                        return Ok(false);
                    }
                    continue;
                }
                // One piece at a time: where the terminal could not be reopened, a write blocks until all of it is taken.
                let piece = &bytes[..bytes.len().min(1_024)];
                let written = match rustix::io::write(&self.output, piece) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(length) => length,
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => 0,
                    Err(error) => return Err(error.into()),
                };
                bytes = &bytes[written..];
                if !go_on(written, waited, bytes.len()) && !bytes.is_empty() {
                    return Ok(false);
                }
            }
            Ok(true)
        }

        /// Waits a moment for room.
        fn is_writable(&self) -> io::Result<bool> {
            let moment = Timespec::try_from(CANCEL_INTERVAL).map_err(io::Error::other)?;
            let mut fds = [PollFd::new(&self.output, PollFlags::OUT)];
            match poll(&mut fds, Some(&moment)) {
                Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::NVAL) => {
                    Err(io::ErrorKind::BrokenPipe.into())
                }
                Ok(count) => Ok(count > 0),
                Err(rustix::io::Errno::INTR) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }
    }
}

#[cfg(not(unix))]
mod device {
    use std::io::{self, Write};
    use std::time::{Duration, Instant};

    /// Standard output; a console of Windows always takes what is written.
    pub struct File;

    impl File {
        pub fn open() -> io::Result<Self> {
            Ok(Self)
        }

        pub fn write(
            &self,
            bytes: &[u8],
            _go_on: &mut dyn FnMut(usize, Duration, usize) -> bool,
            _deadline: Option<Instant>,
        ) -> io::Result<bool> {
            let mut stdout = io::stdout();
            stdout.write_all(bytes)?;
            stdout.flush()?;
            Ok(true)
        }
    }
}
