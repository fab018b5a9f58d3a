//! Measures how fast the terminal takes what is written to it: bytes over the time that writes waited. Reads no clock.

use std::time::Duration;

/// A line that takes fewer bytes a second is slow: an image would block it for seconds.
const SLOW_RATE: u64 = 100_000;
/// A line that takes more is fast again.
const FAST_RATE: u64 = 200_000;
/// Bytes that are measured before a line counts as slow: less is in buffers on the way.
const MEASURED_BYTES: u64 = 4_096;
/// The same for a line that counts as fast.
const MEASURED_BURST: u64 = 16_384;
/// A terminal that takes nothing for so long is stopped, not slow.
const STALL: Duration = Duration::from_secs(2);

/// What the line is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSpeed {
    /// Images are shown.
    Fast,
    /// Images are shown on request only.
    Slow {
        /// As measured.
        bytes_per_second: u64,
    },
}

/// The measure of one terminal.
#[derive(Debug)]
pub struct LineMeter {
    speed: LineSpeed,
    /// Bytes since the first wait of the present measure, and how long all its waits took.
    bytes: u64,
    waited: Duration,
    /// How long nothing was taken.
    stalled: Duration,
    /// Bytes of the present frame, and how long its waits took.
    frame: (u64, Duration),
}

impl LineMeter {
    /// A line is fast until it is measured.
    pub fn new() -> Self {
        let (bytes, waited, stalled) = (0, Duration::ZERO, Duration::ZERO);
        Self { speed: LineSpeed::Fast, bytes, waited, stalled, frame: (0, Duration::ZERO) }
    }

    /// What the line is like.
    pub fn speed(&self) -> LineSpeed {
        self.speed
    }

    /// Whether the line is slow.
    pub fn is_slow(&self) -> bool {
        self.speed != LineSpeed::Fast
    }

    /// A frame begins.
    pub fn begin_frame(&mut self) {
        self.frame = (0, Duration::ZERO);
    }

    /// After a wait, some bytes were taken, or none.
    pub fn on_write(&mut self, bytes: usize, waited: Duration) {
        let bytes = bytes as u64;
        self.frame = (self.frame.0 + bytes, self.frame.1 + waited);
        self.stalled = if bytes == 0 { self.stalled + waited } else { Duration::ZERO };
        if self.stalled > STALL {
            (self.bytes, self.waited) = (0, Duration::ZERO);
            return;
        }
        if waited < Duration::from_millis(1) && self.waited.is_zero() {
            return;
        }
        (self.bytes, self.waited) = (self.bytes + bytes, self.waited + waited);
        if self.bytes >= MEASURED_BYTES {
            let rate = rate(self.bytes, self.waited);
            if rate < SLOW_RATE && !self.is_slow() {
                self.speed = LineSpeed::Slow { bytes_per_second: rate };
            }
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    /// A frame was taken.
    pub fn end_frame(&mut self) {
        let (bytes, waited) = self.frame;
        if self.is_slow() && bytes >= MEASURED_BURST && rate(bytes, waited) >= FAST_RATE {
            self.speed = LineSpeed::Fast;
        }
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000) / milliseconds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a frame to a line of that speed behind a buffer of 4 kB.
    fn frame(meter: &mut LineMeter, bytes: usize, bytes_per_second: u64) {
        meter.begin_frame();
        let mut room = 4_096_usize;
        for _ in 0..bytes.div_ceil(1_024) {
            let waited = if room > 0 { Duration::ZERO } else { Duration::from_millis(1_024_000 / bytes_per_second) };
            room = room.saturating_sub(1_024);
            meter.on_write(1_024, waited);
        }
        meter.end_frame();
    }

    #[test]
    fn line_of_20_kilobytes_a_second_is_slow() {
        let mut meter = LineMeter::new();
        frame(&mut meter, 3_000, 20_000);
        assert!(!meter.is_slow(), "a small frame is in the buffer: nothing is known");
        frame(&mut meter, 12_000, 20_000);
        let LineSpeed::Slow { bytes_per_second } = meter.speed() else { panic!("{meter:?}") };
        assert!((15_000..=25_000).contains(&bytes_per_second), "{bytes_per_second}");
        for _ in 0..100 {
            frame(&mut meter, 1_024, 20_000);
        }
        assert!(meter.is_slow(), "small frames fit into the buffer of a slow line too");
        frame(&mut meter, 40_000, 5_000_000);
        assert!(!meter.is_slow(), "a burst was taken at once");
    }

    #[test]
    fn fast_and_stopped_lines_are_not_slow() {
        let mut meter = LineMeter::new();
        for _ in 0..20 {
            frame(&mut meter, 400_000, 2_000_000);
        }
        assert!(!meter.is_slow());
        meter.begin_frame();
        for _ in 0..400 {
            meter.on_write(0, Duration::from_millis(20));
        }
        frame(&mut meter, 12_000, 2_000_000);
        assert!(!meter.is_slow(), "Ctrl-S and a debugger stop a terminal, they do not slow it down");
    }
}
