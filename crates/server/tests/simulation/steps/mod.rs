//! What can be done: one act at a time, mostly by somebody who may, often by somebody who may not.

mod cases;
mod catalogue;
mod domain;
mod errand;
mod market;
mod oversight;
mod parties;

pub use errand::Errand;

use crate::{step::Step, world::World};

/// A sort of act.
#[derive(Debug, Clone, Copy)]
enum Deed {
    OpenCase,
    OpenMarketCase,
    ActInCase,
    Object,
    Answer,
    Withdraw,
    Tick,
    Resource,
    Deliver,
    ReadData,
    Session,
    Ask,
    Submit,
    Run,
    Gate,
    Read,
    Grant,
    Draft,
    Product,
    Subscribe,
    Use,
    Subscription,
    Invoice,
    Pay,
    Settle,
    Alert,
    Cut,
    Agreement,
    Task,
    Evaluation,
    Destruction,
    Notice,
    Filing,
    Organisation,
    Person,
    SignIn,
    Document,
}

/// How often each is tried.
const WEIGHTS: &[(usize, Deed)] = &[
    (110, Deed::OpenCase),
    (520, Deed::ActInCase),
    (12, Deed::Object),
    (14, Deed::Answer),
    (3, Deed::Withdraw),
    (40, Deed::Tick),
    (30, Deed::Resource),
    (5, Deed::Deliver),
    (5, Deed::ReadData),
    (20, Deed::Session),
    (14, Deed::Ask),
    (18, Deed::Submit),
    (16, Deed::Run),
    (40, Deed::Gate),
    (6, Deed::Read),
    (6, Deed::Grant),
    (14, Deed::Draft),
    (14, Deed::Product),
    (24, Deed::Subscribe),
    (30, Deed::Use),
    (14, Deed::Subscription),
    (20, Deed::Invoice),
    (20, Deed::Pay),
    (10, Deed::Settle),
    (14, Deed::Alert),
    (5, Deed::Cut),
    (4, Deed::Agreement),
    (16, Deed::Task),
    (12, Deed::Evaluation),
    (10, Deed::Destruction),
    (10, Deed::Notice),
    (10, Deed::Filing),
    (6, Deed::Organisation),
    (10, Deed::Person),
    (1, Deed::SignIn),
    (6, Deed::Document),
];

/// How often each is tried while somebody works under a grant, so that some of them come to
/// products and money before it ends.
const UNDER_A_GRANT: &[(usize, Deed)] = &[
    (30, Deed::ActInCase),
    (12, Deed::OpenMarketCase),
    (5, Deed::Session),
    (4, Deed::Ask),
    (8, Deed::Submit),
    (10, Deed::Run),
    (24, Deed::Gate),
    (8, Deed::Draft),
    (4, Deed::Product),
    (8, Deed::Subscribe),
    (12, Deed::Use),
    (6, Deed::Invoice),
    (8, Deed::Pay),
    (5, Deed::Settle),
];

impl World {
    /// Lets time go by and has somebody do something.
    pub async fn step(&mut self) -> Step {
        let is_working = self.dice.chance(45) && !self.active_grants().await.is_empty();
        if is_working {
            self.wait_a_little();
        } else {
            self.wait();
        }
        let weights = if is_working { UNDER_A_GRANT } else { WEIGHTS };
        loop {
            let deed = self.dice.weighed(weights).expect("there is something to do");
            if let Some(step) = self.deed(deed).await {
                return step;
            }
        }
    }

    /// An act of this sort, if there is something to do it to.
    async fn deed(&mut self, deed: Deed) -> Option<Step> {
        match deed {
            Deed::OpenCase => self.open_case().await,
            Deed::OpenMarketCase => self.open_market_case().await,
            Deed::ActInCase => self.act_in_case().await,
            Deed::Object => self.object().await,
            Deed::Answer => self.answer().await,
            Deed::Withdraw => self.withdraw().await,
            Deed::Tick => Some(self.tick().await),
            Deed::Resource => self.resource().await,
            Deed::Deliver => self.deliver().await,
            Deed::ReadData => self.read_data().await,
            Deed::Session => self.session().await,
            Deed::Ask => self.ask().await,
            Deed::Submit => self.submit_job().await,
            Deed::Run => self.run_job().await,
            Deed::Gate => self.gate().await,
            Deed::Read => self.read_released().await,
            Deed::Grant => self.grant().await,
            Deed::Draft => self.draft_product().await,
            Deed::Product => self.product().await,
            Deed::Subscribe => self.subscribe().await,
            Deed::Use => self.use_product().await,
            Deed::Subscription => self.subscription().await,
            Deed::Invoice => self.invoice().await,
            Deed::Pay => self.pay().await,
            Deed::Settle => self.settle().await,
            Deed::Alert => self.alert().await,
            Deed::Cut => self.cut().await,
            Deed::Agreement => self.agreement().await,
            Deed::Task => self.task().await,
            Deed::Evaluation => self.evaluation().await,
            Deed::Destruction => self.destruction().await,
            Deed::Notice => self.notice().await,
            Deed::Filing => self.filing().await,
            Deed::Organisation => self.organisation().await,
            Deed::Person => self.person().await,
            Deed::SignIn => Some(self.sign_in().await),
            Deed::Document => self.document().await,
        }
    }
}
