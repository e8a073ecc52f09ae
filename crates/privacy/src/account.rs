//! The account of one population: what was promised, what was charged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Cost;

/// A charge, by an id that the caller chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChargeId(pub u64);

/// What all answers about a population have cost together, of whomever.
///
/// A charge is reserved before data are touched. From then on it counts, whatever becomes of the
/// run: there is no way to take one back. That a run failed, was cancelled or shows nothing may
/// depend on data, and a budget that came back then would tell so for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    limit: Cost,
    spent: Cost,
    reserved: BTreeMap<ChargeId, Cost>,
}

/// Why a charge is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Together with all that was charged it would be more than the limit.
    #[error("it would be more than the limit")]
    Exceeded,
    /// A charge of this id is reserved.
    #[error("the charge is reserved already")]
    Twice,
    /// No charge of this id is reserved.
    #[error("there is no such charge")]
    Unknown,
}

impl Account {
    /// An account on which nothing was charged.
    pub fn new(limit: Cost) -> Self {
        Self { limit, ..Self::default() }
    }

    /// How much may be charged in all.
    pub fn limit(&self) -> Cost {
        self.limit
    }

    /// What counts: what was settled, and what is reserved.
    pub fn charged(&self) -> Cost {
        // INVARIANT: `reserve` has counted this sum, so it can be counted.
        self.reserved.values().fold(self.spent, |sum, cost| sum.plus(*cost).unwrap_or(self.limit))
    }

    /// What may still be charged.
    pub fn left(&self) -> Cost {
        let charged = self.charged();
        Cost {
            rho_nano: self.limit.rho_nano.saturating_sub(charged.rho_nano),
            delta_atto: self.limit.delta_atto.saturating_sub(charged.delta_atto),
        }
    }

    /// What may still be charged, in whole percent of the limit, rounded down: finer figures would
    /// tell what others ask.
    pub fn percent_left(&self) -> u8 {
        let left = self.left();
        let percent = |part: u64, whole: u64| u128::from(part) * 100 / u128::from(whole).max(1);
        let least = percent(left.rho_nano, self.limit.rho_nano)
            .min(percent(left.delta_atto, self.limit.delta_atto));
        u8::try_from(least.min(100)).unwrap_or(100)
    }

    /// Whether a charge would be within the limit.
    pub fn check(&self, cost: Cost) -> Result<(), Refused> {
        match self.charged().plus(cost) {
            Some(sum) if sum.is_within(self.limit) => Ok(()),
            Some(_) | None => Err(Refused::Exceeded),
        }
    }

    /// Reserves a charge, before the run that it is for.
    ///
    /// # Errors
    ///
    /// [`Refused::Exceeded`] if it is not within the limit, [`Refused::Twice`] if it stands.
    pub fn reserve(&mut self, id: ChargeId, cost: Cost) -> Result<(), Refused> {
        if self.reserved.contains_key(&id) {
            return Err(Refused::Twice);
        }
        self.check(cost)?;
        self.reserved.insert(id, cost);
        Ok(())
    }

    /// Notes that the run of a charge is over, however it ended. The charge stands.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] if it is not reserved.
    pub fn settle(&mut self, id: ChargeId) -> Result<(), Refused> {
        let cost = self.reserved.remove(&id).ok_or(Refused::Unknown)?;
        self.spent = self.spent.plus(cost).unwrap_or(self.limit);
        Ok(())
    }

    /// Whether a charge is reserved and its run not known to be over.
    pub fn is_reserved(&self, id: ChargeId) -> bool {
        self.reserved.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: Cost = Cost { rho_nano: 1_000, delta_atto: 500 };

    fn cost(rho_nano: u64, delta_atto: u64) -> Cost {
        Cost { rho_nano, delta_atto }
    }

    #[test]
    fn what_is_reserved_counts_and_never_comes_back() {
        let mut account = Account::new(LIMIT);
        account.reserve(ChargeId(1), cost(600, 0)).unwrap();
        assert_eq!(account.reserve(ChargeId(2), cost(401, 0)), Err(Refused::Exceeded));
        assert_eq!(account.reserve(ChargeId(1), cost(1, 0)), Err(Refused::Twice));
        account.settle(ChargeId(1)).unwrap();
        assert_eq!(account.settle(ChargeId(1)), Err(Refused::Unknown));
        assert_eq!(account.reserve(ChargeId(2), cost(401, 0)), Err(Refused::Exceeded));
        account.reserve(ChargeId(2), cost(400, 500)).unwrap();
        assert_eq!((account.left(), account.percent_left()), (cost(0, 0), 0));
        assert_eq!(account.check(cost(0, 1)), Err(Refused::Exceeded));
        assert_eq!(account.check(cost(u64::MAX, 0)), Err(Refused::Exceeded));
    }

    #[test]
    fn what_is_left_is_told_roughly_and_by_the_scarcer_part() {
        let mut account = Account::new(LIMIT);
        assert_eq!(account.percent_left(), 100);
        account.reserve(ChargeId(1), cost(1, 0)).unwrap();
        assert_eq!(account.percent_left(), 99);
        account.reserve(ChargeId(2), cost(0, 250)).unwrap();
        assert_eq!(account.percent_left(), 50);
        account.settle(ChargeId(1)).unwrap();
        assert_eq!(account.percent_left(), 50);
    }

    proptest! {
        #[test]
        fn no_order_of_charges_exceeds_the_limit(
            steps in prop::collection::vec((0..20_u64, 0..300_u64, 0..150_u64, any::<bool>()), 1..80)
        ) {
            let mut account = Account::new(LIMIT);
            let mut granted = Cost::default();
            for (id, rho_nano, delta_atto, is_reserve) in steps {
                let (id, cost, before) = (ChargeId(id), cost(rho_nano, delta_atto), account.charged());
                if is_reserve {
                    let fits = granted.plus(cost).is_some_and(|sum| sum.is_within(LIMIT));
                    let stands = account.is_reserved(id);
                    let reserved = account.reserve(id, cost);
                    prop_assert_eq!(reserved.is_ok(), fits && !stands);
                    if reserved.is_ok() {
                        granted = granted.plus(cost).unwrap();
                    }
                } else {
                    let _ = account.settle(id);
                    prop_assert_eq!(account.charged(), before);
                }
                prop_assert_eq!(account.charged(), granted);
                prop_assert!(account.charged().is_within(LIMIT));
                prop_assert_eq!(account.left().plus(granted), Some(LIMIT));
            }
        }
    }
}
