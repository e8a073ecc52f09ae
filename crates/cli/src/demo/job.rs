//! Work in the domain, and the gate.

use shuyu_enclave::{Operation, Sheet};
use shuyu_kernel::{JobId, ReleaseId, SessionId};
use shuyu_store::ActError;

use super::{Failed, Made, Stage, data::Supplied};

/// A name in a query, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
        self.show.did(&analyst.name, &what, &[], None);
        self.app.close_session(&analyst.actor, session).await?;

        let session = self.app.open_session(&analyst.actor, made.grant, Operation::Ask).await?;
        let counting = format!("SELECT {by}, COUNT(*) AS n FROM {table} GROUP BY {by}");
        let sheet = self.app.ask(&analyst.actor, session, &counting).await?;
        self.show.did(&analyst.name, &format!("asks: {counting}"), &[], None);
        self.show.note(&first_rows(&sheet));
        let mut attempts = vec![
            format!("SELECT * FROM {table}"),
            "SELECT * FROM '/etc/passwd'".to_owned(),
            format!("SELECT {by} FROM {table} ORDER BY {by} LIMIT 1"),
        ];
        if let Some(column) = chosen.ungranted() {
            let column = quoted(column);
            attempts.push(format!("SELECT {column}, COUNT(*) FROM {table} GROUP BY {column}"));
        }
        for attempt in attempts {
            self.expect_refusal(&analyst.name, &attempt, {
                self.app.ask(&analyst.actor, session, &attempt).await.map(drop)
            })?;
        }
        if let Some(second) = chosen.second_dimension() {
            let second = quoted(second);
            let fine = format!(
                "SELECT {by}, {second}, COUNT(*) AS n FROM {table} GROUP BY {by}, {second}"
            );
            let asked = self.app.ask(&analyst.actor, session, &fine).await;
            match asked {
                Ok(sheet) => {
                    self.show.did(&analyst.name, &format!("asks: {fine}"), &[], None);
                    self.show.note(&format!(
                        "{} cells are shown; those of too few subjects are not",
                        sheet.rows.len()
                    ));
                }
                Err(error) => {
                    let (why, clauses) = Self::why(&error);
                    self.show.refused(&analyst.name, &fine, &why, &clauses);
                }
            }
        }
        Ok(session)
    }

    /// What must be refused was refused, or the run ends.
    pub(super) fn expect_refusal(
        &mut self,
        who: &str,
        what: &str,
        outcome: Result<(), ActError>,
    ) -> Result<(), Failed> {
        match outcome {
            Err(error @ ActError::Refused(_)) => {
                let (why, clauses) = Self::why(&error);
                self.show.refused(who, what, &why, &clauses);
                Ok(())
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
        let refused = self.app.submit_job(&author.actor, made.grant, &raw, "a copy").await;
        self.expect_refusal(&author.name, &format!("a job: {raw}"), refused.map(drop))?;
        let purpose = "figures by area for planning";
        let id = self.app.submit_job(&author.actor, made.grant, &sql, purpose).await?;
        let job = self.app.run_job(&author.actor, id).await?;
        let what = format!(
            "runs a job frozen as {} on the full data; its output lies in quarantine: {sql}",
            job.frozen.short()
        );
        self.show.did(&author.name, &what, &[], None);
        Ok(id)
    }

    pub(super) async fn release(&mut self, job: JobId) -> Result<ReleaseId, Failed> {
        let author = self.cast.operators().next().ok_or("the operator has nobody")?.clone();
        let purpose = "figures by area for planning";
        let id = self.app.request_release(&author.actor, job, purpose, "data_package").await?;
        let release = self.app.release(id).await?;
        for finding in &release.proposal.record.findings {
            self.show
                .note(&format!("{}: {:?} ({})", finding.check, finding.verdict, finding.reason));
        }
        self.show.did(&author.name, "asks for the release of the output", &[], None);
        let early = self.app.read_released(&author.actor, id).await.map(drop);
        self.expect_refusal(&author.name, "reads the output before its review", early)?;
        let content = release.proposal.hash();
        let own = self.app.approve_release(&author.actor, id, content).await.map(drop);
        self.expect_refusal(&author.name, "approves their own release", own)?;
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
            let release = self.app.approve_release(&reviewer.actor, id, content).await?;
            let clauses =
                self.app.law().refuse(shuyu_enclave::rules::REVIEWER_INDEPENDENT, &[]).clauses;
            let what = format!("approves the content {}", content.short());
            self.show.did(&reviewer.name, &what, &clauses, None);
            let _ = release;
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
