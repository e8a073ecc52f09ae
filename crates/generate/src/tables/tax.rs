//! Taxes of enterprises: two kinds, four quarters.

use std::io::{self, Write};

use super::{later, quarters};
use crate::{
    Dataset, DatasetField, Encoding, Flaw, Plan, Title,
    declaration::{MARK, SYNTHETIC},
    dice::{Curve, Dice, Stream},
    enterprise::{DOMINANT, Enterprise, enterprises},
    sheet::{Form, Row, Sheet, Yuan},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "tax.csv",
    name: "tax",
    title: Title { zh: "企业纳税信息", en: "Taxes of enterprises" },
    provider: "税务局",
    subject_key: Some("credit_code"),
    subject_kind: "enterprise",
    level: 3,
    sharing: "conditional",
    opening: "not_opened",
    update_cycle: "quarterly",
    fields: &[
        DatasetField::new("credit_code", "统一社会信用代码", "credit_code", "identifier"),
        DatasetField::new("quarter_from", "所属季度首日", "date", "dimension"),
        DatasetField::new("tax_kind", "税种", "text", "dimension"),
        DatasetField::new("industry", "行业代码", "text", "dimension"),
        DatasetField::new("division", "主管税务机关行政区划代码", "division", "dimension"),
        DatasetField::yuan("amount", "实缴税额(元)"),
        DatasetField::new("filed_at", "申报时间", "timestamp", "dimension"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form {
    encoding: Encoding::Utf8,
    line_end: "\n",
    flaws: &[
        (Flaw::WrongCheck, "credit_code"),
        (Flaw::WrongType, "amount"),
        (Flaw::MissingCell, "credit_code"),
        (Flaw::ImpossibleDate, "quarter_from"),
        (Flaw::ColumnShifted, "quarter_from"),
        (Flaw::UnknownDivision, "division"),
    ],
};

/// Fen a quarter: Pareto.
const AMOUNTS: Curve = Curve(&[
    (1, 200_000),
    (250_000, 254_182),
    (500_000, 356_359),
    (750_000, 634_960),
    (900_000, 1_362_584),
    (950_000, 2_427_849),
    (990_000, 9_283_178),
    (999_000, 63_245_553),
    (1_000_000, 430_886_938),
]);

pub(super) fn write<W: Write>(plan: &Plan, sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    let quarters = quarters(plan);
    // Its industry has a twentieth of the enterprises; so it pays some five sixths of the tax.
    let dominant = AMOUNTS.mean() * (enterprises(plan) / 4).max(100);
    for number in 0..enterprises(plan) {
        let enterprise = Enterprise::at(plan, number);
        let code = enterprise.credit_code();
        let mut dice = Dice::new(plan.seed, Stream::Tax, number);
        let yearly = if number == DOMINANT { dominant } else { dice.along(&AMOUNTS) };
        for quarter in quarters {
            for (kind, share) in [("增值税", 70), ("企业所得税", 30)] {
                // Between 80 and 120 of 100.
                let amount = yearly * share * (80 + dice.below(41)) / 10_000;
                let second = dice.below(28_800);
                row.clear()
                    .push(&code)
                    .push(quarter)
                    .push(kind)
                    .push(enterprise.industry.0)
                    .push(enterprise.home.code)
                    .push(Yuan(amount))
                    .push(format_args!(
                        "{} {:02}:{:02}:{:02}",
                        later(quarter, 91 + dice.below(15)),
                        9 + second / 3600,
                        second / 60 % 60,
                        second % 60
                    ))
                    .push(SYNTHETIC);
                sheet.row(&row)?;
            }
        }
    }
    Ok(())
}
