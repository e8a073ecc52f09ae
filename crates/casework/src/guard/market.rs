//! Guards of products and prices.

use serde_json::Value;
use shuyu_law::Refusal;

use super::Guard;
use crate::rules;

impl Guard<'_> {
    /// What becomes a product has left the domain by the one gate.
    pub(super) fn product_released(&self) -> Result<(), Refusal> {
        let release = self.fact("release", rules::PRODUCT_RELEASED)?;
        match release.get("status").and_then(Value::as_str) {
            Some("released") => Ok(()),
            other => Err(self.refuse(
                rules::PRODUCT_RELEASED,
                format!("the release is {}", other.unwrap_or("not on record")),
            )),
        }
    }

    /// The price is set by the city's method, and a guided price stays below its ceiling.
    pub(super) fn price_method(&self) -> Result<(), Refusal> {
        let rule = rules::PRICE_METHOD;
        let fen = self.case.field("fen").and_then(Value::as_i64);
        let Some(fen) = fen.filter(|fen| *fen >= 0) else {
            return Err(self.refuse(rule, "no price in fen is given"));
        };
        let method = self.parameter("price_method").and_then(|parameter| parameter.text());
        if let Some(method) = method {
            let given = self.case.text("method").unwrap_or_default();
            let free = given == "free" && fen == 0;
            if given != method && !free {
                return Err(self.refuse(rule, format!("`{given}`; the city's is `{method}`")));
            }
        }
        let ceiling = self
            .facts
            .get("guided")
            .and_then(|guided| guided.get("ceiling_fen"))
            .or_else(|| self.case.field("ceiling_fen"))
            .and_then(Value::as_i64);
        match ceiling {
            Some(ceiling) if fen > ceiling => Err(self.refuse(
                rules::PRICE_CEILING,
                format!("{fen} fen is above the ceiling of {ceiling} fen"),
            )),
            _ => Ok(()),
        }
    }
}
