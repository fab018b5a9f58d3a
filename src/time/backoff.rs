//! How long to wait before the next try. Pure, apart from the random jitter of [`Backoff::next_delay`].

use std::time::Duration;

/// The longest wait that darkroom chooses for a request; a server may ask for more.
const MAX_DELAY: Duration = Duration::from_mins(5);

/// The longest wait that a server may ask for: a longer one is taken for a mistake.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The wait after `tries` failed requests: 1, 2, 4, … seconds, at most 5 minutes, spread by `jitter` (0 to 1) over the upper half,
/// and never shorter than `retry_after`, which the server asked for.
pub fn backoff(tries: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let delay = exponential(Duration::from_secs(1), MAX_DELAY, tries, jitter);
    match retry_after {
        // A little later than asked, by a different amount for each client, so that they do not all come back at once.
        Some(asked) => delay.max(asked.min(MAX_RETRY_AFTER).mul_f64(1.0 + clamped(jitter) / 10.0)),
        None => delay,
    }
}

/// Growing pauses of one retry loop, each drawn at random from the upper half of its range.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    /// Pauses of at most `first`, twice that, and so on up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tries: 0 }
    }

    /// How many pauses were taken since the start or the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The next pause.
    pub fn next_delay(&mut self) -> Duration {
        let delay = exponential(self.first, self.longest, self.tries, rand::random());
        self.tries = self.tries.saturating_add(1);
        delay
    }

    /// Starts again with the first pause.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

fn exponential(first: Duration, longest: Duration, tries: u32, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(tries.min(16)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(0.5 + clamped(jitter) / 2.0)
}

fn clamped(jitter: f64) -> f64 {
    if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delay_doubles_up_to_the_cap() {
        for (tries, seconds) in [(0, 1), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300), (u32::MAX, 300)] {
            assert_eq!(backoff(tries, None, 1.0), Duration::from_secs(seconds), "{tries}");
        }
    }

    #[test]
    fn retry_after_is_a_lower_bound() {
        assert_eq!(backoff(0, Some(Duration::from_secs(30)), 0.0), Duration::from_secs(30));
        assert_eq!(backoff(9, Some(Duration::from_secs(30)), 1.0), MAX_DELAY);
        assert_eq!(backoff(0, Some(Duration::from_secs(u64::MAX)), 0.0), Duration::from_hours(1));
    }

    #[test]
    fn pauses_grow_and_start_again_after_a_reset() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut pauses = Backoff::new(first, longest);
        for limit in [100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis) {
            let delay = pauses.next_delay();
            assert!(delay >= limit / 2 && delay <= limit, "{delay:?} of {limit:?}");
        }
        assert_eq!(pauses.tries(), 6);
        pauses.reset();
        assert!(pauses.next_delay() <= first);
    }

    proptest! {
        #[test]
        fn delay_is_never_zero_and_always_bounded(tries: u32, asked: Option<u64>, jitter in proptest::num::f64::ANY) {
            let wait = backoff(tries, asked.map(Duration::from_secs), jitter);
            prop_assert!(wait >= Duration::from_millis(500));
            prop_assert!(wait <= Duration::from_mins(67));
        }
    }
}
