//! The operation domain: grants, sessions, checked queries, jobs, disclosure control, and the
//! one gate by which anything leaves.
//!
//! **Invariant:** the plan that was checked is the plan that runs. Checks are made over the
//! resolved logical plan before optimisation, by exhaustive matches: what is not understood is
//! refused.
//!
//! **Invariant:** the protected unit is the subject, not the row. A cell is shown only if enough
//! distinct subjects of every protected table stand behind it.
//!
//! **Invariant:** errors are constant. Nothing that the engine says of data reaches an operator.
//!
//! **Invariant:** no other code path than a released release returns what was derived from the
//! full data, save answers of the closed class.

mod answer;
mod barrier;
mod cells;
mod checker;
mod comparison;
mod consent;
mod cost;
mod cuts;
mod disclosure;
mod domain;
mod enclave;
mod engine;
mod figures;
mod foreign;
mod gate;
mod given;
mod governed;
mod grant;
mod job;
mod jobs;
mod label;
mod limits;
mod memory;
mod program;
mod progress;
mod question;
mod queue;
mod recurring;
mod release;
pub mod rules;
mod running;
mod sample;
mod schedule;
mod second;
mod service;
mod session;
mod source;
mod stop;
mod tally;
mod text;
mod usage;
mod workers;

pub use answer::{Answer, Cell, Sheet};
pub use barrier::{Barrier, Mask};
pub use checker::produce::{Derived, Step};
pub use consent::{
    Change, Consent, ConsentCommand, ConsentEvent, ConsentId, Consents, ConsentsCommand,
    ConsentsEvent, ConsentsId, Mark,
};
pub use cost::Cost;
pub use cuts::Cuts;
pub use disclosure::{Again, Finding, Grounds, Overlap, Record, Verdict, examine, row_digest};
pub use domain::{DatasetVersion, Domain, Held, Objection};
pub use enclave::{Enclave, Source};
pub use engine::{Asked, CheckedJob, Engine, Output, OutputLimits};
pub use given::{Given, GivenCommand, GivenEvent, GivenId};
pub use grant::{
    Grant, GrantCommand, GrantEvent, GrantStatus, Item, Operation, SMALLEST_CELL, Terms, Thresholds,
};
pub use job::{Begin, Job, JobCommand, JobEvent, JobStatus, Specification};
pub use jobs::Submission;
pub use label::{Aggregate, Band, ColumnFacts, HIGHEST_LEVEL, Label, SubjectKind, default_label};
pub use limits::Limits;
pub use program::{Parameter, Program, Python};
pub use progress::Progress;
pub use question::{Code, ColumnOf, Figure, Layout, Question, Region, Relation, Shown};
pub use queue::Priority;
pub use release::{Approval, Proposal, Release, ReleaseCommand, ReleaseEvent, ReleaseStatus};
pub use rules::RULES;
pub use sample::Sample;
pub use schedule::{
    Recurrence, Schedule, ScheduleCommand, ScheduleEvent, ScheduleId, ScheduleStatus,
};
pub use service::{Basis, Column, Explanation, Reason, Told};
pub use session::{Session, SessionCommand, SessionEvent};
pub use tally::{Tally, TallyCommand, TallyEvent, TallyId};
pub use usage::{Tariff, Usage, UsageCommand, UsageEvent, UsageId, month_of};
