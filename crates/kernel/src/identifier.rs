//! Identifiers that a check digit or a published form can be tested by.
//!
//! Sources: GB 11643-1999 (resident identity number, ISO 7064 MOD 11-2), GB 32100-2015
//! (unified social credit code, modulus 31), GB/T 36104 and the registration numbers before it
//! (15 digits, ISO 7064 MOD 11,10), GB/T 2260 (division codes), YD/T mobile numbers of 11 digits.

use chrono::NaiveDate;

const RESIDENT_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const RESIDENT_CHECKS: &[u8; 11] = b"10X98765432";
const CREDIT_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const CREDIT_WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// The check character of the first 17 digits of a resident identity number (GB 11643).
pub fn resident_check(first_17: &[u8]) -> Option<u8> {
    if first_17.len() != 17 {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in first_17.iter().zip(RESIDENT_WEIGHTS) {
        if !byte.is_ascii_digit() {
            return None;
        }
        sum += u32::from(byte - b'0') * weight;
    }
    RESIDENT_CHECKS.get((sum % 11) as usize).copied()
}

/// Whether `text` is a resident identity number: 18 characters, a province, a day that
/// exists, and the check character (GB 11643). A small `x` is taken for `X`.
pub fn is_resident_id(text: &[u8]) -> bool {
    let Some((check, first)) = text.split_last() else {
        return false;
    };
    resident_check(first) == Some(check.to_ascii_uppercase())
        && first.get(..2).is_some_and(is_province)
        && first.get(6..14).and_then(compact_date).is_some()
}

/// The day of birth in a resident identity number, if it has the form of one.
pub fn resident_birth(text: &[u8]) -> Option<NaiveDate> {
    text.get(6..14).and_then(compact_date)
}

/// The check character of the first 17 characters of a unified social credit code (GB 32100).
pub fn credit_check(first_17: &[u8]) -> Option<u8> {
    if first_17.len() != 17 {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in first_17.iter().zip(CREDIT_WEIGHTS) {
        sum += credit_value(*byte)? * weight;
    }
    CREDIT_ALPHABET.get(((31 - sum % 31) % 31) as usize).copied()
}

/// Whether `text` is a unified social credit code: 18 characters of its alphabet and the
/// check character (GB 32100).
pub fn is_credit_code(text: &[u8]) -> bool {
    text.split_last().is_some_and(|(check, first)| credit_check(first) == Some(*check))
}

/// Whether `text` is a business registration number of 15 digits (ISO 7064 MOD 11,10).
pub fn is_registration_number(text: &[u8]) -> bool {
    let Some((check, first)) = text.split_last() else {
        return false;
    };
    if first.len() != 14 || !text.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut product = 10;
    for byte in first {
        let sum = (u32::from(byte - b'0') + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    (product + u32::from(check - b'0')) % 10 == 1
}

/// Whether `text` has the form of a mainland mobile number: 11 digits, the first 1, the
/// second 3 to 9.
pub fn is_mobile(text: &[u8]) -> bool {
    text.len() == 11
        && text.iter().all(u8::is_ascii_digit)
        && text.first() == Some(&b'1')
        && text.get(1).is_some_and(|second| (b'3'..=b'9').contains(second))
}

/// Whether `text` has the form of a division code: 6 digits that begin with a province
/// (GB/T 2260). Whether the county exists is a question for the code table in force.
pub fn is_division_code(text: &[u8]) -> bool {
    text.len() == 6 && text.iter().all(u8::is_ascii_digit) && text.get(..2).is_some_and(is_province)
}

/// Whether two digits are the code of a province-level division (GB/T 2260).
pub fn is_province(code: &[u8]) -> bool {
    let [tens, units] = code else { return false };
    match tens {
        b'1' | b'6' => (b'1'..=b'5').contains(units),
        b'2' | b'8' => (b'1'..=b'3').contains(units),
        b'3' => (b'1'..=b'7').contains(units),
        b'4' => (b'1'..=b'6').contains(units),
        b'5' => (b'0'..=b'4').contains(units),
        b'7' => *units == b'1',
        _ => false,
    }
}

fn credit_value(byte: u8) -> Option<u32> {
    CREDIT_ALPHABET
        .iter()
        .position(|symbol| *symbol == byte)
        .and_then(|value| u32::try_from(value).ok())
}

/// The day written as eight digits, year first.
fn compact_date(text: &[u8]) -> Option<NaiveDate> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
        })
    };
    let year = i32::try_from(number(text.get(..4)?)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(text.get(4..6)?)?, number(text.get(6..8)?)?)
        .filter(|_| (1800..2200).contains(&year) && text.len() == 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(is: fn(&[u8]) -> bool, text: &str, expected: bool) {
        assert_eq!(is(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn resident_numbers_follow_gb_11643() {
        check(is_resident_id, "11010519491231002X", true);
        check(is_resident_id, "11010519491231002x", true);
        check(is_resident_id, "110105194912310021", false);
        check(is_resident_id, "440524188001010014", true);
        check(is_resident_id, "11010519490231002X", false);
        check(is_resident_id, "", false);
    }

    #[test]
    fn credit_codes_follow_gb_32100() {
        check(is_credit_code, "91350100M000100Y43", true);
        check(is_credit_code, "91350100M000100Y44", false);
        check(is_credit_code, "91350100I000100Y43", false);
    }

    #[test]
    fn forms_are_told_apart() {
        check(is_mobile, "13800138000", true);
        check(is_mobile, "12800138000", false);
        check(is_division_code, "330106", true);
        check(is_division_code, "990106", false);
        check(is_registration_number, "110108000000016", true);
        check(is_registration_number, "110108000000017", false);
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_noticed(serial in 0_u32..1000, position in 0_usize..17, step in 1_u8..10) {
            let mut text = format!("33010619900307{serial:03}").into_bytes();
            text.push(resident_check(&text).unwrap());
            prop_assert!(is_resident_id(&text));
            text[position] = b'0' + (text[position] - b'0' + step) % 10;
            prop_assert!(!is_resident_id(&text));
        }
    }
}
