//! One cell: what its bytes are, as a type asks for.

use chrono::NaiveDate;

/// Whether a cell says that there is no value.
pub(crate) fn is_missing(cell: &[u8]) -> bool {
    match cell.len() {
        0 => true,
        1 => matches!(cell, b"?" | b"-"),
        2 => cell == b"NA",
        3 => cell == b"NaN" || cell == b"nan" || cell == b"N/A" || cell == "—".as_bytes(),
        4 => matches!(cell, b"NULL" | b"null" | b"None"),
        6 => cell == "——".as_bytes(),
        _ => false,
    }
}

/// A whole number. Leading zeros are taken; `+` and `-` too.
pub(crate) fn integer(cell: &[u8]) -> Option<i64> {
    let (negative, digits) = match cell.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, cell),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// What has more digits than a decimal column keeps.
const LIMIT: i128 = 1_000_000_000_000_000_000;

/// A decimal number in units of `10^-scale`, and whether decimals had to be rounded away.
/// Plain and exponent forms are read; thousands separators are not.
pub(crate) fn decimal(cell: &[u8], scale: u8) -> Option<(i64, bool)> {
    let (mantissa, exponent) = match cell.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (cell.get(..at)?, integer(cell.get(at + 1..)?)?),
        None => (cell, 0),
    };
    let (negative, digits) = match mantissa.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, mantissa),
    };
    let (mut value, mut decimals, mut seen, mut point, mut lost) =
        (0_i128, 0_i64, false, false, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if value < i128::MAX / 100 {
                    value = value * 10 + i128::from(byte - b'0');
                    decimals += i64::from(point);
                } else if point {
                    lost |= *byte != b'0';
                } else {
                    return None;
                }
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    if !seen || exponent.abs() > 400 {
        return None;
    }
    let mut shift = i64::from(scale) - decimals + exponent;
    while shift > 0 {
        value = value.checked_mul(10)?;
        shift -= 1;
    }
    let mut dropped = 0;
    while shift < 0 && (value != 0 || dropped != 0) {
        lost |= dropped != 0;
        dropped = value % 10;
        value /= 10;
        shift += 1;
    }
    if shift == 0 && dropped >= 5 {
        value += 1;
    }
    lost |= dropped != 0;
    if value >= LIMIT {
        return None;
    }
    let value = i64::try_from(value).ok()?;
    Some((if negative { -value } else { value }, lost))
}

/// How many decimals a plain number shows.
pub(crate) fn decimals(cell: &[u8]) -> usize {
    cell.iter().position(|byte| *byte == b'.').map_or(0, |at| cell.len() - at - 1)
}

/// A calendar day as days since 1970: `2024-03-07`, `2024/3/7`, `2024.3.7`, `20240307`,
/// `2024年3月7日`; a time of midnight after it is taken.
pub(crate) fn date(cell: &[u8]) -> Option<i32> {
    let (day, rest) = leading_date(cell)?;
    match rest {
        b"" | b" 00:00:00" | b" 0:00" | b" 00:00" | b"T00:00:00" => Some(day),
        _ => None,
    }
}

/// An instant as microseconds since 1970: a day, then `T` or a blank, then `h:mm[:ss[.ffffff]]`.
pub(crate) fn timestamp(cell: &[u8]) -> Option<i64> {
    const SECOND: i64 = 1_000_000;
    let (day, rest) = leading_date(cell)?;
    let midnight = i64::from(day) * 86_400 * SECOND;
    if rest.is_empty() {
        return Some(midnight);
    }
    let (b'T' | b' ', time) = rest.split_first()? else {
        return None;
    };
    let mut parts = time.split(|byte| *byte == b':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(seconds) = parts.next() {
        let mut halves =
            seconds.strip_suffix(b"Z").unwrap_or(seconds).splitn(2, |byte| *byte == b'.');
        second = number(halves.next()?)?;
        if let Some(fraction) = halves.next() {
            micros = decimal(&[b"0.", fraction].concat(), 6)?.0;
        }
    }
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(
        midnight
            + (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * SECOND
            + micros,
    )
}

/// A day, as [`date`] reads it.
pub(crate) fn date_text(days: i64) -> String {
    let day = i32::try_from(days).ok().and_then(NaiveDate::from_epoch_days);
    day.map(|day| day.to_string()).unwrap_or_default()
}

/// An instant, as [`timestamp`] reads it.
pub(crate) fn timestamp_text(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map(|instant| instant.naive_utc().to_string())
        .unwrap_or_default()
}

/// A decimal number, as [`decimal`] reads it.
pub(crate) fn decimal_text(value: i64, scale: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", value.unsigned_abs(), usize::from(scale) + 1);
    let (whole, decimals) = digits.split_at(digits.len() - usize::from(scale));
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{decimals}")
}

/// Yes or no.
pub(crate) fn boolean(cell: &[u8]) -> Option<bool> {
    match cell {
        b"1" | b"Y" | b"y" | b"yes" | b"Yes" | b"true" | b"True" | b"TRUE" => Some(true),
        b"0" | b"N" | b"n" | b"no" | b"No" | b"false" | b"False" | b"FALSE" => Some(false),
        _ if cell == "是".as_bytes() => Some(true),
        _ if cell == "否".as_bytes() => Some(false),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// The day at the beginning of a cell, and what follows it.
fn leading_date(cell: &[u8]) -> Option<(i32, &[u8])> {
    let year = number(cell.get(..4)?)?;
    let rest = cell.get(4..)?;
    let (month, day, rest) = match rest.first()? {
        separator @ (b'-' | b'/' | b'.') => {
            let (month, rest) = leading_number(rest.get(1..)?)?;
            let rest = rest.strip_prefix(std::slice::from_ref(separator))?;
            let (day, rest) = leading_number(rest)?;
            (month, day, rest)
        }
        b'0'..=b'9' => (number(rest.get(..2)?)?, number(rest.get(2..4)?)?, rest.get(4..)?),
        _ => {
            let (month, rest) = leading_number(rest.strip_prefix("年".as_bytes())?)?;
            let (day, rest) = leading_number(rest.strip_prefix("月".as_bytes())?)?;
            (month, day, rest.strip_prefix("日".as_bytes())?)
        }
    };
    if !(1000..=9999).contains(&year) {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some((day.to_epoch_days(), rest))
}

/// One or two digits.
fn leading_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = if text.get(1).is_some_and(u8::is_ascii_digit) { 2 } else { 1 };
    Some((number(text.get(..length)?)?, text.get(length..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_exactly() {
        for (cell, expected) in [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("+7", Some(7)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("1.0", None),
            ("1,000", None),
        ] {
            assert_eq!(integer(cell.as_bytes()), expected, "{cell}");
        }
        for (cell, expected) in [
            ("1.5", Some((150, false))),
            ("1.005", Some((101, true))),
            ("-0.004", Some((0, true))),
            ("1e3", Some((100_000, false))),
            ("2.5E-1", Some((25, false))),
            (".5", Some((50, false))),
            ("5.", Some((500, false))),
            ("12345678901234567.1", None),
            ("1e400", None),
            ("1e401", None),
            ("1.2.3", None),
            (".", None),
            ("abc", None),
            ("NaN", None),
            ("1e-400", Some((0, true))),
        ] {
            assert_eq!(decimal(cell.as_bytes(), 2), expected, "{cell}");
        }
    }

    #[test]
    fn days_are_read_in_their_several_forms() {
        for cell in
            ["2024-03-07", "2024/3/7", "2024.3.07", "20240307", "2024年3月7日", "2024-3-7 00:00:00"]
        {
            assert_eq!(date(cell.as_bytes()), Some(19789), "{cell}");
        }
        for cell in [
            "2024-02-30",
            "2024-13-01",
            "24-01-01",
            "2024-01",
            "2024-01/01",
            "2024-03-07 10:00",
            "202403071",
        ] {
            assert_eq!(date(cell.as_bytes()), None, "{cell}");
        }
        assert_eq!(timestamp(b"1970-01-02 01:02:03.5"), Some(90_123_500_000));
        assert_eq!(timestamp(b"1970-01-01T24:00"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(cell in prop::collection::vec(prop_oneof![b'0'..=b'9', Just(b'.'), Just(b'e'), Just(b'-'), Just(b':'), any::<u8>()], 0..40), scale in 0_u8..18) {
            let _ = (integer(&cell), decimal(&cell, scale), date(&cell), timestamp(&cell), boolean(&cell), is_missing(&cell));
        }

        #[test]
        fn a_decimal_reads_back(value in -999_999_999_i64..999_999_999) {
            let text = format!("{}{}.{:02}", if value < 0 { "-" } else { "" }, value.abs() / 100, value.abs() % 100);
            prop_assert_eq!(decimal(text.as_bytes(), 2), Some((value, false)));
            prop_assert_eq!(decimal_text(value, 2), text);
        }

        #[test]
        fn what_is_shown_of_a_value_reads_back(days in -300_000_i64..2_000_000, micros in 0_i64..86_400_000_000, value: i32, scale in 0_u8..18) {
            prop_assert_eq!(date(date_text(days).as_bytes()).map(i64::from), Some(days));
            let instant = days * 86_400_000_000 + micros;
            prop_assert_eq!(timestamp(timestamp_text(instant).as_bytes()), Some(instant));
            let value = i64::from(value);
            prop_assert_eq!(decimal(decimal_text(value, scale).as_bytes(), scale), Some((value, false)));
        }
    }
}
