//! Names of persons.

use arrow::array::{ArrayRef, StringArray};

use super::column::written;
use crate::{MaskingError, Tokens, key::Draws};

/// Common surnames; each stands for millions, so none tells anything.
const SURNAMES: &[char] = &[
    '王', '李', '张', '刘', '陈', '杨', '黄', '赵', '吴', '周', '徐', '孙', '马', '朱', '胡', '郭',
    '何', '高', '林', '郑', '谢', '罗', '梁', '宋', '唐', '许', '韩', '冯', '邓', '曹', '彭', '曾',
];

/// Signs that are common in given names of women and of men.
const GIVEN: &[char] = &[
    '文', '华', '明', '平', '国', '志', '玉', '建', '春', '海', '金', '永', '红', '云', '林', '清',
    '晓', '荣', '新', '光', '安', '宁', '成', '庆', '世', '家', '立', '兴', '思', '一', '雨', '子',
    '嘉', '宇', '佳', '欣', '天', '瑞', '德', '学', '良', '和', '正', '东', '方', '向', '青', '乐',
    '如', '景', '元', '中', '振', '传', '书', '仁', '义', '英', '秋', '月', '星', '辰', '博', '雅',
];

/// Surnames of two signs that are still common.
const DOUBLE: &[&str] = &[
    "欧阳", "上官", "司马", "诸葛", "司徒", "东方", "令狐", "皇甫", "尉迟", "公孙", "慕容", "长孙",
    "宇文", "夏侯", "轩辕", "端木", "百里", "呼延", "南宫", "申屠",
];

/// What stands for each sign of a hidden given name.
const SOMEBODY: char = '某';

/// Names of the same length and form. Equal names have equal substitutes.
pub(super) fn substitutes(from: &StringArray, tokens: &Tokens) -> Result<ArrayRef, MaskingError> {
    written(from, 12, |value, out| {
        let mut draws = tokens.of(value.trim().as_bytes()).draws();
        for (position, sign) in value.trim().chars().enumerate() {
            push(substitute(position, sign, &mut draws), out);
        }
    })
}

/// The surname, and 某 for each further sign; of a name in letters the first one alone.
pub(super) fn surnames(from: &StringArray) -> Result<ArrayRef, MaskingError> {
    written(from, 12, |value, out| {
        let name = value.trim();
        let shown = match DOUBLE.iter().find(|double| name.starts_with(**double)) {
            // A whole name is never shown, so 东方 is 东 and a given name.
            Some(_) if name.chars().count() > 2 => 2,
            _other => usize::from(name.chars().count() > 1),
        };
        for (position, sign) in name.chars().enumerate() {
            match sign {
                _ if position < shown => push(sign, out),
                ' ' | '·' => push(sign, out),
                _ => push(SOMEBODY, out),
            }
        }
    })
}

fn substitute(position: usize, sign: char, draws: &mut Draws) -> char {
    let letter = |first: u8, drawn: u64| char::from(first + u8::try_from(drawn).unwrap_or(0));
    match sign {
        'a'..='z' => letter(b'a', draws.below(26)),
        'A'..='Z' => letter(b'A', draws.below(26)),
        '0'..='9' => letter(b'0', draws.below(10)),
        ' ' | '·' | '-' | '.' | '\'' => sign,
        _ if position == 0 => drawn(SURNAMES, draws),
        _ => drawn(GIVEN, draws),
    }
}

fn drawn(signs: &[char], draws: &mut Draws) -> char {
    let at = usize::try_from(draws.below(signs.len() as u64)).unwrap_or(0);
    signs.get(at).copied().unwrap_or(SOMEBODY)
}

fn push(sign: char, out: &mut Vec<u8>) {
    out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;
    use crate::{Kind, MaskingKey, Scope};

    fn texts(array: &ArrayRef) -> Vec<&str> {
        array.as_string::<i32>().iter().map(Option::unwrap).collect()
    }

    #[test]
    fn a_substitute_has_the_form_of_the_name_and_is_another() {
        let key = MaskingKey::derive(b"s", Scope { agreement: "a", family: "f" });
        let names = ["欧阳样一", "王芳", "买买提·艾力", "Anna Li", "王芳"];
        let it = substitutes(&StringArray::from(names.to_vec()), &key.tokens(Kind::Name)).unwrap();
        let it = texts(&it);
        for (name, other) in names.iter().zip(&it) {
            assert_ne!(name, other);
            assert_eq!(name.chars().count(), other.chars().count());
            for (sign, its) in name.chars().zip(other.chars()) {
                assert_eq!(sign.is_ascii(), its.is_ascii(), "{name} {other}");
                assert_eq!(sign == '·' || sign == ' ', its == '·' || its == ' ');
            }
        }
        assert_eq!(it[1], it[4]);
    }

    #[test]
    fn of_a_name_the_surname_alone_is_kept() {
        let names = vec!["欧阳样一", "王芳", "东方", "芳", "Anna Li"];
        let it = surnames(&StringArray::from(names)).unwrap();
        assert_eq!(texts(&it), ["欧阳某某", "王某", "东某", "某", "A某某某 某某"]);
    }
}
