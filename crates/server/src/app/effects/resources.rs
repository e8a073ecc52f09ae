//! Resources of the catalogue: published as their case read them.

use shuyu_catalogue::{Resource, resource};
use shuyu_kernel::ResourceId;
use shuyu_store::{ActError, StreamId, Unit};

use super::Cause;
use crate::app::App;

impl App {
    pub(super) async fn publish_resource(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let id: ResourceId = self.id_of(unit, cause, "resource").await?;
        let resource = unit.load::<Resource>(id).await?;
        self.check_named_after(unit, cause, id, &resource).await?;
        let content = resource.description.content();
        let command = resource::Command::Publish { case: cause.id, content };
        unit.follow::<Resource>(id, command, cause.clauses).await?;
        Ok(())
    }

    /// Refuses to publish what was handed in anew after the case had named it: the case was about
    /// another content.
    pub(super) async fn check_named_after(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        id: ResourceId,
        resource: &Resource,
    ) -> Result<(), ActError> {
        let resource::Status::Submitted { at: handed_in, .. } = resource.status else {
            return Ok(());
        };
        let name = id.to_string();
        let names = |act: &&shuyu_casework::Act| {
            let named = act.form.as_ref().and_then(|form| form.get("resource")?.as_str());
            !act.negative && named == Some(name.as_str())
        };
        match cause.case.dossier.acts.iter().rfind(names) {
            Some(act) if act.at < handed_in => {
                let refusal = self.law().refuse(shuyu_catalogue::rules::REVIEWED_CONTENT, &[]);
                let why = refusal.because("it was handed in anew after this case had named it");
                Err(unit.refuse(&StreamId::of::<Resource>(id), "resource.publish", why).await)
            }
            _ => Ok(()),
        }
    }
}
