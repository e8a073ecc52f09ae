//! The law as data: regulation packs, and the rulings that they give.
//!
//! A pack is a folder: what the regulation is and how it names things, its parameters, its
//! clauses, the rules that the platform enforces with the clauses each rests on, its
//! procedures, and its Cedar policies. A city's pack is laid over the baseline pack.
//!
//! **Invariant:** no city, article or period is known here; all come from the pack.
//!
//! **Invariant:** silence is absence. A city that says nothing of a point has no parameter, no
//! stage, no deadline and no document for it.

mod check;
mod clause;
mod coverage;
mod explain;
mod form;
mod keyword;
mod law;
mod load;
mod pack;
mod parameter;
mod period;
mod policy;
mod procedure;
mod regulation;
mod rule;
mod ruling;
mod source;
mod text;

pub use check::{Finding, Severity, Vocabulary, check};
pub use clause::{Binding, Clause, ClauseId, Force, Kind, Proof};
pub use coverage::{Coverage, CoverageFilter, CoveredClause, Tally};
pub use explain::{Enforcer, Explanation, ParameterValue};
pub use form::{FormFault, Forms, SchemaError};
pub use keyword::{Sum, sums};
pub use law::{Law, PackVersion};
pub use pack::{BASELINE, PackError, PackFiles, Packs};
pub use parameter::{Parameter, Source};
pub use period::PeriodError;
pub use policy::{FORBIDDEN_BY_POLICY, NOT_PERMITTED, Policies, PolicyNote, RULES};
pub use procedure::{Deadline, Document, Next, Outcome, Period, PeriodUnit, Procedure, Stage};
pub use regulation::{Regulation, Status};
pub use rule::{Cause, Refusal, Rule, RuleText};
pub use ruling::{Attribute, Attributes, Permit, Request};
pub use text::Text;
