//! Jobs that begin by themselves: those of a schedule, and those that only wait for their turn.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use shuyu_kernel::{Actor, GrantId, JobId};
use shuyu_store::{ActError, Filter, StreamId, Unit};
use tokio::task::JoinSet;

use crate::{
    Begin, Enclave, Grant, Job, JobCommand, Schedule, ScheduleCommand, Submission,
    schedule::{Recurrence, ScheduleId},
};

/// How often it is looked for what waits, besides whenever a job is submitted here.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a job rests that was refused, or came to nothing, before it is tried again: its grant
/// may be restored.
const REST: Duration = Duration::from_mins(1);

impl Enclave {
    /// Orders a job to be submitted again and again. What could not run today is refused now.
    pub async fn order_schedule(
        &self,
        actor: &Actor,
        grant: GrantId,
        recurrence: &Recurrence,
    ) -> Result<ScheduleId, ActError> {
        let id: ScheduleId = self.ids.fresh();
        let subject = StreamId::of::<Schedule>(id);
        self.freeze(actor, grant, &submission(recurrence), &subject, "schedule.order").await?;
        self.desk
            .run(actor, |unit| {
                let recurrence = Box::new(recurrence.clone());
                async move {
                    let grant = Box::new(unit.load::<Grant>(grant).await?);
                    let order = ScheduleCommand::Order { id, grant, recurrence };
                    unit.act::<Schedule>(id, order).await
                }
            })
            .await?;
        Ok(id)
    }

    /// Submits the jobs of schedules whose time has come, once for each, by whichever process is
    /// first. What is refused is refused once, until the next time.
    pub async fn fire_schedules(&self) -> Result<Vec<JobId>, ActError> {
        let now = self.desk.clock().now();
        let due = Filter::due_before(now + TimeDelta::microseconds(1));
        let mut jobs = Vec::new();
        for (id, schedule) in self.desk.list::<Schedule>(&due).await? {
            match self.fire(id, &schedule).await {
                Ok(job) => jobs.extend(job),
                // What is refused is on record, and comes again at its next time.
                Err(ActError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if !jobs.is_empty() {
            self.begun.notify_one();
        }
        Ok(jobs)
    }

    async fn fire(&self, id: ScheduleId, schedule: &Schedule) -> Result<Option<JobId>, ActError> {
        let (author, grant) = (schedule.author(), schedule.grant);
        let job: JobId = self.ids.fresh();
        let wanted = submission(&schedule.recurrence);
        let subject = StreamId::of::<Schedule>(id);
        let frozen = self.freeze(&author, grant, &wanted, &subject, "schedule.fire").await;
        let specification = match frozen {
            Ok(specification) => Box::new(specification),
            Err(ActError::Refused(_)) => {
                self.desk
                    .run(&Actor::system(), |unit| async move {
                        if is_unfired(&unit, id, schedule).await? {
                            let fire = ScheduleCommand::Fire { job: None };
                            unit.act::<Schedule>(id, fire).await?;
                        }
                        Ok(())
                    })
                    .await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let fired = self
            .desk
            .run(&author, |unit| {
                let (specification, priority) = (specification.clone(), wanted.priority);
                async move {
                    if !is_unfired(&unit, id, schedule).await? {
                        return Ok(false);
                    }
                    let fire = ScheduleCommand::Fire { job: Some(job) };
                    unit.follow::<Schedule>(id, fire, &[]).await?;
                    let grant = Box::new(unit.load::<Grant>(grant).await?);
                    let begin = Begin::InTurn;
                    let submit =
                        JobCommand::Submit { id: job, specification, grant, priority, begin };
                    unit.act::<Job>(job, submit).await?;
                    Ok(true)
                }
            })
            .await?;
        Ok(fired.then_some(job))
    }

    /// Begins jobs that begin in turn, each in its author's name, and fires schedules, until the
    /// future is dropped. Several processes may do so on one store: each job begins once.
    pub async fn work_off(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        let (mut under_way, mut resting) = (HashSet::new(), HashMap::new());
        loop {
            if let Err(error) = self.fire_schedules().await {
                tracing::warn!(%error, "schedules are looked at again in a moment");
            }
            match self.jobs_in_turn().await {
                Ok(jobs) => {
                    resting.retain(|_, since: &mut Instant| since.elapsed() < REST);
                    for (id, job) in jobs {
                        if !resting.contains_key(&id) && under_way.insert(id) {
                            tasks.spawn(Arc::clone(&self).begin_in_turn(id, job));
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "the queue is looked at again in a moment"),
            }
            tokio::select! {
                () = self.begun.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            while let Some(Ok((id, is_done))) = tasks.try_join_next() {
                under_way.remove(&id);
                if !is_done {
                    resting.insert(id, Instant::now());
                }
            }
        }
    }

    /// Jobs that begin in turn and can begin now.
    async fn jobs_in_turn(&self) -> Result<Vec<(JobId, Job)>, ActError> {
        let mut jobs = Vec::new();
        for status in ["submitted", "interrupted", "failed"] {
            let found = self.desk.list::<Job>(&Filter::status(status)).await?;
            jobs.extend(found.into_iter().filter(|(_, job)| {
                job.begin == Begin::InTurn
                    && job.can_begin()
                    && job.attempts < self.limits.job_attempts
            }));
        }
        Ok(jobs)
    }

    /// Begins a job, and says which it was and whether it ran to its end.
    async fn begin_in_turn(self: Arc<Self>, id: JobId, job: Job) -> (JobId, bool) {
        let author = Actor { person: job.author, organisation: job.operator, roles: [].into() };
        let done = self.run_job(&author, id).await;
        if let Err(error) = &done
            && !matches!(error, ActError::Refused(_))
        {
            tracing::warn!(%error, job = %id, "a job did not begin");
        }
        (id, done.is_ok())
    }
}

/// Whether a schedule still waits for the instant at which it was found due: no other process has
/// fired it, and nobody has paused or ended it.
async fn is_unfired(unit: &Unit, id: ScheduleId, found: &Schedule) -> Result<bool, ActError> {
    let now = unit.load::<Schedule>(id).await?;
    Ok((now.next_at, now.status) == (found.next_at, found.status))
}

/// The job that a recurrence comes to.
fn submission(recurrence: &Recurrence) -> Submission {
    Submission {
        program: recurrence.program.clone(),
        purpose: recurrence.purpose.clone(),
        priority: recurrence.priority,
        begin: Begin::InTurn,
    }
}
