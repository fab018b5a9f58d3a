//! The simulator's state in memory: live tickets, how many are unfinished, the balance.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::ledger::{MAX_REMEMBERED, Opened};
use super::options::Speed;
use super::ticket::{REMEMBERED, Ticket};

/// Bytes of prompts that are remembered at most.
const MAX_PROMPT_BYTES: usize = 64 << 20;

/// Different submits whose repetitions are counted at most; then counting starts again.
const MAX_COUNTED: usize = 200_000;

/// Why a request is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountLimit {
    /// Too many unfinished tickets.
    TooMany,
    /// The balance does not cover it.
    NoCredits,
}

/// How many unfinished tickets there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of all models.
    pub all: usize,
    /// Of this model.
    pub model: Option<usize>,
}

/// What is held in memory. Every operation takes a time that does not grow with the number of tickets.
#[derive(Debug)]
pub(super) struct AccountState {
    tickets: HashMap<String, Arc<Ticket>>,
    /// In the order of acceptance, for forgetting.
    by_age: VecDeque<Arc<Ticket>>,
    prompt_bytes: usize,
    /// When each unfinished ticket ends; of all, and of each model.
    active: EndTimes,
    active_by_model: HashMap<String, EndTimes>,
    /// What is left when everything that is due or scheduled is paid.
    available: Decimal,
    /// What is on the bill only later.
    scheduled: BinaryHeap<Reverse<(DateTime<Utc>, Decimal)>>,
    scheduled_sum: Decimal,
    repeat_counts: HashMap<u64, u32>,
    speed: Speed,
}

impl AccountState {
    /// What the ledger knows.
    pub fn new(opened: Opened, credits: Decimal, speed: Speed, now: DateTime<Utc>) -> Self {
        let mut state = Self {
            tickets: HashMap::new(),
            by_age: VecDeque::new(),
            prompt_bytes: 0,
            active: EndTimes::default(),
            active_by_model: HashMap::new(),
            available: credits,
            scheduled: BinaryHeap::new(),
            scheduled_sum: Decimal::ZERO,
            repeat_counts: HashMap::new(),
            speed,
        };
        for (credits, at) in opened.billed {
            state.charge(credits, at, now);
        }
        for ticket in opened.tickets {
            state.insert(Arc::new(ticket), now);
        }
        state
    }

    /// Accepts a submit, with the time of its bill where it is billed; `withdraw` takes it back.
    pub fn accept(
        &mut self,
        ticket: &Arc<Ticket>,
        billed_at: Option<DateTime<Utc>>,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Result<(), AccountLimit> {
        let of_model = self.active_by_model.get_mut(&ticket.model).map_or(0, |ends| ends.count(now));
        if self.active.count(now) >= limits.all || limits.model.is_some_and(|most| of_model >= most) {
            return Err(AccountLimit::TooMany);
        }
        if self.available < ticket.cost {
            return Err(AccountLimit::NoCredits);
        }
        if let Some(at) = billed_at {
            self.charge(ticket.cost, at, now);
        }
        self.insert(Arc::clone(ticket), now);
        Ok(())
    }

    /// Takes a submit back that could not be written.
    pub fn withdraw(&mut self, ticket: &Ticket, billed_at: Option<DateTime<Utc>>) {
        let end = ticket.busy_until(self.speed);
        self.active.remove(end);
        if let Some(ends) = self.active_by_model.get_mut(&ticket.model) {
            ends.remove(end);
        }
        self.tickets.remove(&ticket.id);
        if let Some(at) = billed_at {
            self.available += ticket.cost;
            if remove_one(&mut self.scheduled, &Reverse((at, ticket.cost))) {
                self.scheduled_sum -= ticket.cost;
            }
        }
    }

    /// The ticket of that id, unless it is forgotten.
    pub fn find(&self, id: &str, now: DateTime<Utc>) -> Option<Arc<Ticket>> {
        self.tickets.get(id).filter(|ticket| now - ticket.accepted_at < REMEMBERED).map(Arc::clone)
    }

    /// What the account shows: credits less the bill up to now.
    pub fn balance(&mut self, now: DateTime<Utc>) -> Decimal {
        while let Some(Reverse((at, credits))) = self.scheduled.peek().copied() {
            if at > now {
                break;
            }
            self.scheduled.pop();
            self.scheduled_sum -= credits;
        }
        self.available + self.scheduled_sum
    }

    /// How often the same was requested before.
    pub fn count_repeat(&mut self, words: u64) -> u32 {
        if self.repeat_counts.len() >= MAX_COUNTED {
            self.repeat_counts.clear();
        }
        let count = self.repeat_counts.entry(words).or_insert(0);
        *count = count.saturating_add(1);
        *count - 1
    }

    fn charge(&mut self, credits: Decimal, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.available -= credits;
        if at > now {
            self.scheduled.push(Reverse((at, credits)));
            self.scheduled_sum += credits;
        }
    }

    fn insert(&mut self, ticket: Arc<Ticket>, now: DateTime<Utc>) {
        let end = ticket.busy_until(self.speed);
        if end > now {
            self.active.add(end);
            self.active_by_model.entry(ticket.model.clone()).or_default().add(end);
        }
        self.prompt_bytes += ticket.subject.prompt.len();
        self.tickets.insert(ticket.id.clone(), Arc::clone(&ticket));
        self.by_age.push_back(ticket);
        while let Some(oldest) = self.by_age.front() {
            let crowded = self.by_age.len() > MAX_REMEMBERED || self.prompt_bytes > MAX_PROMPT_BYTES;
            if !crowded && now - oldest.accepted_at < REMEMBERED {
                break;
            }
            self.prompt_bytes -= oldest.subject.prompt.len();
            self.tickets.remove(&oldest.id);
            self.by_age.pop_front();
        }
    }
}

/// Times of ends, earliest first: past ones are dropped at each count.
#[derive(Debug, Default)]
struct EndTimes(BinaryHeap<Reverse<DateTime<Utc>>>);

impl EndTimes {
    fn add(&mut self, end: DateTime<Utc>) {
        self.0.push(Reverse(end));
    }

    fn count(&mut self, now: DateTime<Utc>) -> usize {
        while self.0.peek().is_some_and(|Reverse(end)| *end <= now) {
            self.0.pop();
        }
        self.0.len()
    }

    fn remove(&mut self, end: DateTime<Utc>) {
        remove_one(&mut self.0, &Reverse(end));
    }
}

/// Removes one item that equals `item`; whether there was one. Looks at all of them, which happens only after a failed write.
fn remove_one<T: Ord>(heap: &mut BinaryHeap<T>, item: &T) -> bool {
    let mut removed = false;
    heap.retain(|other| removed || other != item || std::mem::replace(&mut removed, true));
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ImageFormat;
    use crate::simulator::faults::FaultPlan;
    use crate::simulator::images::Subject;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// Accepted at that second, ready ten later, three credits.
    fn ticket(id: &str, second: i64) -> Arc<Ticket> {
        let subject = Subject { prompt: "".into(), seed: 1, width: 64, height: 64, format: ImageFormat::Png };
        let times = (at(second), at(second + 10));
        Arc::new(Ticket::new(id.into(), "flux-2-pro".into(), subject, times, FaultPlan::default(), Decimal::from(3)))
    }

    fn account(credits: i64) -> AccountState {
        AccountState::new(Opened::default(), Decimal::from(credits), Speed::Times(1.0), at(0))
    }

    const TWO: Limits = Limits { all: 2, model: None };

    #[test]
    fn finished_tickets_free_their_slots() {
        let mut state = account(100);
        let mut take = |id: &str, second| state.accept(&ticket(id, second), None, TWO, at(second));
        assert_eq!(take("a", 0), Ok(()));
        assert_eq!(take("b", 5), Ok(()));
        assert_eq!(take("c", 9), Err(AccountLimit::TooMany));
        assert_eq!(take("c", 10), Ok(()));
        assert_eq!(take("d", 14), Err(AccountLimit::TooMany));
    }

    #[test]
    fn model_limit_applies() {
        let mut state = account(100);
        let one = Limits { all: 24, model: Some(1) };
        assert_eq!(state.accept(&ticket("a", 0), None, one, at(0)), Ok(()));
        assert_eq!(state.accept(&ticket("b", 0), None, one, at(0)), Err(AccountLimit::TooMany));
    }

    #[test]
    fn balance_covers_scheduled_charges() {
        let mut state = account(7);
        assert_eq!(state.accept(&ticket("now", 0), Some(at(0)), TWO, at(0)), Ok(()));
        assert_eq!(state.accept(&ticket("later", 0), Some(at(10)), TWO, at(0)), Ok(()));
        assert_eq!(state.accept(&ticket("more", 10), Some(at(10)), TWO, at(10)), Err(AccountLimit::NoCredits));
        assert_eq!(state.balance(at(9)), Decimal::from(4));
        assert_eq!(state.balance(at(10)), Decimal::from(1));
    }

    #[test]
    fn withdrawn_ticket_leaves_no_trace() {
        for billed_at in [at(0), at(10)] {
            let mut state = account(3);
            let a = ticket("a", 0);
            assert_eq!(state.accept(&a, Some(billed_at), TWO, at(0)), Ok(()));
            state.withdraw(&a, Some(billed_at));
            assert_eq!(state.balance(at(0)), Decimal::from(3));
            assert!(state.find("a", at(0)).is_none());
            for id in ["b", "c"] {
                assert_eq!(state.accept(&ticket(id, 0), None, TWO, at(0)), Ok(()));
            }
        }
    }

    #[test]
    fn old_and_excess_tickets_are_dropped() {
        let mut state = account(1_000_000);
        let many = Limits { all: usize::MAX, model: None };
        state.accept(&ticket("first", 0), None, many, at(0)).unwrap();
        assert!(state.find("first", at(86_399)).is_some());
        assert!(state.find("first", at(86_400)).is_none());
        for number in 0..MAX_REMEMBERED {
            state.accept(&ticket(&number.to_string(), 1), None, many, at(1)).unwrap();
        }
        assert!(state.find("first", at(1)).is_none());
        assert!(state.find("0", at(1)).is_some());
    }
}
