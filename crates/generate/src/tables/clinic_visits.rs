//! Visits to clinics within the year.

use std::io::{self, Write};

use super::later;
use crate::{
    Dataset, DatasetField, Encoding, Flaw, Plan, Title,
    city::{DEPARTMENTS, DIAGNOSES},
    declaration::{MARK, SYNTHETIC},
    dice::{Curve, Dice, Stream},
    person::Person,
    sheet::{Form, Row, Sheet, Yuan},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "clinic_visits.csv",
    name: "clinic_visits",
    title: Title { zh: "门诊就诊信息", en: "Visits to clinics" },
    provider: "卫生健康委员会",
    subject_key: Some("id_number"),
    subject_kind: "person",
    level: 3,
    sharing: "conditional",
    opening: "not_opened",
    update_cycle: "daily",
    fields: &[
        DatasetField::new("visit_number", "就诊流水号", "text", "identifier"),
        DatasetField::new("id_number", "身份证号", "resident_id", "identifier"),
        DatasetField::new("visited_on", "就诊日期", "date", "dimension"),
        DatasetField::new("clinic", "医疗机构代码", "text", "dimension"),
        DatasetField::new("department", "科室", "text", "dimension"),
        DatasetField::new("division", "患者居住地行政区划代码", "division", "dimension"),
        DatasetField::new("diagnosis", "诊断代码", "text", "dimension"),
        DatasetField::new("diagnosis_name", "诊断名称", "text", "dimension"),
        DatasetField::yuan("fee", "费用(元)"),
        DatasetField::new("first_visit", "是否初诊", "boolean", "dimension"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form {
    encoding: Encoding::Utf8,
    line_end: "\n",
    flaws: &[
        (Flaw::WrongCheck, "id_number"),
        (Flaw::ImpossibleDate, "visited_on"),
        (Flaw::WrongType, "fee"),
        (Flaw::MissingCell, "id_number"),
        (Flaw::ColumnShifted, "id_number"),
        (Flaw::ImpossibleBirth, "id_number"),
        (Flaw::ColumnLost, "visited_on"),
        (Flaw::UnknownDivision, "division"),
    ],
};

/// Fen.
const FEES: Curve = Curve(&[
    (50_000, 1_000),
    (500_000, 12_000),
    (800_000, 30_000),
    (950_000, 90_000),
    (1_000_000, 900_000),
]);

/// Visits a year: nearly half have none, a few have many.
const VISITS: Curve =
    Curve(&[(450_000, 0), (450_001, 1), (700_000, 2), (850_000, 3), (980_000, 6), (1_000_000, 20)]);

pub(super) fn write<W: Write>(plan: &Plan, sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    let mut visit = 0_u64;
    for number in 0..plan.persons {
        let mut dice = Dice::new(plan.seed, Stream::Visit, number);
        let visits = dice.along(&VISITS);
        if visits == 0 {
            continue;
        }
        let person = Person::at(plan, number);
        let id = person.id_number();
        for index in 0..visits {
            visit += 1;
            let (_, (code, name, _)) = dice.weighted(&DIAGNOSES, |diagnosis| diagnosis.2);
            row.clear()
                .push(format_args!("V{visit:010}"))
                .push(&id)
                .push(later(plan.start, dice.below(365)))
                .push(format_args!("C{:03}", 1 + dice.skewed_below(40)))
                .push(dice.pick(&DEPARTMENTS))
                .push(person.home.code)
                .push(code)
                .push(name)
                .push(Yuan(dice.along(&FEES)))
                .push(index == 0)
                .push(SYNTHETIC);
            sheet.row(&row)?;
        }
    }
    Ok(())
}
