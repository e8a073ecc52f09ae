//! What every room knows: ids, clock, entropy, actors, money, calendar days, national
//! identifiers and digests.
//!
//! **Invariant:** nothing here does I/O, and nothing here knows a regulation. Time and
//! randomness are handed in as [`Clock`] and [`Entropy`]; a period or a number that a law
//! sets never stands in this crate.

mod actor;
mod calendar;
mod canonical;
mod clock;
mod digest;
mod entropy;
mod id;
pub mod identifier;
mod money;
mod subject;

pub use actor::{Actor, OrganisationId, PersonId, Role, SYSTEM};
pub use calendar::{Calendar, CalendarError, add_months, local_date};
pub use canonical::canonical_json;
pub use clock::{Clock, SystemClock, VirtualClock};
pub use digest::{ContentHash, DigestError};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
#[doc(hidden)]
pub use id::fmt_id as __fmt_id;
pub use id::{Id, IdError, Ids, parse_id};
pub use money::{Fen, MoneyError, Share, split};
pub use subject::{
    AgreementId, AlertId, CaseId, DatasetId, GrantId, InvoiceId, JobId, ProductId, ReleaseId,
    ResourceId, ScenarioId, SessionId, SubscriptionId, TaskId,
};
