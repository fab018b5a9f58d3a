//! When a ticket is polled next. Pure.

use std::time::Duration;

/// First poll after the submit, in seconds: it costs nothing, and a simulator may be done.
const FIRST: f64 = 0.005;

/// A pause as a multiple of the ticket's age, before the image may be there.
const GROWTH: f64 = 1.5;

/// Longest pause around and soon after the usual time, in seconds.
const PAUSE: f64 = 5.0;

/// Longest pause once a ticket takes five times as long as usual, in seconds.
const LONG_PAUSE: f64 = 10.0;

/// How long to wait before the next poll of a ticket.
///
/// `elapsed` is the time since the acceptance, `typical` the model's quickest and slowest usual time in seconds
/// (`Model::typical_seconds`), `retry_after` what the provider requested, which is never undercut, and `jitter` a random number
/// from 0 to 1 that spreads many tickets by 15 % to either side.
///
/// Polls come at growing distances (5 ms, 12 ms, 31 ms, … of age) until the model could be done, then several within its usual
/// span, and ever more seldom after it: at most 5 s apart, 10 s for one that takes very long.
pub fn poll_delay(elapsed: Duration, typical: (f64, f64), retry_after: Option<Duration>, jitter: f64) -> Duration {
    let usable = |seconds: f64, instead: f64| if seconds.is_finite() && seconds > 0.0 { seconds } else { instead };
    let quickest = usable(typical.0, 5.0);
    let slowest = usable(typical.1, quickest).max(quickest);
    let age = elapsed.as_secs_f64();
    let within = ((slowest - quickest) / 4.0).clamp(0.25, 2.0);
    let pause = if age < quickest {
        // Not past the moment from which the image may be there.
        let growing = (age * GROWTH).max(FIRST).min((quickest / 4.0).clamp(0.5, PAUSE));
        growing.min((quickest - age).max(FIRST))
    } else if age < slowest {
        within
    } else {
        let longest = if age < slowest * 5.0 { PAUSE } else { LONG_PAUSE };
        (age / 10.0).clamp(within.min(longest), longest)
    };
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    let pause = Duration::from_secs_f64(pause * (0.85 + 0.3 * jitter));
    match retry_after {
        // Upwards only: what was requested is kept, but not by all tickets in the same instant.
        Some(requested) if requested >= pause => requested.saturating_add(Duration::from_secs_f64(jitter * 0.25)),
        _ => pause,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ages at which a ticket is polled, in seconds, without jitter.
    fn polls(typical: (f64, f64), until: f64) -> Vec<f64> {
        let mut ages = Vec::new();
        let mut age = 0.0;
        while age < until {
            age += poll_delay(Duration::from_secs_f64(age), typical, None, 0.5).as_secs_f64();
            ages.push(age);
        }
        ages
    }

    #[test]
    fn delay_follows_ticket_age() {
        for (age, typical, milliseconds) in [
            (0.0, (12.0, 14.0), 5),
            (0.005, (12.0, 14.0), 7),
            (0.1, (12.0, 14.0), 150),
            (2.0, (12.0, 14.0), 3_000),
            (11.0, (12.0, 14.0), 1_000),
            (13.0, (12.0, 14.0), 500),
            (20.0, (12.0, 14.0), 2_000),
            (60.0, (12.0, 14.0), 5_000),
            (100.0, (12.0, 14.0), 10_000),
            (1.0, (2.0, 5.0), 500),
            (3.0, (2.0, 5.0), 750),
            (37.0, (36.0, 41.0), 1_250),
            (3.0, (2.0, 34.0), 2_000),
            (0.0, (f64::NAN, f64::NAN), 5),
            (6.0, (-1.0, 0.0), 600),
        ] {
            let pause = poll_delay(Duration::from_secs_f64(age), typical, None, 0.5);
            assert_eq!(pause.as_millis(), milliseconds, "{age} {typical:?}");
        }
    }

    #[test]
    fn retry_after_is_respected() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(poll_delay(Duration::ZERO, (2.0, 5.0), asked, 0.0), Duration::from_secs(7));
        assert!(poll_delay(Duration::ZERO, (2.0, 5.0), asked, 1.0) > Duration::from_secs(7));
        let short = Some(Duration::from_millis(1));
        assert_eq!(poll_delay(Duration::from_secs(100), (2.0, 5.0), short, 0.5), Duration::from_secs(10));
    }

    #[test]
    fn poll_count_within_typical_time_is_bounded() {
        for (typical, most) in [((2.0, 5.0), 20), ((12.0, 14.0), 20), ((36.0, 41.0), 25), ((2.0, 34.0), 35)] {
            let ages = polls(typical, typical.1);
            assert!(ages.len() <= most, "{typical:?}: {} polls", ages.len());
            assert!(ages[0] < 0.01 && ages[2] < 0.05, "{ages:?}");
            assert!(ages.iter().any(|age| (age - typical.0).abs() < 0.02), "none as soon as it may be done: {ages:?}");
        }
    }

    proptest! {
        #[test]
        fn delay_stays_within_bounds(
            age in 0.0..1e7_f64,
            quickest in prop::num::f64::ANY,
            slowest in prop::num::f64::ANY,
            asked in prop::option::of(0_u64..100_000),
            jitter in prop::num::f64::ANY,
        ) {
            let asked = asked.map(Duration::from_millis);
            let pause = poll_delay(Duration::from_secs_f64(age), (quickest, slowest), asked, jitter);
            prop_assert!(pause >= asked.unwrap_or(Duration::from_millis(4)));
            let most = Duration::from_secs_f64(LONG_PAUSE * 1.15).max(asked.unwrap_or_default() + Duration::from_millis(250));
            prop_assert!(pause <= most);
        }
    }
}
