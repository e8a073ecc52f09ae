//! The memory that one piece of work may take of what all share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use datafusion::{
    common::{Result, resources_err},
    execution::{
        memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation},
        runtime_env::RuntimeEnv,
    },
};

/// A share of a pool: it takes from the whole, and no more than its most.
#[derive(Debug)]
struct Share {
    whole: Arc<dyn MemoryPool>,
    most: usize,
    taken: AtomicUsize,
}

/// The same surroundings, of whose memory at most `most` bytes may be taken.
pub(crate) fn share_of(whole: &RuntimeEnv, most: usize) -> Arc<RuntimeEnv> {
    let pool = Share { whole: Arc::clone(&whole.memory_pool), most, taken: AtomicUsize::new(0) };
    Arc::new(RuntimeEnv { memory_pool: Arc::new(pool), ..whole.clone() })
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "share({} of {})", self.taken.load(Relaxed), self.most)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &'static str {
        "share"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.whole.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.whole.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.taken.fetch_add(additional, Relaxed);
        self.whole.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.taken.fetch_sub(shrink, Relaxed);
        self.whole.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let within = |taken: usize| taken.checked_add(additional).filter(|sum| *sum <= self.most);
        if self.taken.fetch_update(Relaxed, Relaxed, within).is_err() {
            return resources_err!("the share of memory is used up");
        }
        self.whole.try_grow(reservation, additional).inspect_err(|_| {
            self.taken.fetch_sub(additional, Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.taken.load(Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.most)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn a_share_takes_no_more_than_its_most_nor_than_what_is_left_of_the_whole() {
        let whole = RuntimeEnv {
            memory_pool: Arc::new(GreedyMemoryPool::new(100)),
            ..RuntimeEnv::default()
        };
        let (one, other) = (share_of(&whole, 60), share_of(&whole, 60));
        let taker = |of: &Arc<RuntimeEnv>| MemoryConsumer::new("taker").register(&of.memory_pool);
        let (mine, theirs) = (taker(&one), taker(&other));
        assert!(mine.try_grow(61).is_err());
        mine.try_grow(60).expect("it is within the share");
        assert!(theirs.try_grow(41).is_err(), "40 are left of the whole");
        theirs.try_grow(40).expect("40 are left of the whole");
        assert_eq!((one.memory_pool.reserved(), other.memory_pool.reserved()), (60, 40));
        drop(mine);
        assert_eq!((one.memory_pool.reserved(), whole.memory_pool.reserved()), (0, 40));
    }
}
