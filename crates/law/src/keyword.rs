//! What forms ask beyond JSON Schema: days not before or after one of the pack's, and sums.
//!
//! | Keyword | On | Holds where |
//! |---|---|---|
//! | `formatMinimum` | a day | it is this day or a later one |
//! | `formatExclusiveMaximum` | a day | it is an earlier day |
//! | `sums` | a form | each sum over a list that is filled in comes to what it must |

use chrono::NaiveDate;
use jsonschema::{Keyword, ValidationError, paths::Location};
use serde::Deserialize;
use serde_json::{Map, Value};

type Made<'a> = Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>>;

/// A sum over the entries of a list: of the product of `terms`, divided by `over`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// The field of the list.
    pub of: String,
    /// The figures of an entry that are multiplied.
    pub terms: Vec<String>,
    /// What the sum is divided by; absent: one.
    pub over: Option<f64>,
    /// What it must be: a figure, or the name of the field that states it.
    pub is: Value,
}

impl Sum {
    /// The sum over a form that was filled in; an entry without a figure counts nothing.
    pub fn total(&self, form: &Map<String, Value>) -> f64 {
        let entries = form.get(&self.of).and_then(Value::as_array).into_iter().flatten();
        let figure = |entry: &Value, term: &str| entry.get(term).and_then(Value::as_f64);
        let product = |entry: &Value| {
            let figures = self.terms.iter().map(|term| figure(entry, term));
            figures.fold(1.0, |product, figure| product * figure.unwrap_or(0.0))
        };
        entries.map(product).sum::<f64>() / self.over.unwrap_or(1.0)
    }

    /// What is wrong with the sum itself, if anything.
    fn flaw(&self) -> Option<&'static str> {
        if !(self.is.is_string() || self.is.is_number()) {
            Some("`is` is neither a figure nor a field")
        } else if self.over.is_some_and(|over| over <= 0.0) {
            Some("`over` is not above zero")
        } else {
            None
        }
    }

    /// What it must be; nothing where the field that states it is not filled in.
    fn stated(&self, form: &Map<String, Value>) -> Option<f64> {
        match &self.is {
            Value::String(field) => form.get(field)?.as_f64(),
            figure => figure.as_f64(),
        }
    }
}

/// The sums that a schema asks for.
pub fn sums(schema: &Value) -> Vec<Sum> {
    let sums = schema.get("sums").cloned().unwrap_or_default();
    serde_json::from_value(sums).unwrap_or_default()
}

struct Days {
    day: NaiveDate,
    later: bool,
}

impl Days {
    fn make(value: &Value, later: bool) -> Made<'_> {
        let day = value.as_str().and_then(|day| day.parse().ok());
        let day = day.ok_or_else(|| ValidationError::schema("it is not a day"))?;
        Ok(Box::new(Self { day, later }))
    }
}

impl<'i> Keyword<'i> for Days {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        let asked = if self.later { "not before" } else { "before" };
        Err(ValidationError::custom(format!("{instance} is not {asked} {}", self.day)))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let holds = |day: NaiveDate| if self.later { day >= self.day } else { day < self.day };
        instance.as_str().is_none_or(|text| text.parse().is_ok_and(holds))
    }
}

struct Sums(Vec<Sum>);

impl Sums {
    fn wrong(&self, instance: &Value) -> Option<String> {
        let form = instance.as_object()?;
        self.0.iter().filter(|sum| form.contains_key(&sum.of)).find_map(|sum| {
            let (total, stated) = (sum.total(form), sum.stated(form)?);
            let differs = (total - stated).abs() > 1e-6;
            differs.then(|| {
                format!("`{}` of `{}` comes to {total}, not {stated}", sum.terms.join("·"), sum.of)
            })
        })
    }
}

impl<'i> Keyword<'i> for Sums {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        self.wrong(instance).map_or(Ok(()), |why| Err(ValidationError::custom(why)))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.wrong(instance).is_none()
    }
}

fn make_sums<'a>(_: &'a Map<String, Value>, value: &'a Value, _: Location) -> Made<'a> {
    let sums = Vec::<Sum>::deserialize(value)
        .map_err(|error| ValidationError::schema(error.to_string()))?;
    match sums.iter().find_map(Sum::flaw) {
        None => Ok(Box::new(Sums(sums))),
        Some(flaw) => Err(ValidationError::schema(flaw)),
    }
}

/// The validator of a schema in which these keywords may stand.
pub(crate) fn build(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .with_keyword("formatMinimum", |_, value, _| Days::make(value, true))
        .with_keyword("formatExclusiveMaximum", |_, value, _| Days::make(value, false))
        .with_keyword("sums", make_sums)
        .build(schema)
        .map_err(|error| error.to_string())
}
