//! `shuyu law`: what the packs say, and how far it is kept.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shuyu_law::{ClauseId, CoverageFilter, Packs, Proof, check};

use crate::{Done, Outcome, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Law {
    /// Check packs for unknown names, unreachable stages and dangling references.
    Check(Check),
    /// Count the clauses that are proved, bound and open.
    Coverage(Coverage),
    /// Explain a clause: what it says, by which figures, what enforces and proves it.
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct From {
    /// A folder of packs; absent: those built in.
    #[arg(long)]
    packs: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Args)]
pub(crate) struct Coverage {
    #[command(flatten)]
    from: From,
    /// Only this city's pack.
    #[arg(long)]
    city: Option<String>,
    /// Only clauses of this area, such as `agreement`.
    #[arg(long)]
    area: Option<String>,
    /// List the clauses that are open, with the reason.
    #[arg(long)]
    open: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The id of the clause, such as `baseline/4`.
    clause: String,
    #[command(flatten)]
    from: From,
}

impl From {
    fn packs(&self) -> Result<Packs, shuyu_law::PackError> {
        match &self.packs {
            Some(folder) => Packs::read(folder),
            None => Ok(Packs::embedded()),
        }
    }
}

impl Law {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::Check(it) => it.run(),
            Self::Coverage(it) => it.run(),
            Self::Explain(it) => it.run(),
        }
    }
}

impl Check {
    fn run(self) -> Outcome {
        let packs = self.from.packs()?;
        let findings = check(&packs, &shuyu_server::vocabulary());
        if self.from.json {
            output::json(&findings)?;
        } else {
            for finding in &findings {
                println!("{finding}");
            }
            let names: Vec<&str> = packs.names().collect();
            println!(
                "{} packs checked ({}): {} findings",
                names.len(),
                names.join(", "),
                findings.len()
            );
        }
        Ok(if findings.is_empty() { Done::Well } else { Done::Found })
    }
}

impl Coverage {
    fn run(self) -> Outcome {
        let packs = self.from.packs()?;
        if let Some(city) = &self.city {
            packs.files(city)?;
        }
        let filter = CoverageFilter {
            pack: self.city.clone(),
            area: self.area.clone(),
            ..CoverageFilter::default()
        };
        let coverage = packs.coverage(&filter)?;
        if self.from.json {
            output::json(&coverage)?;
            return Ok(Done::Well);
        }
        let mut table = output::table(["pack", "kind", "proved", "bound", "open", "all"]);
        let mut row = |pack: &str, kind: &str, tally: shuyu_law::Tally| {
            table.add_row([
                pack.to_owned(),
                kind.to_owned(),
                tally.proved.to_string(),
                tally.bound.to_string(),
                tally.open.to_string(),
                tally.total().to_string(),
            ]);
        };
        for (pack, kinds) in &coverage.kinds_of_pack {
            for (kind, tally) in kinds {
                row(pack, &format!("{kind:?}").to_lowercase(), *tally);
            }
            if let Some(tally) = coverage.packs.get(pack) {
                row(pack, "all", *tally);
            }
        }
        row("all", "all", coverage.total);
        println!("{table}");
        if self.open {
            for clause in coverage.clauses.iter().filter(|clause| clause.proof == Proof::Open) {
                println!(
                    "{}: {}",
                    clause.id,
                    clause.reason.as_deref().unwrap_or("no reason given")
                );
            }
        }
        Ok(Done::Well)
    }
}

impl Explain {
    fn run(self) -> Outcome {
        let packs = self.from.packs()?;
        let id = ClauseId::new(self.clause);
        let Some(explanation) = packs.explain(&id)? else {
            return Err(
                format!("there is no clause `{id}`; `shuyu law coverage` lists packs").into()
            );
        };
        if self.from.json {
            output::json(&explanation)?;
        } else {
            println!("{explanation}");
        }
        Ok(Done::Well)
    }
}
