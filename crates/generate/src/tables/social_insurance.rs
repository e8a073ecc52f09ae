//! Contributions to social insurance: four quarters of every employee.

use std::io::{self, Write};

use super::quarters;
use crate::{
    Dataset, DatasetField, Encoding, Flaw, Plan, Title,
    declaration::{MARK, SYNTHETIC},
    dice::{Dice, Stream},
    enterprise::Enterprise,
    person::Person,
    sheet::{Form, Row, Sheet, Yuan},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "social_insurance.csv",
    name: "social_insurance",
    title: Title { zh: "社会保险缴费信息", en: "Social insurance contributions" },
    provider: "人力资源和社会保障局",
    subject_key: Some("id_number"),
    subject_kind: "person",
    level: 3,
    sharing: "conditional",
    opening: "not_opened",
    update_cycle: "quarterly",
    fields: &[
        DatasetField::new("id_number", "身份证号", "resident_id", "identifier"),
        DatasetField::new("credit_code", "缴费单位统一社会信用代码", "credit_code", "identifier"),
        DatasetField::new("quarter_from", "缴费季度首日", "date", "dimension"),
        DatasetField::new("months", "缴费月数", "integer", "measure"),
        DatasetField::yuan("base", "月缴费基数(元)"),
        DatasetField::yuan("pension", "养老保险缴费(元)"),
        DatasetField::yuan("medical", "医疗保险缴费(元)"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form {
    encoding: Encoding::Utf8Bom,
    line_end: "\r\n",
    flaws: &[
        (Flaw::WrongCheck, "id_number"),
        (Flaw::WrongType, "base"),
        (Flaw::ImpossibleDate, "quarter_from"),
        (Flaw::MissingCell, "pension"),
        (Flaw::ColumnShifted, "credit_code"),
        (Flaw::WrongCheck, "credit_code"),
        (Flaw::ImpossibleBirth, "id_number"),
        (Flaw::ColumnAdded, "months"),
    ],
};

/// What a month's wage may count for at the least and at the most, in fen.
const BASE: std::ops::RangeInclusive<u64> = 400_000..=2_400_000;

pub(super) fn write<W: Write>(plan: &Plan, sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    let quarters = quarters(plan);
    for number in 0..plan.persons {
        let person = Person::at(plan, number);
        let Some(employer) = person.employer else { continue };
        let (id, code) = (person.id_number(), Enterprise::at(plan, employer).credit_code());
        let base = (person.income_fen / 12).clamp(*BASE.start(), *BASE.end());
        let mut dice = Dice::new(plan.seed, Stream::Insurance, number);
        for quarter in quarters {
            let months = if dice.permille(60) { 1 + dice.below(2) } else { 3 };
            row.clear()
                .push(&id)
                .push(&code)
                .push(quarter)
                .push(months)
                .push(Yuan(base))
                .push(Yuan(base * months * 24 / 100))
                .push(Yuan(base * months * 9 / 100))
                .push(SYNTHETIC);
            sheet.row(&row)?;
        }
    }
    Ok(())
}
