//! Work in the domain, and the gate.

use serde_json::Value;
use shuyu_enclave::{Grant, Operation, SMALLEST_CELL, Sheet, Submission, rules::NO_RAW_OUTPUT};
use shuyu_kernel::{JobId, ReleaseId, SessionId};
use shuyu_store::ActError;

use super::{Failed, Made, Stage, cast::Member, data::Supplied};

/// How many groups are tried until one is too small.
const TRIED: usize = 4;

/// A name in a query, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How many rows there are of each value.
pub(super) fn counting(chosen: &Supplied) -> String {
    let (table, by) = (quoted(&chosen.spec.name), quoted(chosen.dimension()));
    format!("SELECT {by}, COUNT(*) AS n FROM {table} GROUP BY {by}")
}

/// The values of a column, as its profile has them.
#[derive(Default)]
struct Values {
    distinct: usize,
    /// The most frequent ones that are named, the rarest first.
    known: Vec<(String, u64)>,
}

impl Values {
    fn of(profile: &Value, column: &str) -> Self {
        let columns = profile.pointer("/profile/columns").and_then(Value::as_array);
        let found = columns.into_iter().flatten().find(|it| it["name"] == column);
        let Some(found) = found else { return Self::default() };
        let mut known: Vec<(String, u64)> =
            serde_json::from_value(found["top"].clone()).unwrap_or_default();
        known.sort_by_key(|(_, rows)| *rows);
        let distinct = found["distinct"].as_u64().and_then(|it| usize::try_from(it).ok());
        Self { distinct: distinct.unwrap_or(0), known }
    }

    fn second(profile: &Value, chosen: &Supplied) -> Self {
        chosen.second_dimension().map(|second| Self::of(profile, second)).unwrap_or_default()
    }

    /// Conditions that choose a value of the first column, and one of the second: those first of
    /// which there should be the fewest rows.
    fn small_groups(&self, second: &Self, chosen: &Supplied) -> Vec<String> {
        let mut groups: Vec<(u128, String)> = Vec::new();
        let rows = u128::from(chosen.rows);
        for (value, count) in &self.known {
            let first = is_value(chosen, chosen.dimension(), value);
            groups.push((u128::from(*count) * rows, first.clone()));
            for (other, of_other) in &second.known {
                let other = is_value(chosen, chosen.second_dimension().unwrap_or_default(), other);
                let expected = u128::from(*count) * u128::from(*of_other);
                groups.push((expected, format!("{first} AND {other}")));
            }
        }
        groups.sort();
        groups.into_iter().map(|(_, condition)| condition).take(TRIED).collect()
    }
}

fn is_value(chosen: &Supplied, column: &str, value: &str) -> String {
    let field = chosen.spec.fields.iter().find(|field| field.name == column);
    let literal = match field {
        Some(field) if !field.kind.is_text() => value.to_owned(),
        _ => format!("'{}'", value.replace('\'', "''")),
    };
    format!("{} = {literal}", quoted(column))
}

impl Stage {
    pub(super) async fn work(
        &mut self,
        made: &Made,
        chosen: &Supplied,
    ) -> Result<SessionId, Failed> {
        let analyst = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let table = quoted(&chosen.spec.name);
        let by = quoted(chosen.dimension());
        let session = self.app.open_session(&analyst.actor, made.grant, Operation::Develop).await?;
        let sample = self.app.sample(&analyst.actor, session, &chosen.spec.name).await?;
        let what = format!("sees a desensitised sample of {} rows", sample.rows.len());
        self.told(&analyst.name, &what).await?;
        self.app.close_session(&analyst.actor, session).await?;

        let session = self.app.open_session(&analyst.actor, made.grant, Operation::Ask).await?;
        let counting = counting(chosen);
        let sheet = self.app.ask(&analyst.actor, session, &counting).await?;
        self.told(&analyst.name, &format!("asks: {counting}")).await?;
        self.show.note(&first_rows(&sheet));
        let mut attempts = vec![
            format!("SELECT * FROM {table}"),
            "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
            "SELECT * FROM '/etc/passwd'".to_owned(),
            format!("SELECT {by} FROM {table} ORDER BY {by} LIMIT 1"),
        ];
        if let Some(column) = chosen.ungranted() {
            let column = quoted(column);
            attempts.push(format!("SELECT {column}, COUNT(*) FROM {table} GROUP BY {column}"));
        }
        for attempt in attempts {
            let asked = self.app.ask(&analyst.actor, session, &attempt).await;
            self.expect_refusal(&analyst.name, &attempt, asked.map(drop)).await?;
        }
        self.small_groups(&analyst, session, made, chosen, &sheet).await?;
        Ok(session)
    }

    /// What rests on fewer subjects than the threshold is not shown: neither of an answer, nor
    /// where it is asked for by itself, nor by way of what was answered before.
    async fn small_groups(
        &mut self,
        analyst: &Member,
        session: SessionId,
        made: &Made,
        chosen: &Supplied,
        answered: &Sheet,
    ) -> Result<(), Failed> {
        let found = self.app.desk().find::<Grant>(made.grant).await?;
        let (_, grant) = found.ok_or("there is no grant")?;
        let kind = grant.item(&chosen.spec.name).and_then(|item| item.subject_kind);
        let (least, whom) = match kind {
            Some(kind) => (grant.thresholds.of(kind), "subjects"),
            None => (SMALLEST_CELL, "rows"),
        };
        // Whose data they are knows what the analyst may not see.
        let provider = self.cast.provider(&chosen.spec.provider)?.clone();
        let profile = self.app.profile(&provider.actor, chosen.resource).await?;
        let values = Values::of(&profile, chosen.dimension());
        let by = chosen.dimension();
        let what = format!("reads the profile: {} values of `{by}`", values.distinct);
        self.told(&provider.name, &what).await?;
        let is_named = |row: &&Vec<Option<String>>| row.first().is_some_and(Option::is_some);
        let shown = answered.rows.iter().filter(is_named).count();
        let withheld = values.distinct.saturating_sub(shown);
        let why = format!("fewer than {least} {whom} are behind each of the others");
        if withheld > 0 {
            let of = values.distinct;
            let why = format!("{shown} of {of} values are shown, {withheld} not: {why}");
            self.withheld(&analyst.name, "looks at the answer", &why).await?;
        } else {
            self.show.note(&format!("all {shown} values are shown: at least {least} {whom} each"));
        }

        let table = quoted(&chosen.spec.name);
        if let Some(second) = chosen.second_dimension() {
            let (by, second) = (quoted(by), quoted(second));
            let fine = format!(
                "SELECT {by}, {second}, COUNT(*) AS n FROM {table} GROUP BY {by}, {second}"
            );
            match self.app.ask(&analyst.actor, session, &fine).await {
                Ok(sheet) => {
                    let shown = sheet.rows.len();
                    let why = format!("{shown} cells are shown; {why}, if there are any");
                    self.withheld(&analyst.name, &format!("asks: {fine}"), &why).await?;
                }
                Err(error) => self.expect_refusal(&analyst.name, &fine, Err(error)).await?,
            }
        }
        for condition in values.small_groups(&Values::second(&profile, chosen), chosen) {
            let asking = format!("SELECT COUNT(*) AS n FROM {table} WHERE {condition}");
            match self.app.ask(&analyst.actor, session, &asking).await {
                Ok(sheet) if sheet.rows.is_empty() => {
                    let why =
                        format!("0 of 1 cell is shown: fewer than {least} {whom} are behind it");
                    return self.withheld(&analyst.name, &format!("asks: {asking}"), &why).await;
                }
                Ok(_) => self.told(&analyst.name, &format!("asks: {asking}")).await?,
                Err(error) => self.expect_refusal(&analyst.name, &asking, Err(error)).await?,
            }
        }
        self.show.note(&format!("no group of fewer than {least} {whom} was found in these data"));
        Ok(())
    }

    /// Something was not shown, by the rule of the threshold.
    async fn withheld(&mut self, who: &str, what: &str, why: &str) -> Result<(), Failed> {
        let rule = self.app.law().rules.get(NO_RAW_OUTPUT.name());
        let clauses = rule.map(|rule| rule.clauses.clone()).unwrap_or_default();
        self.show.denied(&self.app, ("withheld", who, what), why, &clauses).await
    }

    /// What must be refused was refused, or the run ends.
    pub(super) async fn expect_refusal(
        &mut self,
        who: &str,
        what: &str,
        outcome: Result<(), ActError>,
    ) -> Result<(), Failed> {
        match outcome {
            Err(error @ ActError::Refused(_)) => {
                let (why, clauses) = Self::why(&error);
                self.show.denied(&self.app, ("refused", who, what), &why, &clauses).await
            }
            Err(error) => Err(error.into()),
            Ok(()) => Err(format!("this should have been refused: {what}").into()),
        }
    }

    pub(super) async fn produce(
        &mut self,
        made: &Made,
        chosen: &Supplied,
    ) -> Result<JobId, Failed> {
        let author = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let (table, by) = (quoted(&chosen.spec.name), quoted(chosen.dimension()));
        let mut figures = "COUNT(*) AS records".to_owned();
        if let Some(measure) = chosen.measure() {
            let measure = quoted(measure);
            figures = format!("{figures}, AVG({measure}) AS mean");
        }
        let sql = format!("SELECT {by}, {figures} FROM {table} GROUP BY {by} ORDER BY {by}");
        let raw = format!("SELECT * FROM {table}");
        let refused = self
            .app
            .submit_job(&author.actor, made.grant, &Submission::sql(raw.as_str(), "a copy"))
            .await;
        self.expect_refusal(&author.name, &format!("a job: {raw}"), refused.map(drop)).await?;
        let purpose = "figures by area for planning";
        let id = self
            .app
            .submit_job(&author.actor, made.grant, &Submission::sql(sql.clone(), purpose))
            .await?;
        let job = self.app.run_job(&author.actor, id).await?;
        let what = format!(
            "runs a job frozen as {} on the full data; its output lies in quarantine: {sql}",
            job.frozen.short()
        );
        self.told(&author.name, &what).await?;
        Ok(id)
    }

    pub(super) async fn release(&mut self, job: JobId) -> Result<ReleaseId, Failed> {
        let author = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let purpose = "figures by area for planning";
        let id = self.app.request_release(&author.actor, job, purpose, "data_package").await?;
        self.told(&author.name, "asks for the release of the output").await?;
        let release = self.app.release(id).await?;
        for finding in &release.proposal.record.findings {
            self.show
                .note(&format!("{}: {:?} ({})", finding.check, finding.verdict, finding.reason));
        }
        let early = self.app.read_released(&author.actor, id).await.map(drop);
        self.expect_refusal(&author.name, "reads the output before its review", early).await?;
        let content = release.proposal.hash();
        let own = self.app.approve_release(&author.actor, id, content).await.map(drop);
        self.expect_refusal(&author.name, "approves their own release", own).await?;
        let authority =
            if self.cast.holder("implementer").is_ok() { "implementer" } else { "authority" };
        let reviewers: Vec<_> = self
            .cast
            .holders(authority)
            .filter(|it| it.actor.organisation != self.cast.operator)
            .take(release.needed as usize)
            .cloned()
            .collect();
        for reviewer in reviewers {
            self.app.approve_release(&reviewer.actor, id, content).await?;
            let what = format!("approves the content {}", content.short());
            self.told(&reviewer.name, &what).await?;
        }
        let bytes = self.app.read_released(&author.actor, id).await?;
        let text = String::from_utf8_lossy(&bytes);
        let first: Vec<&str> = text.lines().take(4).collect();
        self.show.note(&format!("released: {} bytes\n{}", bytes.len(), first.join("\n")));
        Ok(id)
    }
}

fn first_rows(sheet: &Sheet) -> String {
    let mut lines = vec![sheet.columns.join("  ")];
    for row in sheet.rows.iter().take(4) {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect();
        lines.push(cells.join("  "));
    }
    if sheet.rows.len() > 4 {
        lines.push(format!("… {} rows", sheet.rows.len()));
    }
    lines.join("\n")
}
