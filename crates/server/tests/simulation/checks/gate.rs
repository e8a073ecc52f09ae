//! The gate: what leaves the domain was reviewed by others, in the form in which it leaves.

use std::collections::HashMap;

use shuyu_enclave::{Proposal, ReleaseEvent};
use shuyu_kernel::{ContentHash, OrganisationId, PersonId};
use shuyu_law::Law;
use shuyu_market::ProductEvent;
use shuyu_store::Recorded;

use super::{Check, Found, event, is_refusal, must};

/// A release as it stands.
struct Release {
    author: PersonId,
    operator: OrganisationId,
    needed: usize,
    package: ContentHash,
    content: ContentHash,
    approved: Vec<PersonId>,
    is_released: bool,
}

/// What was put forward, and who has approved what stands.
#[derive(Default)]
pub struct Gate {
    releases: HashMap<String, Release>,
}

/// The digest that reviews bind to, computed here anew.
fn content(proposal: &Proposal) -> Result<ContentHash, String> {
    let value = serde_json::to_value(proposal).map_err(|error| error.to_string())?;
    Ok(ContentHash::of_json(&value))
}

impl Check for Gate {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        let id = entry.stream.id().to_owned();
        match (entry.stream.kind(), entry.version.is_some()) {
            ("release", true) => self.release(id, entry),
            ("release", false) if entry.act == "release.read" && !is_refusal(entry) => {
                let release = self.releases.get(&id).ok_or("nothing was put forward")?;
                must(release.is_released, || "it is read out, and not released".to_owned())?;
                must(entry.organisation == release.operator, || {
                    "it is read out to another than its operator".to_owned()
                })
            }
            ("product", true) => {
                let ProductEvent::Drafted { product } = event(entry)? else { return Ok(()) };
                let release = self.releases.get(&product.release.to_string());
                let released = release.filter(|it| it.is_released).map(|it| it.package);
                must(released == Some(product.content), || {
                    "a product of what was not released".to_owned()
                })
            }
            _ => Ok(()),
        }
    }
}

impl Gate {
    fn release(&mut self, id: String, entry: &Recorded) -> Found {
        let event: ReleaseEvent = event(entry)?;
        if let ReleaseEvent::Submitted { author, operator, proposal, needed, .. } = event {
            let release = Release {
                author,
                operator,
                needed: usize::try_from(needed).unwrap_or(usize::MAX),
                package: proposal.package,
                content: content(&proposal)?,
                approved: Vec::new(),
                is_released: false,
            };
            self.releases.insert(id, release);
            return must(needed > 0, || "no review is needed".to_owned());
        }
        let release = self.releases.get_mut(&id).ok_or("nothing was put forward")?;
        match event {
            ReleaseEvent::Submitted { .. } => {}
            ReleaseEvent::Amended { proposal } => {
                release.content = content(&proposal)?;
                release.approved.clear();
                must(proposal.package == release.package, || {
                    "another output is put forward".to_owned()
                })?;
            }
            ReleaseEvent::Approved { approval } => {
                must(approval.by == entry.person, || "approved in another's name".to_owned())?;
                must(approval.by != release.author, || "its author approves it".to_owned())?;
                must(approval.organisation != release.operator, || {
                    "its operator approves it".to_owned()
                })?;
                must(approval.content == release.content, || {
                    "what is approved is not what stands".to_owned()
                })?;
                must(!release.approved.contains(&approval.by), || {
                    "one person approves twice".to_owned()
                })?;
                release.approved.push(approval.by);
            }
            ReleaseEvent::Released { .. } => {
                must(release.approved.len() >= release.needed, || {
                    format!("{} of {} have approved", release.approved.len(), release.needed)
                })?;
                release.is_released = true;
            }
            ReleaseEvent::Rejected { .. } | ReleaseEvent::Withdrawn { .. } => {
                release.is_released = false;
            }
        }
        Ok(())
    }
}
