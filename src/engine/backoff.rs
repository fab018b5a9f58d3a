//! Owns how long to wait before the next try: a pure function. Must not sleep, and must not know what is tried.

use std::time::Duration;

/// Longest wait that we choose ourselves; a provider may ask for longer.
const LONGEST: Duration = Duration::from_mins(5);

/// Longest wait that a provider may ask for: beyond it the header is taken for a mistake.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How long to wait before try number `tries + 1`: 1, 2, 4, … seconds, at most 5 minutes, spread by `jitter` (0 to 1) over the
/// upper half, and never shorter than what the other side asked for.
pub fn backoff(tries: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    let doubled = Duration::from_secs(1).saturating_mul(1_u32.checked_shl(tries.min(16)).unwrap_or(u32::MAX));
    let longest = doubled.min(LONGEST);
    let chosen = longest.mul_f64(0.5 + jitter / 2.0);
    match asked {
        // A little later than asked, each at another time, so that a crowd does not come back at once.
        Some(asked) => chosen.max(asked.min(LONGEST_ASKED).mul_f64(1.0 + jitter / 10.0)),
        None => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_doubles_up_to_the_cap() {
        for (tries, seconds) in [(0, 1), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300), (u32::MAX, 300)] {
            assert_eq!(backoff(tries, None, 1.0), Duration::from_secs(seconds), "{tries}");
        }
    }

    #[test]
    fn what_was_asked_is_granted() {
        assert_eq!(backoff(0, Some(Duration::from_secs(30)), 0.0), Duration::from_secs(30));
        assert_eq!(backoff(9, Some(Duration::from_secs(30)), 1.0), LONGEST);
        assert_eq!(backoff(0, Some(Duration::from_secs(u64::MAX)), 0.0), Duration::from_hours(1));
    }

    proptest! {
        #[test]
        fn it_is_never_zero_and_never_endless(tries: u32, asked: Option<u64>, jitter in proptest::num::f64::ANY) {
            let wait = backoff(tries, asked.map(Duration::from_secs), jitter);
            prop_assert!(wait >= Duration::from_millis(500));
            prop_assert!(wait <= Duration::from_mins(67));
        }
    }
}
