//! Persons, each a function of the seed and their number.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};
use shuyu_kernel::identifier::resident_check;

use crate::{
    Plan,
    city::{DISTRICTS, District, ELSEWHERE},
    dice::{Curve, Dice, Stream},
    enterprise::enterprises,
};

/// Of each day of a year of birth, how many sequence numbers (of either sex) are used, by age
/// in tens of years. The wider a decade, the more persons were born in it.
const SLOTS_A_DAY: [u64; 10] = [260, 280, 340, 420, 400, 430, 330, 200, 90, 20];
const DAYS_A_DECADE: u64 = 3650;

/// How many persons can have identity numbers of their own.
pub const MAX_PERSONS: u64 = {
    let (mut slots, mut decade) = (0, 0);
    while decade < SLOTS_A_DAY.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        let width = SLOTS_A_DAY[decade];
        slots += width * DAYS_A_DECADE;
        decade += 1;
    }
    slots
};

/// Yearly income of grown-ups in fen: lognormal around 60,000 yuan, and a Pareto tail above the 99th of 100.
const INCOMES: Curve = Curve(&[
    (100, 644_262),
    (1_000, 939_526),
    (10_000, 1_485_796),
    (50_000, 2_236_355),
    (100_000, 2_781_050),
    (250_000, 4_003_086),
    (500_000, 6_000_000),
    (750_000, 8_993_061),
    (900_000, 12_944_751),
    (950_000, 16_097_623),
    (990_000, 24_229_434),
    (999_000, 112_463_072),
    (999_900, 522_007_341),
    (1_000_000, 5_220_073_410),
]);

/// A resident of the city.
pub(crate) struct Person {
    pub(crate) age: u64,
    pub(crate) born: NaiveDate,
    pub(crate) is_female: bool,
    pub(crate) home: &'static District,
    pub(crate) income_fen: u64,
    pub(crate) employer: Option<u64>,
    birthplace: &'static str,
    sequence: u64,
    number: u64,
}

impl Person {
    /// The person of a number below `plan.persons`.
    pub(crate) fn at(plan: &Plan, number: u64) -> Self {
        let mut dice = Dice::new(plan.seed, Stream::Person, number);
        let (_, home) = dice.weighted(&DISTRICTS, |district| district.weight);
        let birthplace = if dice.permille(750) { home.code } else { dice.pick(&ELSEWHERE) };
        let is_female = dice.permille(487);
        let (age, day, slot) = slot(plan, number);
        let income_fen = if age < 18 { 0 } else { dice.along(&INCOMES) };
        let year = plan.start.year() - 1 - i32::try_from(age).unwrap_or_default();
        let born = u32::try_from(day + 1)
            .ok()
            .and_then(|day| NaiveDate::from_yo_opt(year, day))
            .unwrap_or(plan.start);
        // Of the sequence numbers of a day those of men are odd.
        let sequence = slot * 2 + u64::from(!is_female);
        let mut dice = Dice::new(plan.seed, Stream::Employment, number);
        let employer = ((18..60).contains(&age) && dice.permille(720))
            .then(|| dice.skewed_below(enterprises(plan)));
        Self { age, born, is_female, home, income_fen, employer, birthplace, sequence, number }
    }

    /// The identity number (GB 11643). No two persons share one.
    pub(crate) fn id_number(&self) -> String {
        let mut id = String::with_capacity(18);
        let (year, month, day) = (self.born.year(), self.born.month(), self.born.day());
        // Writing to a string does not fail.
        let _ = write!(id, "{}{year:04}{month:02}{day:02}{:03}", self.birthplace, self.sequence);
        id.extend(resident_check(id.as_bytes()).map(char::from));
        id
    }

    /// A number of the form of mobile numbers, from a range that is not in use by the public.
    pub(crate) fn mobile(&self) -> String {
        format!("154{:08}", self.number * 7 % 100_000_000)
    }
}

/// Age in years, day of the year and place on that day: other ones for each person.
fn slot(plan: &Plan, number: u64) -> (u64, u64, u64) {
    // A step that has no divisor in common with the number of slots meets each of them once.
    const STEP: u128 = 2_654_435_761;
    let place = (u128::from(number) * STEP + u128::from(plan.seed)) % u128::from(MAX_PERSONS);
    let mut rest = u64::try_from(place).unwrap_or_default();
    for (decade, width) in (0..).zip(SLOTS_A_DAY) {
        let slots = width * DAYS_A_DECADE;
        if rest < slots {
            let (day, slot) = (rest / width, rest % width);
            return (decade * 10 + day / 365, day % 365, slot);
        }
        rest -= slots;
    }
    (0, 0, 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shuyu_kernel::identifier::{is_mobile, is_resident_id, resident_birth};

    use super::*;

    #[test]
    fn identity_numbers_are_valid_and_no_two_are_alike() {
        let start = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
        let plan = Plan { persons: 200_000, seed: 7, start };
        let mut seen = HashSet::new();
        for number in 0..plan.persons {
            let person = Person::at(&plan, number);
            let id = person.id_number();
            assert!(is_resident_id(id.as_bytes()), "{id}");
            assert_eq!(resident_birth(id.as_bytes()), Some(person.born));
            assert_eq!(id.as_bytes()[16].is_multiple_of(2), person.is_female);
            assert_eq!(&id[2..4], "98");
            assert!(person.born < start);
            assert!(is_mobile(person.mobile().as_bytes()));
            assert!(seen.insert(id));
        }
    }

    #[test]
    fn every_slot_is_met_once() {
        assert_eq!(MAX_PERSONS % 2_654_435_761, MAX_PERSONS);
        let start = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
        let plan = Plan { persons: MAX_PERSONS, seed: u64::MAX, start };
        let mut seen = HashSet::new();
        for number in (0..MAX_PERSONS).step_by(97) {
            let (age, day, slot) = slot(&plan, number);
            assert!(age < 100 && day < 365 && slot < 500);
            assert!(seen.insert((age, day, slot)));
        }
    }
}
