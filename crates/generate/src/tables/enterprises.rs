//! Enterprises.

use std::io::{self, Write};

use super::earlier;
use crate::{
    Dataset, DatasetField, Encoding, Flaw, Plan, Title,
    declaration::{MARK, SYNTHETIC},
    dice::{Curve, Dice, Stream},
    enterprise::{Enterprise, enterprises},
    sheet::{Form, Row, Sheet, Yuan},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "enterprises.csv",
    name: "enterprises",
    title: Title { zh: "企业登记信息", en: "Registered enterprises" },
    provider: "市场监督管理局",
    subject_key: Some("credit_code"),
    subject_kind: "enterprise",
    level: 2,
    sharing: "unconditional",
    opening: "conditional",
    update_cycle: "daily",
    fields: &[
        DatasetField::new("credit_code", "统一社会信用代码", "credit_code", "identifier"),
        DatasetField::new("name", "企业名称", "text", "identifier"),
        DatasetField::new("registration_number", "注册号", "registration_number", "identifier")
            .optional(),
        DatasetField::new("registered_on", "成立日期", "date", "dimension"),
        DatasetField::new("industry", "行业代码", "text", "dimension"),
        DatasetField::new("industry_name", "行业名称", "text", "dimension"),
        DatasetField::new("division", "所在地行政区划代码", "division", "dimension"),
        DatasetField::yuan("registered_capital", "注册资本(元)"),
        DatasetField::new("employees", "从业人数", "integer", "measure"),
        DatasetField::new("scope", "经营范围", "text", "text"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form {
    encoding: Encoding::Gbk,
    line_end: "\n",
    flaws: &[
        (Flaw::WrongCheck, "credit_code"),
        (Flaw::ImpossibleDate, "registered_on"),
        (Flaw::WrongType, "employees"),
        (Flaw::ColumnShifted, "name"),
        (Flaw::WrongCheck, "registration_number"),
        (Flaw::MissingCell, "credit_code"),
        (Flaw::ColumnLost, "industry"),
        (Flaw::UnknownDivision, "division"),
        (Flaw::WrongType, "registered_capital"),
    ],
};

/// Fen.
const CAPITAL: Curve = Curve(&[
    (100_000, 1_000_000),
    (500_000, 50_000_000),
    (800_000, 200_000_000),
    (950_000, 1_000_000_000),
    (1_000_000, 50_000_000_000),
]);

const EMPLOYEES: Curve =
    Curve(&[(300_000, 3), (600_000, 8), (850_000, 30), (970_000, 150), (1_000_000, 3000)]);

pub(super) fn write<W: Write>(plan: &Plan, sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    for number in 0..enterprises(plan) {
        let enterprise = Enterprise::at(plan, number);
        fill(plan, &enterprise, &mut Dice::new(plan.seed, Stream::Register, number), row.clear());
        sheet.row(&row)?;
    }
    Ok(())
}

fn fill(plan: &Plan, enterprise: &Enterprise, dice: &mut Dice, row: &mut Row) {
    let (industry, industry_name, _) = enterprise.industry;
    row.push(enterprise.credit_code()).push(enterprise.name());
    if dice.permille(400) {
        row.push("");
    } else {
        row.push(enterprise.registration_number());
    }
    let founded = earlier(plan.start, 1 + dice.below(25 * 365));
    row.push(founded)
        .push(industry)
        .push(industry_name)
        .push(enterprise.home.code)
        .push(Yuan(dice.along(&CAPITAL)))
        .push(1 + dice.along(&EMPLOYEES));
    // As in real registers: commas, quotation marks and line breaks within one cell.
    match dice.below(20) {
        0 => row.push(format_args!(
            "许可项目:{industry_name};\n一般项目:样例服务,仿真咨询。\n(以\"虚构\"执照为准)"
        )),
        1 => row.push(format_args!("{industry_name},样例服务")),
        _ => row.push(industry_name),
    };
    row.push(SYNTHETIC);
}
