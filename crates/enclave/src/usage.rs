//! What an operator used up in a month: its account for work in the domain.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, Fen, Id, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Cost, given::number_of};

shuyu_kernel::id!(
    /// The account of an operator for a month; its id follows from both.
    UsageId,
    "use"
);

impl UsageId {
    /// The account of an operator for the month of an instant.
    pub fn of(operator: OrganisationId, at: DateTime<Utc>) -> Self {
        let text = format!("usage/{operator}/{}", month_of(at));
        Self::from_u128(number_of(ContentHash::of(text.as_bytes())))
    }
}

/// The month of an instant, as `2026-11`.
pub fn month_of(at: DateTime<Utc>) -> String {
    format!("{:04}-{:02}", at.year(), at.month())
}

/// What an operator used up in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Which operator.
    pub operator: OrganisationId,
    /// Which month, as `2026-11`.
    pub month: String,
    /// How many attempts of jobs were charged.
    pub attempts: u64,
    /// What they used up.
    pub cost: Cost,
    /// What is charged for it.
    pub charge: Fen,
}

/// What is charged for work in the domain, where the law sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// For an hour of one processor.
    pub cpu_hour: Fen,
    /// For a gibibyte of stored data that is read.
    pub gibibyte: Fen,
}

impl Tariff {
    /// The tariff of a law; none: work is metered and costs nothing.
    pub fn of_law(law: &Law) -> Option<Self> {
        let fen = |name: &str| law.integer(name).map(Fen);
        match (fen("domain_fen_per_cpu_hour"), fen("domain_fen_per_gibibyte")) {
            (None, None) => None,
            (cpu_hour, gibibyte) => Some(Self {
                cpu_hour: cpu_hour.unwrap_or(Fen::ZERO),
                gibibyte: gibibyte.unwrap_or(Fen::ZERO),
            }),
        }
    }

    /// What a cost comes to, each part rounded down to whole fen.
    pub fn charge(&self, cost: Cost) -> Fen {
        let part = |used: u64, unit: u128, price: Fen| {
            let price = u128::from(price.0.unsigned_abs());
            i64::try_from(u128::from(used) * price / unit).unwrap_or(i64::MAX)
        };
        let cpu = part(cost.cpu_seconds, 3_600, self.cpu_hour);
        Fen(cpu.saturating_add(part(cost.bytes_scanned, 1 << 30, self.gibibyte)))
    }
}

/// What can be wanted of an account.
#[derive(Debug, Clone)]
pub enum UsageCommand {
    /// Charge an attempt.
    Charge {
        /// To which operator.
        operator: OrganisationId,
        /// What it cost.
        cost: Cost,
    },
}

impl Command for UsageCommand {
    shuyu_store::names! {
        Self::Charge { .. } => "charge",
    }
}

/// What can happen to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum UsageEvent {
    /// An attempt was charged.
    Charged {
        /// To which operator.
        operator: OrganisationId,
        /// In which month.
        month: String,
        /// What it used up.
        cost: Cost,
        /// By how much the charge for the month grows. Rounding is the month's, not the attempt's.
        charge: Fen,
    },
}

impl Entity for Usage {
    const KIND: &'static str = "usage";
    const ATTRIBUTES: &'static [&'static str] = &["operator"];
    type Id = UsageId;
    type Command = UsageCommand;
    type Event = UsageEvent;

    fn decide(
        state: Option<&Self>,
        command: UsageCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<UsageEvent>, Refusal> {
        match command {
            UsageCommand::Charge { operator, cost } => {
                let before = state.map_or(Cost::default(), |it| it.cost);
                let charge = Tariff::of_law(ctx.law).map_or(Fen::ZERO, |tariff| {
                    let (until, after) = (tariff.charge(before), tariff.charge(before + cost));
                    Fen(after.0.saturating_sub(until.0))
                });
                Ok(vec![UsageEvent::Charged { operator, month: month_of(ctx.now), cost, charge }])
            }
        }
    }

    fn evolve(state: Option<Self>, event: &UsageEvent) -> Option<Self> {
        let UsageEvent::Charged { operator, month, cost, charge } = event;
        let before = state.unwrap_or_else(|| Self {
            operator: *operator,
            month: month.clone(),
            attempts: 0,
            cost: Cost::default(),
            charge: Fen::ZERO,
        });
        Some(Self {
            attempts: before.attempts + 1,
            cost: before.cost + *cost,
            charge: Fen(before.charge.0.saturating_add(charge.0)),
            ..before
        })
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.month.clone(),
            owner: Some(self.operator.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([("operator".to_owned(), Attribute::Text(self.operator.to_string()))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_charged_in_whole_fen_and_never_more_than_its_parts() {
        let tariff = Tariff { cpu_hour: Fen(360), gibibyte: Fen(100) };
        let cost = |cpu_seconds, bytes_scanned| Cost { cpu_seconds, bytes_scanned };
        assert_eq!(tariff.charge(cost(3_600, 1 << 30)), Fen(460));
        assert_eq!(tariff.charge(cost(9, 0)), Fen(0));
        assert_eq!(tariff.charge(cost(10, (1 << 30) - 1)), Fen(1 + 99));
        assert_eq!(
            tariff.charge(cost(u64::MAX, 0)),
            Fen(i64::try_from(u128::from(u64::MAX) * 360 / 3_600).unwrap())
        );
    }
}
