//! The catalogue: what is published is what was handed in, and what its reviewers had before them.

use std::collections::HashMap;

use shuyu_casework::case;
use shuyu_catalogue::resource;
use shuyu_kernel::ContentHash;
use shuyu_law::Law;
use shuyu_store::Recorded;

use super::{Check, Found, event, must};

/// What was handed in of each resource, and what each case names.
#[derive(Default)]
pub struct Catalogue {
    described: HashMap<String, ContentHash>,
    /// Content, and the place in the log where it was handed in.
    submitted: HashMap<String, (ContentHash, u64)>,
    /// The place in the log where a case last named a resource, by case and resource.
    named: HashMap<(String, String), u64>,
}

impl Check for Catalogue {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        if entry.version.is_none() {
            return Ok(());
        }
        match entry.stream.kind() {
            "resource" => self.resource(entry),
            "case" => {
                if let case::Event::Acted { act, .. } = event(entry)?
                    && let Some(form) = &act.form
                    && let Some(resource) = form.get("resource").and_then(|it| it.as_str())
                {
                    let key = (entry.stream.id().to_owned(), resource.to_owned());
                    self.named.insert(key, entry.seq);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Catalogue {
    fn resource(&mut self, entry: &Recorded) -> Found {
        let id = entry.stream.id().to_owned();
        match event::<resource::Event>(entry)? {
            resource::Event::Registered { description, .. }
            | resource::Event::Amended { description, .. } => {
                self.described.insert(id, description.content());
            }
            resource::Event::Submitted { content, .. } => {
                must(self.described.get(&id) == Some(&content), || {
                    "another content is handed in than is described".to_owned()
                })?;
                self.submitted.insert(id, (content, entry.seq));
            }
            resource::Event::Published { content, case, .. } => {
                let submitted = self.submitted.get(&id).copied();
                let Some((_, at)) = submitted.filter(|(handed_in, _)| *handed_in == content) else {
                    return Err("another content is published than was handed in".to_owned());
                };
                let named = self.named.get(&(case.to_string(), id)).copied();
                must(named.is_some_and(|named| named > at), || {
                    "it was handed in anew after its case had named it".to_owned()
                })?;
            }
            _ => {}
        }
        Ok(())
    }
}
