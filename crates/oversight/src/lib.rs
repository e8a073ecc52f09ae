#![doc = include_str!("../README.md")]

mod alert;
mod cut;
mod destruction;
mod evaluation;
mod filing;
mod pack;
mod plan;
mod publicity;
mod task;
mod watch;

pub use alert::{
    Alert, AlertCommand, AlertEvent, AlertFinding, AlertStatus, Severity, Source, alert_of_overdue,
};
pub use cut::{Cut, CutCommand, CutEvent, CutId, CutScope, CutStatus, SuspensionOrder};
pub use destruction::{
    Approval, Certificate, Destruction, DestructionCommand, DestructionEvent, DestructionId,
    DestructionStatus, Shown,
};
pub use evaluation::{
    Evaluation, EvaluationCommand, EvaluationEvent, EvaluationId, EvaluationStatus, Grading, grade,
    poor_in_a_row,
};
pub use filing::{Filing, FilingCommand, FilingEvent, FilingId, FilingStatus, filing_due};
pub use plan::{AgreementTerm, PlannedTask, plan_filings, plan_tasks};
pub use publicity::{
    Notice, NoticeCommand, NoticeEvent, NoticeId, NoticeKind, NoticeStatus, Objection,
};
pub use task::{Submission, Task, TaskCommand, TaskEvent, TaskKind, TaskStatus};
pub use watch::{RefusedAct, alerts_of_refusals, refused_acts, watch_refusals, watched_since};

/// The rules that this room enforces.
pub const RULES: &[shuyu_law::Rule] = &[
    alert::STEP_IN_ORDER,
    alert::SUBJECT_DOES_NOT_CLOSE,
    task::STEP_IN_ORDER,
    task::OWNER_SUBMITS,
    task::OWNER_DOES_NOT_ACCEPT,
    task::SECTIONS_COMPLETE,
    task::RETURN_STATES_WHY,
    evaluation::SCORES_VALID,
    evaluation::EVALUATED_DOES_NOT_SCORE,
    evaluation::STEP_IN_ORDER,
    cut::TRIGGER_KNOWN,
    cut::STEP_IN_ORDER,
    cut::CAUSE_CLOSED,
    destruction::OBJECTS_NAMED,
    destruction::CONDITIONS_DETERMINED,
    destruction::ORDERER_DOES_NOT_APPROVE,
    destruction::APPROVALS_COMPLETE,
    destruction::WITNESSED,
    destruction::SHOWN_UNREADABLE,
    destruction::STEP_IN_ORDER,
    publicity::WINDOW_RUNS,
    publicity::OBJECTIONS_ANSWERED,
    publicity::STEP_IN_ORDER,
    filing::RECIPIENT_KNOWN,
    filing::RECEIPT_NUMBERED,
    filing::STEP_IN_ORDER,
];
