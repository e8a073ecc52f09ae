//! Where somebody lives, as coarse as a part of the country.

use arrow::array::{ArrayRef, StringArray};
use serde::{Deserialize, Serialize};

use super::{HIDDEN, column::written};
use crate::MaskingError;

/// A part of the country, the coarsest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A province, autonomous region or city under the state.
    Province,
    /// A prefecture.
    City,
    /// A district, county, banner or city under a prefecture.
    County,
    /// A street, town or township.
    Street,
}

impl Part {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Street => "street office",
        }
    }
}

/// What names of parts end in; the longer before the shorter that it ends in.
const ENDINGS: &[(&str, Part)] = &[
    ("特别行政区", Part::Province),
    ("自治区", Part::Province),
    ("省", Part::Province),
    ("自治州", Part::City),
    ("地区", Part::City),
    ("盟", Part::City),
    ("自治县", Part::County),
    ("自治旗", Part::County),
    ("县", Part::County),
    ("区", Part::County),
    ("旗", Part::County),
    ("街道", Part::Street),
    ("镇", Part::Street),
    ("乡", Part::Street),
];

/// Addresses up to `part`; hidden where no such part is found in them.
pub(super) fn cut(from: &StringArray, part: Part) -> Result<ArrayRef, MaskingError> {
    written(from, 24, |value, out| {
        let kept = kept(value.trim(), part);
        out.extend_from_slice(if kept.is_empty() { HIDDEN } else { kept }.as_bytes());
    })
}

/// The beginning of an address that ends in a part no finer than `finest`. Names come from the
/// coarsest to the finest; what does not, ends it, and so does the first digit.
fn kept(address: &str, finest: Part) -> &str {
    let (mut end, mut begin, mut last) = (0, 0, None);
    for (at, sign) in address.char_indices() {
        if sign.is_numeric() {
            break;
        }
        let after = at + sign.len_utf8();
        let name = address.get(begin..after).unwrap_or_default();
        // A name has a sign before its ending: 区 alone is none, 市区 no county.
        let Some(part) = ending(name, last).filter(|_| name.chars().count() > 1) else { continue };
        if part > finest || last.is_some_and(|last| part <= last) {
            break;
        }
        (end, begin, last) = (after, after, Some(part));
        if part == finest {
            break;
        }
    }
    address.get(..end).unwrap_or_default()
}

fn ending(name: &str, last: Option<Part>) -> Option<Part> {
    if name.ends_with('市') {
        // A city under a prefecture comes after the prefecture.
        return Some(match last {
            Some(Part::City) => Part::County,
            _other => Part::City,
        });
    }
    ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, part)| *part)
}

/// Division codes with all digits but the first `digits` made zero.
pub(super) fn divisions(
    from: &StringArray,
    digits: u8,
    column: &str,
) -> Result<ArrayRef, MaskingError> {
    if !matches!(digits, 2 | 4 | 6) {
        let reason = "a division code is cut to 2, 4 or 6 digits";
        return Err(MaskingError::Parameter { column: column.to_owned(), reason });
    }
    written(from, 6, |value, out| {
        let code = value.trim().as_bytes();
        let is_code = code.len() >= 6 && code.iter().all(u8::is_ascii_digit);
        match code.get(..usize::from(digits)).filter(|_| is_code) {
            Some(kept) => {
                out.extend_from_slice(kept);
                out.extend(std::iter::repeat_n(b'0', 6 - kept.len()));
            }
            None => out.extend_from_slice(HIDDEN.as_bytes()),
        }
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn an_address_is_cut_after_its_part() {
        let check = |address: &str, part: Part, expected: &str| {
            assert_eq!(kept(address, part), expected, "{address}");
        };
        let whole = "甲省乙市丁市戊镇虚构西路18号302室";
        check(whole, Part::Province, "甲省");
        check(whole, Part::City, "甲省乙市");
        check(whole, Part::County, "甲省乙市丁市");
        check(whole, Part::Street, "甲省乙市丁市戊镇");
        check("丙城区虚构路12号1701室", Part::County, "丙城区");
        check("丙城区虚构路12号1701室", Part::City, "");
        check("丙城区虚构路12号1701室", Part::Street, "丙城区");
        check("甲省乙市丙城区虚构路90号东部软件园区", Part::County, "甲省乙市丙城区");
        check("12号楼丙城区", Part::County, "");
        check("甲族自治区己族自治州庚市", Part::County, "甲族自治区己族自治州庚市");
    }

    #[test]
    fn what_is_not_understood_is_hidden() {
        let from = StringArray::from(vec![Some("somewhere 12"), None, Some("丙城区1号")]);
        let it = cut(&from, Part::County).unwrap();
        let it: Vec<Option<&str>> = it.as_string::<i32>().iter().collect();
        assert_eq!(it, [Some(HIDDEN), None, Some("丙城区")]);
        let codes = StringArray::from(vec!["330106", "33010", "no 1234"]);
        let it = divisions(&codes, 4, "division").unwrap();
        let it: Vec<&str> = it.as_string::<i32>().iter().flatten().collect();
        assert_eq!(it, ["330100", HIDDEN, HIDDEN]);
        assert!(divisions(&codes, 3, "division").is_err());
    }
}
