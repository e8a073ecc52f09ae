//! What ends a program before its end.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::{Instant, interval, sleep_until};

use crate::{Failure, Limits, cgroup::Group};

/// How often the used processor time is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Watches a group of processes: for a stop, for time and for processor time.
pub(crate) struct Watch<'a> {
    group: &'a Group,
    deadline: Instant,
    cpu: Duration,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(
        group: &'a Group,
        began: Instant,
        limits: &Limits,
        stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Self {
        Self { group, deadline: began + limits.wall, cpu: limits.cpu, stop }
    }

    /// Waits for `work`, or for what must end it. After a failure it is not asked again.
    pub(crate) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(work);
        let mut tick = interval(EVERY);
        loop {
            tokio::select! {
                biased;
                () = &mut self.stop => return Err(Failure::Stopped),
                () = sleep_until(self.deadline) => return Err(Failure::WallTime),
                done = &mut work => return Ok(done),
                _ = tick.tick() => {
                    if self.group.processor_time().is_ok_and(|used| used > self.cpu) {
                        return Err(Failure::ProcessorTime);
                    }
                }
            }
        }
    }
}
