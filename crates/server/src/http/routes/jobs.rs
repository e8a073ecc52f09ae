//! Jobs, their schedules, and what they cost.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_enclave::{
    Begin, Cost, Job, JobStatus, Progress, Python, Recurrence, Schedule, ScheduleCommand,
    ScheduleId, Submission, Usage, UsageId,
};
use shuyu_kernel::{ContentHash, GrantId, JobId, OrganisationId, PersonId};
use shuyu_sandbox::{Column, Kind};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::{Made, Reason};
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit_job))
        .routes(routes!(list_jobs))
        .routes(routes!(read_job))
        .routes(routes!(job_progress))
        .routes(routes!(run_job))
        .routes(routes!(cancel_job))
        .routes(routes!(order_schedule))
        .routes(routes!(list_schedules))
        .routes(routes!(read_schedule))
        .routes(routes!(pause_schedule))
        .routes(routes!(resume_schedule))
        .routes(routes!(end_schedule))
        .routes(routes!(list_usage))
        .routes(routes!(read_usage))
}

/// A value that is put in for `$name`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
enum Parameter {
    /// A text.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with decimals, as it is written.
    Decimal(String),
    /// A calendar day.
    Date(NaiveDate),
    /// Yes or no.
    Boolean(bool),
}

impl From<Parameter> for shuyu_enclave::Parameter {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::Text(value) => Self::Text(value),
            Parameter::Integer(value) => Self::Integer(value),
            Parameter::Decimal(value) => Self::Decimal(value),
            Parameter::Date(value) => Self::Date(value),
            Parameter::Boolean(value) => Self::Boolean(value),
        }
    }
}

impl From<shuyu_enclave::Parameter> for Parameter {
    fn from(parameter: shuyu_enclave::Parameter) -> Self {
        match parameter {
            shuyu_enclave::Parameter::Text(value) => Self::Text(value),
            shuyu_enclave::Parameter::Integer(value) => Self::Integer(value),
            shuyu_enclave::Parameter::Decimal(value) => Self::Decimal(value),
            shuyu_enclave::Parameter::Date(value) => Self::Date(value),
            shuyu_enclave::Parameter::Boolean(value) => Self::Boolean(value),
        }
    }
}

/// What a job runs.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ProgramBody {
    /// Any number of `CREATE TEMPORARY TABLE name AS SELECT …`, then one `SELECT`, whose rows are
    /// the output.
    Sql {
        /// The statements.
        text: String,
        /// What stands for `$name` in them, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        parameters: BTreeMap<String, Parameter>,
    },
    /// A program in Python, which reads each granted table as `/in/<table>.arrow` and makes one
    /// table, `/out/output.csv`.
    Python {
        /// Its text.
        script: String,
        /// What it reads from `/job/parameters.json`.
        #[serde(default)]
        #[schema(value_type = Object)]
        parameters: Value,
        /// The columns of the table that it makes.
        columns: Vec<OutputColumn>,
        /// How many seconds are reserved for it, and charged, whatever it uses. Its end is told when
        /// they are over.
        seconds: u32,
    },
}

/// A column of the table that a program makes.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OutputColumn {
    /// Its name: lower-case letters, digits and `_`.
    name: String,
    /// What its values are.
    kind: OutputKind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutputKind {
    /// Whole numbers.
    Integer,
    /// Other numbers, of which six significant digits are kept.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// Calendar days.
    Date,
    /// Words of at most 200 characters.
    Text,
}

impl From<OutputColumn> for Column {
    fn from(OutputColumn { name, kind }: OutputColumn) -> Self {
        let kind = match kind {
            OutputKind::Integer => Kind::Integer,
            OutputKind::Decimal => Kind::Decimal,
            OutputKind::Boolean => Kind::Boolean,
            OutputKind::Date => Kind::Date,
            OutputKind::Text => Kind::Text,
        };
        Self { name, kind }
    }
}

impl From<Column> for OutputColumn {
    fn from(Column { name, kind }: Column) -> Self {
        let kind = match kind {
            Kind::Integer => OutputKind::Integer,
            Kind::Decimal => OutputKind::Decimal,
            Kind::Boolean => OutputKind::Boolean,
            Kind::Date => OutputKind::Date,
            Kind::Text => OutputKind::Text,
        };
        Self { name, kind }
    }
}

impl From<ProgramBody> for shuyu_enclave::Program {
    fn from(program: ProgramBody) -> Self {
        match program {
            ProgramBody::Sql { text, parameters } => {
                let parameters = parameters.into_iter().map(|(name, it)| (name, it.into()));
                Self::Sql { text, parameters: parameters.collect() }
            }
            ProgramBody::Python { script, parameters, columns, seconds } => {
                let columns = columns.into_iter().map(Column::from).collect();
                let runtime = None;
                Self::Python(Box::new(Python { script, parameters, columns, seconds, runtime }))
            }
        }
    }
}

impl From<shuyu_enclave::Program> for ProgramBody {
    fn from(program: shuyu_enclave::Program) -> Self {
        match program {
            shuyu_enclave::Program::Sql { text, parameters } => {
                let parameters = parameters.into_iter().map(|(name, it)| (name, it.into()));
                Self::Sql { text, parameters: parameters.collect() }
            }
            shuyu_enclave::Program::Python(python) => {
                let Python { script, parameters, columns, seconds, .. } = *python;
                let columns = columns.into_iter().map(OutputColumn::from).collect();
                Self::Python { script, parameters, columns, seconds }
            }
        }
    }
}

/// Which of its own jobs an operator wants first.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Priority {
    /// After the others.
    Low,
    /// As the others.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl From<Priority> for shuyu_enclave::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

impl From<shuyu_enclave::Priority> for Priority {
    fn from(priority: shuyu_enclave::Priority) -> Self {
        match priority {
            shuyu_enclave::Priority::Low => Self::Low,
            shuyu_enclave::Priority::Normal => Self::Normal,
            shuyu_enclave::Priority::High => Self::High,
        }
    }
}

/// What work used up.
#[derive(Serialize, ToSchema)]
struct CostView {
    /// Time of processors of all threads together, each attempt in whole seconds.
    cpu_seconds: u64,
    /// How many bytes of stored data were read.
    bytes_scanned: u64,
}

impl From<Cost> for CostView {
    fn from(cost: Cost) -> Self {
        Self { cpu_seconds: cost.cpu_seconds, bytes_scanned: cost.bytes_scanned }
    }
}

/// A job.
#[derive(Serialize, ToSchema)]
struct JobView {
    #[schema(value_type = String)]
    id: JobId,
    #[schema(value_type = String)]
    grant: GrantId,
    #[schema(value_type = String)]
    author: PersonId,
    /// What it runs.
    program: ProgramBody,
    /// What it is for.
    purpose: String,
    /// The digest over code, data versions and law by which it is frozen.
    #[schema(value_type = String)]
    frozen: ContentHash,
    /// How urgent it is among the operator's own.
    priority: Priority,
    /// Whether it begins in turn, by itself.
    in_turn: bool,
    /// How often it was begun.
    attempts: u32,
    /// What all its attempts cost.
    cost: CostView,
    /// Where it stands: `submitted`, `running`, `succeeded`, `failed`, `cancelled`,
    /// `interrupted`.
    status: String,
    /// Why it ended without an output: the rule, or what was given as the reason. Of an output
    /// nothing is told here, not even its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<(JobId, Job)> for JobView {
    fn from((id, job): (JobId, Job)) -> Self {
        Self {
            id,
            grant: job.specification.grant,
            author: job.author,
            frozen: job.frozen,
            priority: job.priority.into(),
            in_turn: job.begin == Begin::InTurn,
            attempts: job.attempts,
            cost: job.cost.into(),
            status: job.status.name().to_owned(),
            reason: match job.status {
                JobStatus::Failed { rule } => Some(rule),
                JobStatus::Cancelled { reason } => Some(reason),
                JobStatus::Submitted
                | JobStatus::Running { .. }
                | JobStatus::Succeeded { .. }
                | JobStatus::Interrupted => None,
            },
            program: job.specification.program.into(),
            purpose: job.specification.purpose,
        }
    }
}

/// A schedule.
#[derive(Serialize, ToSchema)]
struct ScheduleView {
    #[schema(value_type = String)]
    id: ScheduleId,
    #[schema(value_type = String)]
    grant: GrantId,
    #[schema(value_type = String)]
    author: PersonId,
    /// What it runs.
    program: ProgramBody,
    /// What it is for.
    purpose: String,
    priority: Priority,
    /// How many minutes lie between two runs.
    every_minutes: u32,
    /// When it runs next, while it is active.
    next_at: DateTime<Utc>,
    /// Its last job.
    #[schema(value_type = Option<String>)]
    last: Option<JobId>,
    /// Where it stands: `active`, `paused` or `ended`.
    status: String,
}

impl From<(ScheduleId, Schedule)> for ScheduleView {
    fn from((id, schedule): (ScheduleId, Schedule)) -> Self {
        let recurrence = schedule.recurrence;
        Self {
            id,
            grant: schedule.grant,
            author: schedule.author,
            program: recurrence.program.into(),
            purpose: recurrence.purpose,
            priority: recurrence.priority.into(),
            every_minutes: recurrence.every_minutes,
            next_at: schedule.next_at,
            last: schedule.last,
            status: schedule.status.name().to_owned(),
        }
    }
}

/// What the jobs of an operator used up in a month.
#[derive(Serialize, ToSchema)]
struct UsageView {
    #[schema(value_type = String)]
    id: UsageId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    /// The month, as `2026-11`.
    month: String,
    /// How many attempts were charged.
    attempts: u64,
    cost: CostView,
    /// What is charged for it, in fen.
    charge_fen: i64,
}

impl From<(UsageId, Usage)> for UsageView {
    fn from((id, usage): (UsageId, Usage)) -> Self {
        Self {
            id,
            operator: usage.operator,
            month: usage.month,
            attempts: usage.attempts,
            cost: usage.cost.into(),
            charge_fen: usage.charge.0,
        }
    }
}

reads!(
    Job as JobView, tag = "domain",
    list_jobs: "/jobs" "listJobs" "List the jobs that the caller may see.",
    read_job: "/jobs/{id}" "readJob" "Read a job; its output is not among what is read.",
);
reads!(
    Schedule as ScheduleView, tag = "domain",
    list_schedules: "/schedules" "listSchedules" "List the schedules that the caller may see.",
    read_schedule: "/schedules/{id}" "readSchedule" "Read a schedule.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JobBody {
    /// What it runs.
    program: ProgramBody,
    /// What it is for.
    purpose: String,
    /// How urgent it is among the operator's own.
    #[serde(default)]
    priority: Priority,
    /// Whether it begins in turn, by itself, and again if it was interrupted.
    #[serde(default)]
    in_turn: bool,
}

/// Submit a job: it is frozen by the hash of all that it depends on.
#[utoipa::path(
    post, path = "/grants/{id}/jobs", operation_id = "submitJob", tag = "domain",
    params(("id" = String, Path)), request_body = JobBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn submit_job(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
    Json(body): Json<JobBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let submission = Submission {
        program: body.program.into(),
        purpose: body.purpose,
        priority: body.priority.into(),
        begin: if body.in_turn { Begin::InTurn } else { Begin::ByHand },
    };
    let job = app.submit_job(&actor, id, &submission).await?;
    Ok((StatusCode::CREATED, Json(Made { id: job.to_string() })))
}

/// How far a job has come.
#[derive(Serialize, ToSchema)]
struct ProgressView {
    /// `waiting`, `running` or `over`.
    phase: &'static str,
    /// How many jobs of the operator come before it, while it stands in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<usize>,
    /// Since when it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    /// How many quarters of its rows were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarters: Option<u8>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// What all its attempts cost, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let none =
            Self { phase: "", ahead: None, since: None, quarters: None, status: None, cost: None };
        match progress {
            Progress::Waiting { ahead } => Self { phase: "waiting", ahead, ..none },
            Progress::Running { since, quarters } => {
                Self { phase: "running", since: Some(since), quarters, ..none }
            }
            Progress::Over { status, cost } => {
                Self { phase: "over", status: Some(status), cost: Some(cost.into()), ..none }
            }
        }
    }
}

/// How far a job has come, in quarters of what it reads.
#[utoipa::path(
    get, path = "/jobs/{id}/progress", operation_id = "jobProgress", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ProgressView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn job_progress(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<JobId>,
) -> Result<Json<ProgressView>, Problem> {
    app.read::<Job>(&actor, id).await?;
    Ok(Json(app.enclave().progress(id).await?.into()))
}

/// Run a frozen job on the full data. Its output lies in quarantine, unseen.
#[utoipa::path(
    post, path = "/jobs/{id}/run", operation_id = "runJob", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn run_job(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<JobId>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json((id, app.run_job(&actor, id).await?).into()))
}

/// Stop a job that has not ended.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", operation_id = "cancelJob", tag = "domain",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = JobView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn cancel_job(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<JobId>,
    Json(body): Json<Reason>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json((id, app.enclave().cancel_job(&actor, id, &body.reason).await?).into()))
}
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    /// What it runs.
    program: ProgramBody,
    /// What it is for.
    purpose: String,
    /// How urgent its jobs are among the operator's own.
    #[serde(default)]
    priority: Priority,
    /// When it runs first.
    first_at: DateTime<Utc>,
    /// How many minutes lie between two runs, 60 at least.
    every_minutes: u32,
}

/// Order a job to be submitted again and again, frozen anew each time.
#[utoipa::path(
    post, path = "/grants/{id}/schedules", operation_id = "orderSchedule", tag = "domain",
    params(("id" = String, Path)), request_body = ScheduleBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn order_schedule(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
    Json(body): Json<ScheduleBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let recurrence = Recurrence {
        program: body.program.into(),
        purpose: body.purpose,
        priority: body.priority.into(),
        first_at: body.first_at,
        every_minutes: body.every_minutes,
    };
    let schedule = app.order_schedule(&actor, id, &recurrence).await?;
    Ok((StatusCode::CREATED, Json(Made { id: schedule.to_string() })))
}

/// Let a schedule rest until it is resumed.
#[utoipa::path(
    post, path = "/schedules/{id}/pause", operation_id = "pauseSchedule", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ScheduleView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn pause_schedule(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScheduleId>,
) -> Result<Json<ScheduleView>, Problem> {
    let done = app.desk().act::<Schedule>(&actor, id, ScheduleCommand::Pause).await?;
    Ok(Json((id, done.state).into()))
}

/// Let a schedule run again. What was missed is not made up for.
#[utoipa::path(
    post, path = "/schedules/{id}/resume", operation_id = "resumeSchedule", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ScheduleView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn resume_schedule(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScheduleId>,
) -> Result<Json<ScheduleView>, Problem> {
    let done = app.desk().act::<Schedule>(&actor, id, ScheduleCommand::Resume).await?;
    Ok(Json((id, done.state).into()))
}

/// End a schedule.
#[utoipa::path(
    post, path = "/schedules/{id}/end", operation_id = "endSchedule", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ScheduleView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn end_schedule(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScheduleId>,
) -> Result<Json<ScheduleView>, Problem> {
    let done = app.desk().act::<Schedule>(&actor, id, ScheduleCommand::End).await?;
    Ok(Json((id, done.state).into()))
}

reads!(
    Usage as UsageView, tag = "domain",
    list_usage: "/usage" "listUsage" "List what the jobs of operators used up, month by month.",
    read_usage: "/usage/{id}" "readUsage" "Read what the jobs of an operator used up in a month.",
);
