//! What a charge means, for people.

use serde::{Deserialize, Serialize};

use crate::{Cost, PrivacyError};

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// The chance of failure at which a cost is explained.
const DELTA: f64 = 1e-9;

/// How sure somebody can become who thought it as likely as not, in percent, rounded up.
///
/// Odds change by `e^ε` at most, so an even chance becomes `e^ε / (1 + e^ε)`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage between 50 and 100"
)]
fn surest_percent(epsilon: f64) -> u32 {
    (100.0 / (1.0 + (-epsilon).exp())).ceil() as u32
}

/// Says what an answer of this cost, and all that the account allows, can tell of one subject.
///
/// # Errors
///
/// [`PrivacyError::Mechanism`] if the library cannot convert the cost.
pub fn explain(cost: Cost, limit: Cost) -> Result<Words, PrivacyError> {
    let one = surest_percent(cost.guarantee(DELTA)?.epsilon);
    let all = surest_percent(limit.guarantee(DELTA)?.epsilon);
    let thousandths = thousandths_up(cost, limit);
    let share = format!("{}.{}", thousandths / 10, thousandths % 10);
    Ok(Words {
        en: format!(
            "Noise hides each one of the people in the data. Somebody who holds something about one of them \
             for as likely as not (50%) can with this answer come to hold it for at most {one}% likely, and with all \
             answers of the period together, to whomever, for at most {all}%. The answer uses {share}% \
             of the period's account. It stays used, even if the answer is cancelled or fails; the same \
             question again gets the same answer and uses nothing."
        ),
        zh: format!(
            "结果已加入噪声，遮蔽每一个体。某人对数据中任一个体的某项猜测若原有一半把握（50%），\
             凭本次结果至多升至{one}%；凭本期内给任何人的全部结果合并，至多升至{all}%。\
             本次占用本期额度的{share}%。一经占用不予退还，取消或失败亦然；同一问题再次提出，所得结果相同，不再占用。"
        ),
    })
}

/// The share of a limit in thousandths, rounded up.
fn thousandths_up(cost: Cost, limit: Cost) -> u64 {
    let share =
        |part: u64, whole: u64| (u128::from(part) * 1_000).div_ceil(u128::from(whole).max(1));
    let most = share(cost.rho_nano, limit.rho_nano).max(share(cost.delta_atto, limit.delta_atto));
    u64::try_from(most).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guarantee;

    #[test]
    fn an_even_chance_becomes_what_the_odds_say() {
        // e^1 / (1 + e^1) = 0.7311
        for (epsilon, percent) in [(0.0, 50), (0.01, 51), (1.0, 74), (2.0, 89), (20.0, 100)] {
            assert_eq!(surest_percent(epsilon), percent);
        }
    }

    #[test]
    fn the_words_give_the_answers_part_and_the_whole() {
        let limit = Cost::within(Guarantee { epsilon: 1.0, delta: 2e-9 }).unwrap();
        let words = explain(limit.thousandths(10), limit).unwrap();
        for text in [&words.en, &words.zh] {
            assert!(
                text.contains("53%") && text.contains("74%") && text.contains("1.0%"),
                "{text}"
            );
        }
    }
}
