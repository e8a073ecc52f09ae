//! The queue: how many jobs run at the same time, and whose turn is next.
//!
//! Between operators it is even: who has the fewest running is next, so that no operator gets
//! ahead of another by what it calls urgent. Among the jobs of one operator the higher priority is
//! first, then the older.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use shuyu_kernel::{JobId, OrganisationId};
use tokio::sync::oneshot;

/// Which of its own jobs an operator wants first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After the others.
    Low,
    /// As the others.
    #[default]
    Normal,
    /// Before the others.
    High,
}

/// How many may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// All together.
    pub(crate) whole: usize,
    /// Of one operator.
    pub(crate) each: usize,
}

/// The places at which jobs run.
#[derive(Debug, Clone)]
pub(crate) struct Queue(Arc<Mutex<Places>>);

#[derive(Debug)]
struct Places {
    room: Room,
    running: HashMap<OrganisationId, usize>,
    waiting: Vec<Waiting>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting {
    job: JobId,
    operator: OrganisationId,
    priority: Priority,
    arrival: u64,
    call: oneshot::Sender<Place>,
}

impl Queue {
    pub(crate) fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(Places {
            room,
            running: HashMap::new(),
            waiting: Vec::new(),
            arrivals: 0,
        })))
    }

    /// Waits for a place. Whoever stops waiting leaves the queue.
    pub(crate) async fn enter(
        &self,
        job: JobId,
        operator: OrganisationId,
        priority: Priority,
    ) -> Place {
        loop {
            let (call, called) = oneshot::channel();
            let arrival = {
                let mut places = self.lock();
                places.arrivals += 1;
                let arrival = places.arrivals;
                places.waiting.push(Waiting { job, operator, priority, arrival, call });
                self.call_next(&mut places);
                arrival
            };
            let _leave = Leave { queue: self.clone(), arrival };
            if let Ok(place) = called.await {
                return place;
            }
        }
    }

    /// How many wait before a job; none: it does not wait here.
    pub(crate) fn ahead_of(&self, job: JobId) -> Option<usize> {
        let places = self.lock();
        let own = places.waiting.iter().find(|waiting| waiting.job == job)?;
        let before = |other: &&Waiting| {
            other.operator == own.operator
                && (other.priority, own.arrival) > (own.priority, other.arrival)
        };
        // What other operators wait for is not this one's to know.
        Some(places.waiting.iter().filter(before).count())
    }

    /// Gives free places to whoever is next.
    fn call_next(&self, places: &mut Places) {
        while let Some(Waiting { operator, call, .. }) = places.take_next() {
            *places.running.entry(operator).or_default() += 1;
            // A place that is on its way to somebody who has left is dropped there, and is free.
            if let Err(mut unused) = call.send(Place { queue: Some(self.clone()), operator }) {
                unused.queue = None;
                places.leave(operator);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Whoever is next, if there is a place.
    fn take_next(&mut self) -> Option<Waiting> {
        if self.running.values().sum::<usize>() >= self.room.whole {
            return None;
        }
        let running = |it: &Waiting| self.running.get(&it.operator).copied().unwrap_or(0);
        let turn = |it: &Waiting| (running(it), std::cmp::Reverse(it.priority), it.arrival);
        let waiting = self.waiting.iter().enumerate();
        let (position, _) = waiting
            .filter(|(_, it)| running(it) < self.room.each)
            .min_by_key(|(_, it)| turn(it))?;
        Some(self.waiting.swap_remove(position))
    }

    fn leave(&mut self, operator: OrganisationId) {
        if let Some(running) = self.running.get_mut(&operator) {
            *running = running.saturating_sub(1);
        }
        self.running.retain(|_, running| *running > 0);
    }
}

/// Leaves the queue when nobody waits any more.
struct Leave {
    queue: Queue,
    arrival: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.queue.lock().waiting.retain(|waiting| waiting.arrival != self.arrival);
    }
}

/// A place, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// None: it was never taken.
    queue: Option<Queue>,
    operator: OrganisationId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        let mut places = queue.lock();
        places.leave(self.operator);
        queue.call_next(&mut places);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::BoxFuture};
    use shuyu_kernel::Id;

    use super::*;

    fn enter(queue: &Queue, operator: u128, job: u128, of: Priority) -> BoxFuture<'static, Place> {
        let queue = queue.clone();
        let entering =
            async move { queue.enter(Id::from_u128(job), Id::from_u128(operator), of).await };
        let mut entering = entering.boxed();
        // It stands in the queue from now on.
        match (&mut entering).now_or_never() {
            Some(place) => std::future::ready(place).boxed(),
            None => entering,
        }
    }

    fn has_place(waiting: &mut BoxFuture<'static, Place>) -> Option<Place> {
        waiting.now_or_never()
    }

    #[tokio::test]
    async fn an_operator_runs_no_more_than_its_own_and_no_urgency_passes_another_operator() {
        let queue = Queue::new(Room { whole: 2, each: 2 });
        let first = has_place(&mut enter(&queue, 1, 11, Priority::High)).expect("it is free");
        let second = has_place(&mut enter(&queue, 1, 12, Priority::Low)).expect("it is free");
        let mut urgent = enter(&queue, 1, 13, Priority::High);
        let mut normal = enter(&queue, 1, 14, Priority::Normal);
        let mut other = enter(&queue, 2, 21, Priority::Low);
        let ahead = |job| queue.ahead_of(Id::from_u128(job));
        assert_eq!((ahead(13), ahead(14), ahead(21), ahead(11)), (Some(0), Some(1), Some(0), None));
        drop(first);
        assert!(has_place(&mut urgent).is_none() && has_place(&mut normal).is_none());
        let theirs = has_place(&mut other).expect("the other operator has none running");
        drop(second);
        let _urgent = has_place(&mut urgent).expect("the higher priority is first");
        assert!(has_place(&mut normal).is_none());
        drop(theirs);
        assert!(has_place(&mut normal).is_some());
    }

    #[tokio::test]
    async fn who_leaves_the_queue_or_is_called_too_late_keeps_no_place() {
        let queue = Queue::new(Room { whole: 1, each: 1 });
        let first = has_place(&mut enter(&queue, 1, 1, Priority::Normal)).expect("it is free");
        let left = enter(&queue, 1, 2, Priority::High);
        let called = enter(&queue, 1, 3, Priority::Normal);
        let mut last = enter(&queue, 1, 4, Priority::Normal);
        drop(left);
        drop(first);
        assert!(has_place(&mut last).is_none(), "the third was called, and has not looked yet");
        drop(called);
        assert!(has_place(&mut last).is_some());
    }
}
