//! Time: the clock that tests replace, UTC days and months, times and durations as people write them, and pauses between retries.
//!
//! A ground room: it names no other room but `text`, and sleeps only in [`Clock::sleep`].

mod backoff;
mod calendar;
mod clock;
mod parse;

pub use backoff::{Backoff, backoff};
pub use calendar::{VALID_SECONDS, day_of, last_days, midnight, month_key, month_of, nearest_valid};
pub use clock::{Clock, SharedClock, SystemClock};
pub use parse::{parse_duration, parse_time};
