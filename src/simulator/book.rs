//! Owns what the simulator holds in memory: live tickets, how many are unfinished, the balance. Must not wait or write.

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

/// Why an order is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
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
pub(super) struct Book {
    tickets: HashMap<String, Arc<Ticket>>,
    /// In the order of acceptance, for forgetting.
    order: VecDeque<Arc<Ticket>>,
    prompt_bytes: usize,
    /// When each unfinished ticket ends; of all, and of each model.
    active: Ends,
    active_by_model: HashMap<String, Ends>,
    /// What is left when everything that is due or coming is paid.
    available: Decimal,
    /// What is on the bill only later.
    coming: BinaryHeap<Reverse<(DateTime<Utc>, Decimal)>>,
    coming_sum: Decimal,
    repetitions: HashMap<u64, u32>,
    speed: Speed,
}

impl Book {
    /// What the ledger knows.
    pub fn new(opened: Opened, credits: Decimal, speed: Speed, now: DateTime<Utc>) -> Self {
        let mut book = Self {
            tickets: HashMap::new(),
            order: VecDeque::new(),
            prompt_bytes: 0,
            active: Ends::default(),
            active_by_model: HashMap::new(),
            available: credits,
            coming: BinaryHeap::new(),
            coming_sum: Decimal::ZERO,
            repetitions: HashMap::new(),
            speed,
        };
        for (credits, at) in opened.billed {
            book.charge(credits, at, now);
        }
        for ticket in opened.tickets {
            book.insert(Arc::new(ticket), now);
        }
        book
    }

    /// Takes an order, with the time of its bill where it is billed; `withdraw` takes it back.
    pub fn accept(
        &mut self,
        ticket: &Arc<Ticket>,
        billed_at: Option<DateTime<Utc>>,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let of_model = self.active_by_model.get_mut(&ticket.model).map_or(0, |ends| ends.count(now));
        if self.active.count(now) >= limits.all || limits.model.is_some_and(|most| of_model >= most) {
            return Err(Refusal::TooMany);
        }
        if self.available < ticket.cost {
            return Err(Refusal::NoCredits);
        }
        if let Some(at) = billed_at {
            self.charge(ticket.cost, at, now);
        }
        self.insert(Arc::clone(ticket), now);
        Ok(())
    }

    /// Takes an order back that could not be written.
    pub fn withdraw(&mut self, ticket: &Ticket, billed_at: Option<DateTime<Utc>>) {
        let end = ticket.busy_until(self.speed);
        self.active.remove(end);
        if let Some(ends) = self.active_by_model.get_mut(&ticket.model) {
            ends.remove(end);
        }
        self.tickets.remove(&ticket.id);
        if let Some(at) = billed_at {
            self.available += ticket.cost;
            if remove_one(&mut self.coming, &Reverse((at, ticket.cost))) {
                self.coming_sum -= ticket.cost;
            }
        }
    }

    /// The ticket of that id, unless it is forgotten.
    pub fn find(&self, id: &str, now: DateTime<Utc>) -> Option<Arc<Ticket>> {
        self.tickets.get(id).filter(|ticket| now - ticket.accepted_at < REMEMBERED).map(Arc::clone)
    }

    /// What the account shows: credits less the bill up to now.
    pub fn balance(&mut self, now: DateTime<Utc>) -> Decimal {
        while let Some(Reverse((at, credits))) = self.coming.peek().copied() {
            if at > now {
                break;
            }
            self.coming.pop();
            self.coming_sum -= credits;
        }
        self.available + self.coming_sum
    }

    /// How often the same was asked before.
    pub fn count_repetition(&mut self, words: u64) -> u32 {
        if self.repetitions.len() >= MAX_COUNTED {
            self.repetitions.clear();
        }
        let count = self.repetitions.entry(words).or_insert(0);
        *count = count.saturating_add(1);
        *count - 1
    }

    fn charge(&mut self, credits: Decimal, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.available -= credits;
        if at > now {
            self.coming.push(Reverse((at, credits)));
            self.coming_sum += credits;
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
        self.order.push_back(ticket);
        while let Some(oldest) = self.order.front() {
            let crowded = self.order.len() > MAX_REMEMBERED || self.prompt_bytes > MAX_PROMPT_BYTES;
            if !crowded && now - oldest.accepted_at < REMEMBERED {
                break;
            }
            self.prompt_bytes -= oldest.subject.prompt.len();
            self.tickets.remove(&oldest.id);
            self.order.pop_front();
        }
    }
}

/// Times of ends, earliest first: what lies behind is dropped whenever somebody counts.
#[derive(Debug, Default)]
struct Ends(BinaryHeap<Reverse<DateTime<Utc>>>);

impl Ends {
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
    use crate::simulator::faults::Afflictions;
    use crate::simulator::images::Subject;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// Accepted at that second, ready ten later, three credits.
    fn ticket(id: &str, second: i64) -> Arc<Ticket> {
        let subject = Subject { prompt: "".into(), seed: 1, width: 64, height: 64, format: ImageFormat::Png };
        let times = (at(second), at(second + 10));
        Arc::new(Ticket::new(id.into(), "flux-2-pro".into(), subject, times, Afflictions::default(), Decimal::from(3)))
    }

    fn book(credits: i64) -> Book {
        Book::new(Opened::default(), Decimal::from(credits), Speed::Times(1.0), at(0))
    }

    const TWO: Limits = Limits { all: 2, model: None };

    #[test]
    fn finished_tickets_make_room() {
        let mut book = book(100);
        let mut take = |id: &str, second| book.accept(&ticket(id, second), None, TWO, at(second));
        assert_eq!(take("a", 0), Ok(()));
        assert_eq!(take("b", 5), Ok(()));
        assert_eq!(take("c", 9), Err(Refusal::TooMany));
        assert_eq!(take("c", 10), Ok(()));
        assert_eq!(take("d", 14), Err(Refusal::TooMany));
    }

    #[test]
    fn a_model_may_have_a_limit_of_its_own() {
        let mut book = book(100);
        let one = Limits { all: 24, model: Some(1) };
        assert_eq!(book.accept(&ticket("a", 0), None, one, at(0)), Ok(()));
        assert_eq!(book.accept(&ticket("b", 0), None, one, at(0)), Err(Refusal::TooMany));
    }

    #[test]
    fn balance_reserves_pending_shows_due_credits() {
        let mut book = book(7);
        assert_eq!(book.accept(&ticket("now", 0), Some(at(0)), TWO, at(0)), Ok(()));
        assert_eq!(book.accept(&ticket("later", 0), Some(at(10)), TWO, at(0)), Ok(()));
        assert_eq!(book.accept(&ticket("more", 10), Some(at(10)), TWO, at(10)), Err(Refusal::NoCredits));
        assert_eq!(book.balance(at(9)), Decimal::from(4));
        assert_eq!(book.balance(at(10)), Decimal::from(1));
    }

    #[test]
    fn what_was_withdrawn_never_was() {
        for billed_at in [at(0), at(10)] {
            let mut book = book(3);
            let a = ticket("a", 0);
            assert_eq!(book.accept(&a, Some(billed_at), TWO, at(0)), Ok(()));
            book.withdraw(&a, Some(billed_at));
            assert_eq!(book.balance(at(0)), Decimal::from(3));
            assert!(book.find("a", at(0)).is_none());
            for id in ["b", "c"] {
                assert_eq!(book.accept(&ticket(id, 0), None, TWO, at(0)), Ok(()));
            }
        }
    }

    #[test]
    fn old_and_too_many_tickets_are_forgotten() {
        let mut book = book(1_000_000);
        let many = Limits { all: usize::MAX, model: None };
        book.accept(&ticket("first", 0), None, many, at(0)).unwrap();
        assert!(book.find("first", at(86_399)).is_some());
        assert!(book.find("first", at(86_400)).is_none());
        for number in 0..MAX_REMEMBERED {
            book.accept(&ticket(&number.to_string(), 1), None, many, at(1)).unwrap();
        }
        assert!(book.find("first", at(1)).is_none());
        assert!(book.find("0", at(1)).is_some());
    }
}
