//! How fast images are finished and money is spent, minute by minute: what the console saw of all workers on the store.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use crate::costs::Usd;
use crate::jobs::{Attempt, Job, JobId, StageName, StepName};

/// Minutes that are drawn, the current one included.
pub const MINUTES: usize = 8;

#[expect(clippy::cast_possible_wrap, reason = "a small constant")]
const SPAN: i64 = MINUTES as i64;

/// Minutes that the rate is computed from.
const RATE_MINUTES: i64 = 5;

/// Jobs that are remembered, so that none counts twice.
const MAX_SEEN: usize = 4_000;

/// Finished images and their money in each of the last minutes.
#[derive(Debug, Default)]
pub struct Activity {
    /// The number of the minute, the images, the money; oldest first.
    minutes: VecDeque<(i64, u32, Usd)>,
    seen: HashSet<(JobId, u32)>,
    order: VecDeque<(JobId, u32)>,
}

/// Images and money of a span of time, on the average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Images.
    pub images: u32,
    /// Money.
    pub usd: Usd,
    /// `min`, or `h` where a minute has less than one image.
    pub unit: &'static str,
}

fn minute_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

impl Activity {
    /// Takes in a job as it is now. Only images that were finished in the drawn minutes count, each once. Returns whether it counts.
    pub fn observe(&mut self, job: &Job, now: DateTime<Utc>) -> bool {
        let Some((attempt, at)) = finished(job) else { return false };
        let (minute, oldest) = (minute_of(at), minute_of(now) - SPAN);
        if minute <= oldest || at > now + Duration::seconds(60) {
            return false;
        }
        let key = (job.id.clone(), attempt.number);
        if !self.seen.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_SEEN
            && let Some(old) = self.order.pop_front()
        {
            self.seen.remove(&old);
        }
        while self.minutes.front().is_some_and(|(first, ..)| *first <= oldest) {
            self.minutes.pop_front();
        }
        let usd = attempt.charges().filter(|charge| charge.basis.is_counted()).filter_map(|charge| charge.amount).sum();
        let place = self.minutes.partition_point(|(other, ..)| *other < minute);
        match self.minutes.get_mut(place).filter(|(other, ..)| *other == minute) {
            Some((_, images, spent)) => (*images, *spent) = (*images + 1, *spent + usd),
            None => self.minutes.insert(place, (minute, 1, usd)),
        }
        true
    }

    /// The images of each of the last minutes, oldest first; `None` where there were none.
    pub fn images(&self, now: DateTime<Utc>) -> Option<[u32; MINUTES]> {
        let first = minute_of(now) + 1 - SPAN;
        let mut images = [0; MINUTES];
        for (minute, count, _) in &self.minutes {
            if let Some(cell) = usize::try_from(minute - first).ok().and_then(|index| images.get_mut(index)) {
                *cell += count;
            }
        }
        images.iter().any(|count| *count > 0).then_some(images)
    }

    /// What a minute or an hour has on the average, by the last few minutes.
    pub fn rate(&self, now: DateTime<Utc>) -> Rate {
        let first = minute_of(now) + 1 - RATE_MINUTES;
        let recent = self.minutes.iter().filter(|(minute, ..)| *minute >= first);
        let (images, usd) =
            recent.fold((0, Usd::ZERO), |(images, usd), (_, count, spent)| (images + count, usd + *spent));
        // The current minute is not over: the span is four minutes and what has passed of it.
        let seconds = (RATE_MINUTES - 1) * 60 + now.timestamp().rem_euclid(60).max(1);
        let (span, unit) = if i64::from(images) * 60 >= seconds { (60, "min") } else { (3_600, "h") };
        let spent = usd.decimal() * Decimal::from(span) / Decimal::from(seconds);
        let images = (f64::from(images) * f64::from(span) / seconds as f64).round();
        Rate { images: images as u32, usd: Usd::new(spent), unit }
    }

    /// When the counts of the last minutes change although nothing happens.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.images(now)?;
        DateTime::from_timestamp((minute_of(now) + 1) * 60, 0)
    }
}

/// The attempt that made the image, and when.
fn finished(job: &Job) -> Option<(&Attempt, DateTime<Utc>)> {
    if !matches!(job.stage_name(), StageName::Done | StageName::Approved) {
        return None;
    }
    let attempt = job.attempt()?;
    Some((attempt, attempt.step(StepName::Store)?.ended_at?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::{done, noon, usd};
    use crate::costs::{Basis, Charge, Service};

    fn finished_at(id: &str, at: DateTime<Utc>, amount: &str) -> Job {
        let mut job = done(id, 64, 64);
        let attempt = job.attempts.last_mut().unwrap();
        attempt.begin(StepName::Store, at);
        attempt.finish(StepName::Store, at);
        attempt.charge = Some(Charge {
            service: Service::BflApi,
            amount: Some(usd(amount)),
            basis: Basis::Settled,
            model: String::new(),
            at,
            simulated: true,
        });
        job
    }

    #[test]
    fn images_of_the_last_minutes_count_once() {
        let mut activity = Activity::default();
        let now = noon() + Duration::seconds(30);
        assert_eq!(activity.images(now), None);
        let ago = |minutes| now - Duration::minutes(minutes);
        for (id, minutes) in [("a", 0), ("b", 0), ("c", 3), ("d", 7), ("too-old", 8)] {
            activity.observe(&finished_at(id, ago(minutes), "0.04"), now);
        }
        assert!(!activity.observe(&finished_at("a", ago(0), "0.04"), now), "settled: the same image again");
        assert!(!activity.observe(&crate::console::test_fixtures::job("q", "x"), now));
        assert_eq!(activity.images(now), Some([1, 0, 0, 0, 1, 0, 0, 2]));
        // Three images in the four minutes and a half.
        let rate = activity.rate(now);
        assert_eq!((rate.images, rate.usd.display().as_str(), rate.unit), (40, "$1.60", "h"));
        assert_eq!(activity.next_change(now), Some(noon() + Duration::minutes(1)));
        let later = now + Duration::minutes(9);
        assert_eq!((activity.images(later), activity.next_change(later)), (None, None), "an idle console sleeps");
    }
}
