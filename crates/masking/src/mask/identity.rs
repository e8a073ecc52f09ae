//! Numbers that identify: others of the same form, which are nobody's.

use arrow::array::{ArrayRef, StringArray};
use shuyu_kernel::identifier::{credit_check, resident_check};

use super::column::written;
use crate::{MaskingError, Token, Tokens, key::Draws};

/// Crockford's digits: no letter among them is taken for a digit.
const BASE_32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CREDIT: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const RESIDENT_CHECKS: &[u8; 11] = b"0123456789X";

pub(super) fn pseudonyms(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 18, |value, out| pseudonym(tokens.of(value.as_bytes()), out))
}

/// `p-` and 16 signs: 80 bits, so that among a million values two are alike with a chance
/// below 10^-12.
fn pseudonym(token: Token, out: &mut Vec<u8>) {
    out.extend_from_slice(b"p-");
    let mut draws = token.draws();
    for _ in 0..8 {
        out.push(sign(BASE_32, draws.below(32)));
    }
    for _ in 0..8 {
        out.push(sign(BASE_32, draws.more(32)));
    }
}

/// Of the digits none is kept. Values are drawn from 4 x 10^13, so among a million persons two
/// share a pseudonym with a chance of about one in a hundred.
pub(super) fn residents(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 18, |value, out| {
        let mut draws = token_of(tokens, value).draws();
        let begin = out.len();
        // No province begins with 9 (GB/T 2260).
        out.push(b'9');
        for _ in 0..5 {
            out.push(draws.digit());
        }
        // A day that exists, for programs that compute with it; it is not the day of birth.
        number(1900 + draws.below(120), 4, out);
        number(1 + draws.below(12), 2, out);
        number(1 + draws.below(28), 2, out);
        for _ in 0..3 {
            out.push(draws.digit());
        }
        let check = out.get(begin..).and_then(resident_check).unwrap_or(b'0');
        out.push(wrong(RESIDENT_CHECKS, check, &mut draws));
    })
}

pub(super) fn credits(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 18, |value, out| {
        let mut draws = token_of(tokens, value).draws();
        let begin = out.len();
        let kind = value
            .as_bytes()
            .get(..2)
            .filter(|kind| value.len() == 18 && kind.iter().all(|sign| CREDIT.contains(sign)));
        out.extend_from_slice(kind.unwrap_or(b"91"));
        out.push(b'9');
        for _ in 0..5 {
            out.push(draws.digit());
        }
        for _ in 0..9 {
            out.push(sign(CREDIT, draws.below(31)));
        }
        let check = out.get(begin..).and_then(credit_check).unwrap_or(b'0');
        out.push(wrong(CREDIT, check, &mut draws));
    })
}

pub(super) fn registrations(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 15, |value, out| {
        let mut draws = token_of(tokens, value).draws();
        out.push(b'9');
        let mut product = registered(10, b'9');
        for _ in 0..13 {
            let digit = draws.digit();
            product = registered(product, digit);
            out.push(digit);
        }
        // ISO 7064 MOD 11,10: the check digit is what makes the last sum one.
        let check = b'0' + u8::try_from((11 - product) % 10).unwrap_or(0);
        out.push(wrong(b"0123456789", check, &mut draws));
    })
}

/// Eleven digits that begin with 12, out of 10^9: among a million numbers about 500 pairs are
/// alike.
pub(super) fn mobiles(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 11, |value, out| {
        let mut draws = token_of(tokens, value).draws();
        out.extend_from_slice(b"12");
        for _ in 0..9 {
            out.push(draws.digit());
        }
    })
}

/// The token of an identifier as it is meant: blanks around it, and a small `x`, say nothing.
fn token_of(tokens: &Tokens, value: &str) -> Token {
    let meant = value.trim().as_bytes();
    if meant.iter().any(u8::is_ascii_lowercase) {
        tokens.of(&meant.to_ascii_uppercase())
    } else {
        tokens.of(meant)
    }
}

/// A check character that is not the right one.
fn wrong(signs: &[u8], right: u8, draws: &mut Draws) -> u8 {
    let at = signs.iter().position(|sign| *sign == right).unwrap_or(0);
    let steps = 1 + draws.more(signs.len() as u64 - 1);
    sign(signs, (at as u64 + steps) % signs.len() as u64)
}

fn sign(signs: &[u8], at: u64) -> u8 {
    usize::try_from(at).ok().and_then(|at| signs.get(at)).copied().unwrap_or(b'0')
}

fn number(value: u64, digits: u32, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(b'0' + u8::try_from(value / 10_u64.pow(place) % 10).unwrap_or(0));
    }
}

fn registered(product: u32, digit: u8) -> u32 {
    let sum = (u32::from(digit - b'0') + product) % 10;
    (if sum == 0 { 10 } else { sum }) * 2 % 11
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use arrow::array::AsArray;
    use proptest::prelude::*;
    use shuyu_kernel::identifier::{
        is_credit_code, is_mobile, is_registration_number, is_resident_id, resident_birth,
    };

    use super::*;
    use crate::{Kind, MaskingKey, Scope};

    type Treat = fn(&StringArray, &Tokens) -> Result<ArrayRef, MaskingError>;

    fn masked(treat: Treat, kind: Kind, agreement: &str, values: &[&str]) -> Vec<String> {
        let key = MaskingKey::derive(b"secret", Scope { agreement, family: "city" });
        let from = StringArray::from(values.to_vec());
        let to = treat(&from, &key.tokens(kind)).unwrap();
        to.as_string::<i32>().iter().map(|value| value.unwrap().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn a_masked_number_has_its_form_and_a_wrong_check(value in "[0-9A-Z]{0,20}") {
            let it = &masked(residents, Kind::Resident, "a", &[&value])[0];
            prop_assert_eq!(it.len(), 18);
            prop_assert!(!is_resident_id(it.as_bytes()));
            prop_assert!(resident_birth(it.as_bytes()).is_some());
            prop_assert_ne!(resident_check(&it.as_bytes()[..17]), Some(it.as_bytes()[17]));
            let it = &masked(credits, Kind::Credit, "a", &[&value])[0];
            prop_assert_eq!(it.len(), 18);
            let check = credit_check(&it.as_bytes()[..17]);
            prop_assert!(check.is_some() && !is_credit_code(it.as_bytes()));
            let it = &masked(registrations, Kind::Registration, "a", &[&value])[0];
            prop_assert!(it.len() == 15 && it.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert!(!is_registration_number(it.as_bytes()));
            let it = &masked(mobiles, Kind::Mobile, "a", &[&value])[0];
            prop_assert!(it.len() == 11 && it.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert!(!is_mobile(it.as_bytes()));
        }
    }

    #[test]
    fn exactly_one_of_ten_check_digits_is_never_drawn() {
        // Every registration number with another last digit than the drawn one: one is right.
        for it in masked(registrations, Kind::Registration, "a", &["1", "2", "3", "4", "5"]) {
            let right = (b'0'..=b'9').filter(|last| {
                let mut other = it.clone().into_bytes();
                other[14] = *last;
                is_registration_number(&other)
            });
            assert_eq!(right.count(), 1, "{it}");
        }
    }

    #[test]
    fn the_kind_of_an_organisation_is_kept_and_a_small_x_is_a_great_one() {
        let codes = masked(credits, Kind::Credit, "a", &["52330000MJ87654321", "9133"]);
        assert!(codes[0].starts_with("529") && codes[1].starts_with("919"), "{codes:?}");
        let ids = ["11010519491231002X", "11010519491231002x", " 11010519491231002X"];
        let ids = masked(residents, Kind::Resident, "a", &ids);
        assert!(ids[0] == ids[1] && ids[1] == ids[2]);
    }

    #[test]
    fn a_value_has_one_pseudonym_in_an_agreement_and_another_elsewhere() {
        let ids: Vec<String> = (0..20_000).map(|n| format!("33980219900101{n:04}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let treatments: [(Treat, Kind); 2] =
            [(residents, Kind::Resident), (pseudonyms, Kind::Other)];
        for (treat, kind) in treatments {
            let here = masked(treat, kind, "here", &ids);
            assert_eq!(here, masked(treat, kind, "here", &ids));
            let here: HashSet<String> = here.into_iter().collect();
            assert_eq!(here.len(), ids.len(), "no two persons share a pseudonym");
            let there = masked(treat, kind, "there", &ids);
            assert!(there.iter().all(|it| !here.contains(it)));
            assert!(ids.iter().all(|id| !here.contains(*id)));
        }
    }
}
