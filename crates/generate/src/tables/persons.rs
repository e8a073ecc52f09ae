//! Residents.

use std::io::{self, Write};

use super::{days_between, later};
use crate::{
    Dataset, DatasetField, Encoding, Flaw, Plan, Title,
    city::{EDUCATIONS, ETHNIC_GROUPS, GIVEN, NUMBERED, STREETS, SURNAMES},
    declaration::{MARK, SYNTHETIC},
    dice::{Dice, Stream},
    person::Person,
    sheet::{Form, Row, Sheet, Yuan},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "persons.csv",
    name: "persons",
    title: Title { zh: "常住人口登记信息", en: "Resident population" },
    provider: "公安局",
    subject_key: Some("id_number"),
    subject_kind: "person",
    level: 3,
    sharing: "conditional",
    opening: "not_opened",
    update_cycle: "monthly",
    fields: &[
        DatasetField::new("id_number", "身份证号", "resident_id", "identifier"),
        DatasetField::new("name", "姓名", "text", "identifier"),
        DatasetField::new("sex", "性别", "text", "dimension"),
        DatasetField::new("born_on", "出生日期", "date", "dimension"),
        DatasetField::new("division", "居住地行政区划代码", "division", "dimension"),
        DatasetField::new("address", "住址", "text", "text"),
        DatasetField::new("mobile", "移动电话", "mobile", "identifier").optional(),
        DatasetField::new("ethnic_group", "民族", "text", "dimension"),
        DatasetField::new("education", "学历", "text", "dimension").optional(),
        DatasetField::yuan("annual_income", "年收入(元)"),
        DatasetField::new("registered_on", "登记日期", "date", "dimension"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form {
    encoding: Encoding::Utf8,
    line_end: "\n",
    flaws: &[
        (Flaw::WrongCheck, "id_number"),
        (Flaw::ImpossibleDate, "born_on"),
        (Flaw::ShortMobile, "mobile"),
        (Flaw::ColumnShifted, "sex"),
        (Flaw::MissingCell, "id_number"),
        (Flaw::WrongType, "annual_income"),
        (Flaw::ImpossibleBirth, "id_number"),
        (Flaw::UnknownDivision, "division"),
        (Flaw::ColumnLost, "born_on"),
        (Flaw::LandLine, "mobile"),
        (Flaw::MissingCell, "division"),
        (Flaw::ColumnAdded, "name"),
    ],
};

pub(super) fn write<W: Write>(plan: &Plan, sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    for number in 0..plan.persons {
        let person = Person::at(plan, number);
        fill(plan, &person, &mut Dice::new(plan.seed, Stream::Household, number), row.clear());
        sheet.row(&row)?;
    }
    Ok(())
}

fn fill(plan: &Plan, person: &Person, dice: &mut Dice, row: &mut Row) {
    let home = person.home;
    row.push(person.id_number())
        .push(format_args!("{}{}{}", dice.pick(&SURNAMES), dice.pick(&GIVEN), dice.pick(&NUMBERED)))
        .push(if person.is_female { "女" } else { "男" })
        .push(person.born)
        .push(home.code)
        .push(format_args!(
            "{}{}{}号{}室",
            home.name,
            dice.pick(&STREETS),
            dice.below(300) + 1,
            (dice.below(18) + 1) * 100 + dice.below(6) + 1
        ));
    if dice.permille(30) {
        row.push("");
    } else {
        row.push(person.mobile());
    }
    let days = days_between(person.born, plan.start);
    let (_, (ethnic_group, _)) = dice.weighted(&ETHNIC_GROUPS, |group| group.1);
    let (_, (education, _)) = dice.weighted(&EDUCATIONS, |education| education.1);
    row.push(ethnic_group)
        .push(match person.age {
            0..6 => "",
            6..18 => "小学",
            _ => education,
        })
        .push(Yuan(person.income_fen))
        .push(later(person.born, dice.below(days)))
        .push(SYNTHETIC);
}
