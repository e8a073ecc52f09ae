//! Duties kept apart: who submits does not approve, who administers does not read data, who
//! audits does not administer.

use std::collections::{HashMap, HashSet};

use shuyu_kernel::{ContentHash, OrganisationId, PersonId};
use shuyu_law::Law;
use shuyu_market::{PriceEvent, ProductEvent};
use shuyu_oversight::{DestructionEvent, EvaluationEvent, TaskEvent};
use shuyu_store::Recorded;

use super::{Check, Found, event, is_refusal, must};

/// Acts by which data, or what was made of them, are seen.
const READS: [&str; 9] = [
    "session.open",
    "session.ask",
    "session.sample",
    "session.explain",
    "job.submit",
    "dataset.read_profile",
    "dataset.read_quarantine",
    "document.read",
    "release.read",
];

/// Roles that are held alone.
const ALONE: [&str; 2] = ["administrator", "auditor"];

/// Who did what where somebody else must do the rest.
#[derive(Default)]
pub struct Apart {
    products: HashMap<String, (PersonId, OrganisationId, ContentHash)>,
    prices: HashMap<String, OrganisationId>,
    destructions: HashMap<String, (PersonId, HashSet<PersonId>)>,
    evaluations: HashMap<String, OrganisationId>,
    tasks: HashMap<String, Option<OrganisationId>>,
}

impl Check for Apart {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        if is_refusal(entry) {
            return Ok(());
        }
        check_roles(entry)?;
        if entry.version.is_none() {
            return Ok(());
        }
        match entry.stream.kind() {
            "product" => self.product(entry),
            "price" => self.price(entry),
            "destruction" => self.destruction(entry),
            "evaluation" => self.evaluation(entry),
            "task" => self.task(entry),
            _ => Ok(()),
        }
    }
}

fn check_roles(entry: &Recorded) -> Found {
    let has = |name: &str| entry.roles.iter().any(|role| role.as_str() == name);
    for role in ALONE {
        must(!has(role) || entry.roles.len() == 1, || format!("{role} beside other roles"))?;
    }
    must(!has("administrator") || !READS.contains(&entry.act.as_str()), || {
        "who administers reads data".to_owned()
    })?;
    let keeps_register = ["organisation", "person"].contains(&entry.stream.kind());
    let own = ["person.sign_in", "person.sign_out", "person.change_password"];
    must(!has("auditor") || !keeps_register || own.contains(&entry.act.as_str()), || {
        "who audits administers".to_owned()
    })
}

impl Apart {
    fn product(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<ProductEvent>(entry)? {
            ProductEvent::Drafted { product } => {
                self.products.insert(id, (product.author, product.operator, product.content));
            }
            ProductEvent::Reviewed { review, .. } => {
                let Some((author, operator, content)) = self.products.get(&id) else {
                    return Err("a review of nothing".to_owned());
                };
                must(review.reviewer != *author, || "its author reviews it".to_owned())?;
                must(review.organisation != *operator, || "its operator reviews it".to_owned())?;
                must(review.content == *content, || "the review is of another content".to_owned())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn price(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<PriceEvent>(entry)? {
            PriceEvent::Proposed { operator, .. } => {
                must(entry.organisation == operator, || "not its operator proposes".to_owned())?;
                self.prices.insert(id, operator);
            }
            PriceEvent::Agreed { .. } => {
                let proposed_by = self.prices.get(&id);
                must(proposed_by != Some(&entry.organisation), || {
                    "who proposes a price agrees to it".to_owned()
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn destruction(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<DestructionEvent>(entry)? {
            DestructionEvent::Ordered { destruction } => {
                self.destructions.insert(id, (destruction.ordered_by, HashSet::new()));
            }
            DestructionEvent::Approved { approval, .. } => {
                let Some((ordered_by, approved)) = self.destructions.get_mut(&id) else {
                    return Err("an approval of nothing".to_owned());
                };
                must(approval.by == entry.person, || "approved in another's name".to_owned())?;
                must(approval.by != *ordered_by, || "who orders approves".to_owned())?;
                must(approved.insert(approval.by), || "one person approves twice".to_owned())?;
            }
            DestructionEvent::Destroyed { by, witness, .. } => {
                let ordered_by = self.destructions.get(&id).map(|(by, _)| *by);
                must(witness != by && Some(witness) != ordered_by, || {
                    "who orders or destroys is the witness".to_owned()
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn evaluation(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<EvaluationEvent>(entry)? {
            EvaluationEvent::Recorded { evaluation } => {
                must(entry.organisation != evaluation.operator, || {
                    "the evaluated scores itself".to_owned()
                })?;
                self.evaluations.insert(id, evaluation.operator);
            }
            EvaluationEvent::Answered { .. } | EvaluationEvent::Finished => {
                must(self.evaluations.get(&id) != Some(&entry.organisation), || {
                    "the evaluated answers itself".to_owned()
                })?;
            }
            EvaluationEvent::Objected { .. } => {}
        }
        Ok(())
    }

    fn task(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<TaskEvent>(entry)? {
            TaskEvent::Planned { task } => {
                self.tasks.insert(id, task.owner);
            }
            TaskEvent::Accepted | TaskEvent::Returned { .. } => {
                let owner = self.tasks.get(&id).copied().flatten();
                must(owner != Some(entry.organisation), || {
                    "who hands in a report decides on it".to_owned()
                })?;
            }
            _ => {}
        }
        Ok(())
    }
}
