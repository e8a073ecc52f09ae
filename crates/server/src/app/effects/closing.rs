//! Closing: everything that rests on an agreement is suspended, taken up again or ended with it.

use shuyu_casework::{Agreement, Person, agreement, person};
use shuyu_enclave::{Grant, GrantCommand};
use shuyu_kernel::{Actor, AgreementId};
use shuyu_law::ClauseId;
use shuyu_market::{Product, ProductCommand, Subscription, SubscriptionCommand};
use shuyu_oversight::{Cut, CutCommand, CutId, CutScope};
use shuyu_store::{ActError, Filter, Unit};

use super::{Cause, text};
use crate::app::{App, same_number};

impl App {
    pub(super) async fn suspend(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let status = unit.load::<Agreement>(agreement).await?.status;
        if matches!(
            status,
            agreement::Status::Suspended { .. }
                | agreement::Status::Ended { .. }
                | agreement::Status::Closed { .. }
        ) {
            // Access was cut before the case was opened, whose end opens it again; or for good.
            return Ok(());
        }
        let reason = text(&cause.fields(), "ground").unwrap_or_else(|| cause.case.title.clone());
        let command = agreement::Command::Suspend { ground: reason.clone() };
        unit.follow::<Agreement>(agreement, command, cause.clauses).await?;
        let cut: CutId = same_number(cause.id);
        let pull = CutCommand::Pull {
            agreement,
            scope: CutScope::Agreement,
            trigger: self.suspension_trigger().to_owned(),
            reason: reason.clone(),
        };
        unit.follow::<Cut>(cut, pull, cause.clauses).await?;
        self.suspend_all(unit, agreement, &reason, cause.clauses).await
    }

    /// By which name the pack knows that access closes on rectification: its own, or else the
    /// platform's name of a suspension.
    pub(super) fn suspension_trigger(&self) -> &'static str {
        let known = self.law().parameter("killswitch_triggers");
        match known {
            Some(known) if known.ids().contains(&"rectification") => "rectification",
            _ => "agreement_suspended",
        }
    }

    /// Suspends everything that rests on an agreement: grants, products, subscriptions.
    pub(in crate::app) async fn suspend_all(
        &self,
        unit: &Unit,
        agreement: AgreementId,
        reason: &str,
        clauses: &[ClauseId],
    ) -> Result<(), ActError> {
        let reason = || reason.to_owned();
        for id in self.ids_of::<Grant>(agreement, "active").await? {
            let suspend = GrantCommand::Suspend { reason: reason() };
            unit.follow::<Grant>(id, suspend, clauses).await?;
        }
        for (id, product) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            if product.is_on_offer() {
                let suspend = ProductCommand::Suspend { reason: reason() };
                unit.follow::<Product>(id, suspend, clauses).await?;
            }
            for subscription in self.ids_of::<Subscription>(id, "active").await? {
                let suspend = SubscriptionCommand::Suspend { reason: reason() };
                unit.follow::<Subscription>(subscription, suspend, clauses).await?;
            }
        }
        Ok(())
    }

    /// Closes what was opened under an agreement while it was being suspended or ended.
    pub(in crate::app) async fn close_late(&self, id: AgreementId) -> Result<(), ActError> {
        let unit = self.desk().unit(&Actor::system());
        match unit.load::<Agreement>(id).await?.status {
            agreement::Status::Suspended { ground, .. } => {
                self.suspend_all(&unit, id, &ground, &[]).await?;
            }
            agreement::Status::Ended { ground, .. } => {
                self.end_all(&unit, id, &ground, &[]).await?;
            }
            _ => {}
        }
        unit.commit().await.map(drop)
    }

    pub(super) async fn restore(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let (agreement, clauses) = (cause.agreement(), cause.clauses);
        let restored = unit.load::<Agreement>(agreement).await?;
        let agreement::Status::Suspended { ground, .. } = restored.status else {
            // The city left access open during correction.
            return Ok(());
        };
        // What was suspended for a reason of its own stays so.
        let with_it = |reason: Option<String>| reason.as_ref() == Some(&ground);
        let restore = agreement::Command::Restore;
        let restored = unit.follow::<Agreement>(agreement, restore, clauses).await?.state;
        let agreement_is_active = restored.is_in_operation(self.now());
        for (id, grant) in self.of::<Grant>(agreement, "suspended").await? {
            if with_it(grant.suspended_for) {
                let restore = GrantCommand::Restore { agreement_is_active };
                unit.follow::<Grant>(id, restore, clauses).await?;
            }
        }
        for (id, product) in self.of::<Product>(agreement, "suspended").await? {
            if with_it(product.suspended_for) {
                let resume = ProductCommand::Resume { agreement_is_active };
                unit.follow::<Product>(id, resume, clauses).await?;
            }
        }
        for (product, _) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            let product_is_listed = unit.load::<Product>(product).await?.is_on_offer();
            for (id, subscription) in self.of::<Subscription>(product, "suspended").await? {
                if product_is_listed && with_it(subscription.suspended_for) {
                    let resume = SubscriptionCommand::Resume { product_is_listed };
                    unit.follow::<Subscription>(id, resume, clauses).await?;
                }
            }
        }
        for id in self.ids_of::<Cut>(agreement, "closed").await? {
            let finding = text(&cause.fields(), "assessment");
            let command = CutCommand::Restore {
                finding: finding.unwrap_or_else(|| cause.case.title.clone()),
                cause_is_closed: true,
            };
            unit.follow::<Cut>(id, command, clauses).await?;
        }
        Ok(())
    }

    /// Ends everything that rests on an agreement: grants, products, subscriptions, access.
    pub(in crate::app) async fn end_all(
        &self,
        unit: &Unit,
        agreement: AgreementId,
        reason: &str,
        clauses: &[ClauseId],
    ) -> Result<(), ActError> {
        let reason = || reason.to_owned();
        for status in ["active", "suspended"] {
            for id in self.ids_of::<Grant>(agreement, status).await? {
                unit.follow::<Grant>(id, GrantCommand::End { reason: reason() }, clauses).await?;
            }
        }
        for (id, product) in self.desk().list::<Product>(&Filter::parent(agreement)).await? {
            if product.status.name() != "withdrawn" {
                let withdraw = ProductCommand::Withdraw { reason: reason() };
                unit.follow::<Product>(id, withdraw, clauses).await?;
            }
            for status in ["active", "suspended"] {
                for subscription in self.ids_of::<Subscription>(id, status).await? {
                    let end = SubscriptionCommand::End { reason: reason() };
                    unit.follow::<Subscription>(subscription, end, clauses).await?;
                }
            }
        }
        for (id, person) in self.desk().list::<Person>(&Filter::status("open")).await? {
            if person.access.contains(&agreement) {
                let close = person::Command::CloseAccess { agreement };
                unit.follow::<Person>(id, close, clauses).await?;
            }
        }
        Ok(())
    }
}
