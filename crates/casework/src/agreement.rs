//! Agreements between the public side and an operator.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, CaseId, ContentHash, OrganisationId, Share, add_months};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::rules;

/// What was agreed; it does not change while the agreement lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The case that led to it.
    pub case: CaseId,
    /// The operator.
    pub operator: OrganisationId,
    /// Who signed for the public side.
    pub signatories: Vec<OrganisationId>,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Months of trial at the beginning; zero: none.
    #[serde(default)]
    pub trial_months: u32,
    /// How the proceeds are shared, by party.
    pub shares: Vec<Share<String>>,
    /// What is authorised, in the words of the agreement.
    pub scope: String,
    /// The digest of the text that was signed.
    pub text: ContentHash,
}

/// Where an agreement stands. Each state holds the facts that exist in it, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// Signed, and nothing may be done under it yet.
    Signed {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Filed with whoever must receive it.
    Filed {
        /// The receipts of the recipients.
        receipts: Vec<String>,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// On trial.
    Trial {
        /// The last day of the trial.
        until: NaiveDate,
        /// When that day is over where the law applies.
        #[serde(default)]
        ends_at: Option<DateTime<Utc>>,
        /// Whether the assessment of the trial was passed.
        #[serde(default)]
        passed: bool,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// In operation.
    Active {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Cut off for a time.
    Suspended {
        /// Why.
        ground: String,
        /// The last day of the trial that it was in, if it was on trial.
        trial_until: Option<NaiveDate>,
        /// When that day is over.
        #[serde(default)]
        trial_ends_at: Option<DateTime<Utc>>,
        /// Whether the assessment of the trial was passed.
        #[serde(default)]
        trial_passed: bool,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Over; its data are still to be destroyed.
    Ended {
        /// Why.
        ground: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Over, and its data destroyed.
    Closed {
        /// Why it ended.
        ground: String,
        /// The digest of the certificate of destruction.
        certificate: ContentHash,
        /// The last day on which its logs are kept, where the city says how long.
        logs_kept_until: Option<NaiveDate>,
        /// Since when.
        at: DateTime<Utc>,
    },
}

impl Status {
    /// Its name, as policies and lists know it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Signed { .. } => "signed",
            Self::Filed { .. } => "filed",
            Self::Trial { .. } => "trial",
            Self::Active { .. } => "active",
            Self::Suspended { .. } => "suspended",
            Self::Ended { .. } => "ended",
            Self::Closed { .. } => "closed",
        }
    }
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// What was agreed.
    pub terms: Terms,
    /// Where it stands.
    pub status: Status,
    /// When its first day begins where the law applies.
    pub begins_at: DateTime<Utc>,
    /// When its last day is over where the law applies.
    pub expires_at: DateTime<Utc>,
}

impl Agreement {
    /// Whether work under it may go on at `now`: in operation, or on a trial that is not over or
    /// was passed; and within its term.
    pub fn is_in_operation(&self, now: DateTime<Utc>) -> bool {
        let operates = match &self.status {
            Status::Active { .. } => true,
            Status::Trial { ends_at, passed, .. } => *passed || ends_at.is_none_or(|at| now <= at),
            Status::Signed { .. }
            | Status::Filed { .. }
            | Status::Suspended { .. }
            | Status::Ended { .. }
            | Status::Closed { .. } => false,
        };
        operates && (self.begins_at..=self.expires_at).contains(&now)
    }

    /// What the clock wants of it at `now`, if anything: its last day is over, or its trial's.
    ///
    /// A trial that was passed goes over into the term. One that was not ends the agreement: time
    /// alone never makes a term of a trial. A suspended trial waits for what becomes of it.
    pub fn tick(&self, now: DateTime<Utc>) -> Option<Command> {
        match &self.status {
            Status::Ended { .. } | Status::Closed { .. } => None,
            _ if now > self.expires_at => Some(Command::Expire),
            Status::Trial { ends_at: Some(ends_at), passed, .. } if now > *ends_at => {
                Some(if *passed {
                    Command::Activate
                } else {
                    Command::End { ground: TRIAL_NOT_PASSED.to_owned() }
                })
            }
            Status::Trial { .. }
            | Status::Signed { .. }
            | Status::Filed { .. }
            | Status::Active { .. }
            | Status::Suspended { .. } => None,
        }
    }
}

/// The ground on which an agreement ends whose trial ran out without a passed assessment.
const TRIAL_NOT_PASSED: &str = "trial_not_passed";

/// What somebody wants to be done to an agreement.
#[derive(Debug, Clone)]
pub enum Command {
    /// Sign it.
    Sign(Box<Terms>),
    /// Record that it was filed.
    File {
        /// The receipts of the recipients.
        receipts: Vec<String>,
    },
    /// Begin operation, on trial if the terms say so; or go over from a passed trial into the
    /// term, once the trial's last day is over.
    Activate,
    /// Record that the assessment of the trial was passed.
    PassTrial,
    /// Cut it off for a time.
    Suspend {
        /// Why.
        ground: String,
    },
    /// End the suspension.
    Restore,
    /// End it because its last day is over.
    Expire,
    /// End it.
    End {
        /// Why.
        ground: String,
    },
    /// Close it, with its data destroyed.
    Close {
        /// The digest of the certificate of destruction.
        certificate: ContentHash,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Sign(_) => "sign",
        Self::File { .. } => "file",
        Self::Activate => "activate",
        Self::PassTrial => "pass_trial",
        Self::Suspend { .. } => "suspend",
        Self::Restore => "restore",
        Self::Expire => "expire",
        Self::End { .. } => "end",
        Self::Close { .. } => "close",
    }
}

/// What happened to an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was signed.
    Signed {
        /// What was agreed.
        terms: Terms,
        /// When its first day begins.
        begins_at: DateTime<Utc>,
        /// When its last day will be over.
        expires_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was filed.
    Filed {
        /// The receipts.
        receipts: Vec<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Operation began.
    Activated {
        /// The last day of the trial that it began with, if any.
        trial_until: Option<NaiveDate>,
        /// When that day will be over.
        #[serde(default)]
        trial_ends_at: Option<DateTime<Utc>>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The assessment of the trial was passed.
    TrialPassed {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was cut off.
    Suspended {
        /// Why.
        ground: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// The suspension ended.
    Restored {
        /// When.
        at: DateTime<Utc>,
    },
    /// Its last day was over.
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was ended.
    Ended {
        /// Why.
        ground: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was closed.
    Closed {
        /// The digest of the certificate of destruction.
        certificate: ContentHash,
        /// The last day on which its logs are kept.
        logs_kept_until: Option<NaiveDate>,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Agreement {
    const KIND: &'static str = "agreement";
    const ATTRIBUTES: &'static [&'static str] = &["status", "operator", "signatories"];

    type Id = AgreementId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let event = match (state, command) {
            (None, Command::Sign(terms)) => sign(*terms, ctx)?,
            (None, _) => return Err(ctx.refuse(rules::EXISTS)),
            (Some(_), Command::Sign(_)) => return Err(ctx.refuse(rules::NEW)),
            (Some(agreement), command) => agreement.go_on(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        if let Event::Signed { terms, begins_at, expires_at, at } = event {
            return Some(Self {
                terms: terms.clone(),
                status: Status::Signed { at: *at },
                begins_at: *begins_at,
                expires_at: *expires_at,
            });
        }
        let mut agreement = state?;
        let trial = match &agreement.status {
            Status::Trial { until, ends_at, passed, .. } => Some((*until, *ends_at, *passed)),
            Status::Suspended { trial_until, trial_ends_at, trial_passed, .. } => {
                trial_until.map(|until| (until, *trial_ends_at, *trial_passed))
            }
            _ => None,
        };
        let operating = |trial, at: DateTime<Utc>| match trial {
            Some((until, ends_at, passed)) => Status::Trial { until, ends_at, passed, at },
            None => Status::Active { at },
        };
        agreement.status = match event {
            Event::Signed { .. } => return Some(agreement),
            Event::Filed { receipts, at } => Status::Filed { receipts: receipts.clone(), at: *at },
            Event::Activated { trial_until, trial_ends_at, at } => {
                operating(trial_until.map(|until| (until, *trial_ends_at, false)), *at)
            }
            Event::TrialPassed { .. } => match agreement.status {
                Status::Trial { until, ends_at, at, .. } => {
                    Status::Trial { until, ends_at, passed: true, at }
                }
                other => other,
            },
            Event::Suspended { ground, at } => Status::Suspended {
                ground: ground.clone(),
                trial_until: trial.map(|(until, ..)| until),
                trial_ends_at: trial.and_then(|(_, ends_at, _)| ends_at),
                trial_passed: trial.is_some_and(|(.., passed)| passed),
                at: *at,
            },
            Event::Restored { at } => operating(trial, *at),
            Event::Expired { at } => Status::Ended { ground: "expired".to_owned(), at: *at },
            Event::Ended { ground, at } => Status::Ended { ground: ground.clone(), at: *at },
            Event::Closed { certificate, logs_kept_until, at } => Status::Closed {
                ground: match agreement.status {
                    Status::Ended { ground, .. } => ground,
                    _ => String::new(),
                },
                certificate: *certificate,
                logs_kept_until: *logs_kept_until,
                at: *at,
            },
        };
        Some(agreement)
    }

    fn keys(&self) -> Keys {
        let due_at = match &self.status {
            Status::Ended { .. } | Status::Closed { .. } => None,
            Status::Trial { ends_at: Some(ends_at), .. } => Some(self.expires_at.min(*ends_at)),
            _ => Some(self.expires_at),
        };
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.terms.operator.to_string()),
            parent: Some(self.terms.case.to_string()),
            name: None,
            due_at,
        }
    }

    fn attributes(&self) -> Attributes {
        let text = |value: String| Attribute::Text(value);
        [
            ("status".to_owned(), text(self.status.name().to_owned())),
            ("operator".to_owned(), text(self.terms.operator.to_string())),
            (
                "signatories".to_owned(),
                Attribute::Set(self.terms.signatories.iter().map(ToString::to_string).collect()),
            ),
        ]
        .into()
    }
}

fn sign(terms: Terms, ctx: &Context<'_>) -> Result<Event, Refusal> {
    if terms.to <= terms.from {
        return Err(ctx.refuse(rules::AGREEMENT_TERM).because("it ends before it begins"));
    }
    let total: u64 = terms.shares.iter().map(|share| u64::from(share.weight)).sum();
    if total == 0 || terms.shares.iter().any(|share| share.party.trim().is_empty()) {
        return Err(ctx.refuse(rules::AGREEMENT_SHARES));
    }
    let (begins_at, expires_at) =
        ctx.law.start_of_day(terms.from).zip(ctx.law.end_of_day(terms.to)).ok_or_else(|| {
            ctx.refuse(rules::AGREEMENT_TERM).because("its days are out of range")
        })?;
    if expires_at < ctx.now {
        return Err(ctx.refuse(rules::AGREEMENT_TERM).because("its last day is over"));
    }
    Ok(Event::Signed { terms, begins_at, expires_at, at: ctx.now })
}

impl Agreement {
    fn go_on(&self, command: Command, ctx: &Context<'_>) -> Result<Event, Refusal> {
        let at = ctx.now;
        let wrong_state = |wanted: &str| {
            ctx.refuse(rules::AGREEMENT_STATE)
                .because(format!("it is {}; {wanted}", self.status.name()))
        };
        match command {
            Command::Sign(_) => Err(ctx.refuse(rules::NEW)),
            Command::File { receipts } => match &self.status {
                Status::Signed { .. } if !receipts.is_empty() => Ok(Event::Filed { receipts, at }),
                Status::Signed { .. } => Err(ctx.refuse(rules::FILING_RECEIPTS)),
                _ => Err(wrong_state("only what is signed is filed")),
            },
            Command::Activate => match &self.status {
                Status::Signed { .. } | Status::Filed { .. } => self.activate(ctx),
                Status::Trial { passed: false, .. } => {
                    Err(ctx.refuse(rules::TRIAL_PASSED).because("its assessment was not passed"))
                }
                Status::Trial { until, ends_at, .. } if ends_at.is_some_and(|end| at <= end) => {
                    Err(ctx.refuse(rules::DUE).because(format!("its trial lasts until {until}")))
                }
                Status::Trial { .. } => {
                    Ok(Event::Activated { trial_until: None, trial_ends_at: None, at })
                }
                _ => Err(wrong_state("only what is signed begins")),
            },
            Command::PassTrial => match &self.status {
                Status::Trial { until, ends_at, .. } if ends_at.is_some_and(|end| at > end) => {
                    Err(wrong_state(&format!("its trial was over with {until}")))
                }
                Status::Trial { passed: false, .. } => Ok(Event::TrialPassed { at }),
                Status::Trial { .. } => Err(wrong_state("its assessment was passed already")),
                _ => Err(wrong_state("only a trial is assessed")),
            },
            Command::Suspend { ground } => match &self.status {
                _ if ground.trim().is_empty() => Err(ctx.refuse(rules::REASON_GIVEN)),
                Status::Trial { .. } | Status::Active { .. } => Ok(Event::Suspended { ground, at }),
                _ => Err(wrong_state("only what is in operation is suspended")),
            },
            Command::Restore => match &self.status {
                Status::Suspended { .. } if at <= self.expires_at => Ok(Event::Restored { at }),
                Status::Suspended { .. } => Err(wrong_state("its last day is over")),
                _ => Err(wrong_state("only what is suspended is restored")),
            },
            Command::Expire => match &self.status {
                Status::Ended { .. } | Status::Closed { .. } => Err(wrong_state("it is over")),
                _ if at <= self.expires_at => Err(ctx
                    .refuse(rules::DUE)
                    .because(format!("its last day is {}", self.terms.to))),
                _ => Ok(Event::Expired { at }),
            },
            Command::End { ground } => match &self.status {
                _ if ground.trim().is_empty() => Err(ctx.refuse(rules::REASON_GIVEN)),
                Status::Ended { .. } | Status::Closed { .. } => Err(wrong_state("it is over")),
                _ => Ok(Event::Ended { ground, at }),
            },
            Command::Close { certificate } => match &self.status {
                Status::Ended { .. } => Ok(Event::Closed {
                    certificate,
                    logs_kept_until: ctx
                        .law
                        .integer("log_retention_months")
                        .and_then(|months| i32::try_from(months).ok())
                        .and_then(|months| add_months(ctx.today(), months).ok()),
                    at,
                }),
                _ => Err(wrong_state("only what has ended is closed")),
            },
        }
    }

    fn activate(&self, ctx: &Context<'_>) -> Result<Event, Refusal> {
        if ctx.now > self.expires_at {
            return Err(ctx.refuse(rules::AGREEMENT_STATE).because("its last day is over"));
        }
        let months = i32::try_from(self.terms.trial_months).unwrap_or(i32::MAX);
        let trial_until = match months {
            0 => None,
            _ => crate::guard::last_day(self.terms.from, months.into()),
        };
        let trial_ends_at = trial_until.and_then(|until| ctx.law.end_of_day(until));
        Ok(Event::Activated { trial_until, trial_ends_at, at: ctx.now })
    }
}
