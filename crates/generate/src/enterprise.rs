//! Enterprises, each a function of the seed and its number.

use shuyu_kernel::identifier::{credit_check, is_registration_number};

use crate::{
    Plan,
    city::{DISTRICTS, District, INDUSTRIES, Industry},
    dice::{Dice, Stream},
};

/// How many enterprises the city has: one for 20 persons, and at least 20.
pub(crate) fn enterprises(plan: &Plan) -> u64 {
    (plan.persons / 20).max(20)
}

/// The enterprise that pays most of its industry's tax.
pub(crate) const DOMINANT: u64 = 0;

/// An enterprise of the city.
pub(crate) struct Enterprise {
    pub(crate) home: &'static District,
    pub(crate) industry: &'static Industry,
    number: u64,
}

impl Enterprise {
    /// The enterprise of a number below [`enterprises`].
    pub(crate) fn at(plan: &Plan, number: u64) -> Self {
        let mut dice = Dice::new(plan.seed, Stream::Enterprise, number);
        let (_, home) = dice.weighted(&DISTRICTS, |district| district.weight);
        let (_, any) = dice.weighted(&INDUSTRIES, |industry| industry.2);
        let [first, ..] = &INDUSTRIES;
        let industry = if number == DOMINANT { first } else { any };
        Self { home, industry, number }
    }

    /// The unified social credit code (GB 32100). No two enterprises share one.
    pub(crate) fn credit_code(&self) -> String {
        let organisation = format!("MA{:06}", self.number % 1_000_000);
        let mut code = format!("91{}{organisation}", self.home.code);
        code.push(organisation_check(&organisation));
        code.extend(credit_check(code.as_bytes()).map(char::from));
        code
    }

    /// The registration number of 15 digits that enterprises had before.
    pub(crate) fn registration_number(&self) -> String {
        let body = format!("{}{:08}", self.home.code, self.number);
        ('0'..='9')
            .map(|check| format!("{body}{check}"))
            .find(|number| is_registration_number(number.as_bytes()))
            .unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        format!("虚构第{}号样例有限公司", self.number)
    }
}

/// The check character of the 8 characters of an organisation code (GB 11714).
fn organisation_check(body: &str) -> char {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .chars()
        .zip(WEIGHTS)
        .map(|(symbol, weight)| symbol.to_digit(36).unwrap_or_default() * weight)
        .sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        check => char::from_digit(check, 10).unwrap_or('0'),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::NaiveDate;
    use shuyu_kernel::identifier::is_credit_code;

    use super::*;

    #[test]
    fn codes_are_valid_and_no_two_are_alike() {
        let start = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
        let plan = Plan { persons: 400_000, seed: 7, start };
        let mut seen = HashSet::new();
        for number in 0..enterprises(&plan) {
            let enterprise = Enterprise::at(&plan, number);
            let code = enterprise.credit_code();
            assert!(is_credit_code(code.as_bytes()), "{code}");
            assert_eq!(&code[4..6], "98");
            let registration = enterprise.registration_number();
            assert!(is_registration_number(registration.as_bytes()), "{registration}");
            assert!(seen.insert(code));
        }
    }

    #[test]
    fn organisation_codes_follow_gb_11714() {
        // The organisation code within 91350100M000100Y43, the example of GB 32100.
        assert_eq!(organisation_check("M000100Y"), '4');
    }
}
