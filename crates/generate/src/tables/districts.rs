//! The districts of the city: the code table that the others refer to.

use std::io::{self, Write};

use crate::{
    Dataset, DatasetField, Encoding, Title,
    city::DISTRICTS,
    declaration::{MARK, SYNTHETIC},
    sheet::{Form, Row, Sheet},
};

pub(super) const DATASET: Dataset = Dataset {
    file: "districts.csv",
    name: "districts",
    title: Title { zh: "行政区划代码", en: "Districts" },
    provider: "民政局",
    subject_key: None,
    subject_kind: "none",
    level: 1,
    sharing: "unconditional",
    opening: "unconditional",
    update_cycle: "yearly",
    fields: &[
        DatasetField::new("division", "行政区划代码", "division", "dimension"),
        DatasetField::new("name", "名称", "text", "dimension"),
        DatasetField::new("area_km2", "面积(平方公里)", "integer", "measure"),
        MARK,
    ],
};

pub(super) const FORM: Form = Form { encoding: Encoding::Utf8, line_end: "\n", flaws: &[] };

pub(super) fn write<W: Write>(sheet: &mut Sheet<'_, W>) -> io::Result<()> {
    let mut row = Row::default();
    for district in &DISTRICTS {
        row.clear().push(district.code).push(district.name).push(district.area_km2).push(SYNTHETIC);
        sheet.row(&row)?;
    }
    Ok(())
}
