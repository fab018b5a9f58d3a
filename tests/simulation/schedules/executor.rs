//! Virtual time, and the tasks that run in it: of all tasks that could continue, the seed decides which one does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::rng::Rng;

/// The one true time of a simulation, in microseconds since its start.
#[derive(Default)]
pub struct Timeline {
    now: AtomicI64,
    timers: Mutex<Timers>,
}

#[derive(Default)]
struct Timers {
    /// Time, order of arrival.
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    /// By order of arrival.
    wakers: Vec<Option<Waker>>,
}

impl Timeline {
    /// The present, in microseconds.
    pub fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Completes after that many microseconds, never at once: a task that waits lets the others go first.
    pub fn pause(self: &Arc<Self>, microseconds: i64) -> Pause {
        Pause { timeline: self.clone(), until: self.now() + microseconds.max(0), is_registered: false }
    }

    /// Moves on to the next timer. False if none is left.
    fn advance(&self) -> bool {
        let mut timers = self.timers.lock().unwrap();
        let Some(Reverse((at, number))) = timers.queue.pop() else { return false };
        self.now.store(at.max(self.now()), Ordering::Relaxed);
        if let Some(waker) = timers.wakers[number].take() {
            waker.wake();
        }
        true
    }

    fn register(&self, at: i64, waker: Waker) {
        let mut timers = self.timers.lock().unwrap();
        let number = timers.wakers.len();
        timers.wakers.push(Some(waker));
        timers.queue.push(Reverse((at, number)));
    }
}

/// A pause on a timeline. Its task must not hand it to another task.
pub struct Pause {
    timeline: Arc<Timeline>,
    until: i64,
    is_registered: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_registered && self.timeline.now() >= self.until {
            return Poll::Ready(());
        }
        if !self.is_registered {
            self.is_registered = true;
            self.timeline.register(self.until, context.waker().clone());
        }
        Poll::Pending
    }
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    awake: Arc<Awake>,
    waker: Waker,
}

/// The tasks of a simulation.
pub struct Executor {
    timeline: Arc<Timeline>,
    rng: Rng,
    tasks: Vec<Task>,
}

impl Executor {
    pub fn new(timeline: Arc<Timeline>, rng: Rng) -> Self {
        Self { timeline, rng, tasks: Vec::new() }
    }

    pub fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        let awake = Arc::new(Awake(AtomicBool::new(true)));
        let waker = Waker::from(awake.clone());
        self.tasks.push(Task { future: Box::pin(future), awake, waker });
    }

    /// Runs one step: one task until it waits. False if no task can ever continue.
    pub fn step(&mut self) -> bool {
        loop {
            let is_awake = |task: &&Task| task.awake.0.load(Ordering::Relaxed);
            let count = self.tasks.iter().filter(is_awake).count();
            if count == 0 {
                if !self.timeline.advance() {
                    return false;
                }
                continue;
            }
            let chosen = self.rng.below(count as u64) as usize;
            let Some(index) = (0..self.tasks.len()).filter(|index| is_awake(&&self.tasks[*index])).nth(chosen) else {
                return false;
            };
            let task = &mut self.tasks[index];
            task.awake.0.store(false, Ordering::Relaxed);
            let waker = task.waker.clone();
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                drop(self.tasks.swap_remove(index));
            }
            return true;
        }
    }
}
