//! A city under way: the application, its clock, who takes part, and what they know of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use shuyu_kernel::{
    Actor, AgreementId, CaseId, Clock, ContentHash, Id, OrganisationId, PersonId, SeededEntropy,
    SubscriptionId, VirtualClock,
};
use shuyu_law::{Law, Packs};
use shuyu_server::app::{App, Deployment};
use shuyu_store::{ActError, Entity, Recorded};
use tempfile::TempDir;

use crate::{
    cast::{Cast, Member},
    dice::Dice,
    steps::Errand,
};

/// Where files lie in memory, on most machines: a walk commits some ten thousand times.
const MEMORY: &str = "/dev/shm";

/// A city under way.
pub struct World {
    /// The application.
    pub app: App,
    /// Its clock.
    pub clock: Arc<VirtualClock>,
    /// What chance decides.
    pub dice: Dice,
    /// Who takes part.
    pub cast: Cast,
    /// The ids that were given out, by kind, in their order.
    pub known: BTreeMap<String, Vec<String>>,
    /// What cases are meant to come to.
    pub errands: HashMap<CaseId, Errand>,
    /// The cases under way that somebody still cares for.
    pub under_way: Vec<CaseId>,
    /// Which organisation has handed in which document.
    pub handed_in: BTreeSet<(OrganisationId, String)>,
    /// The keys that were shown.
    pub keys: HashMap<SubscriptionId, String>,
    /// Contents that stood once.
    pub stale: Vec<ContentHash>,
    _folder: TempDir,
}

impl World {
    /// Founds a city under its pack, with its people.
    pub async fn found(city: &str, seed: u64) -> Self {
        let folder = match Path::new(MEMORY) {
            memory if memory.is_dir() => TempDir::new_in(memory),
            _ => TempDir::new(),
        };
        let folder = folder.expect("a temporary folder");
        let entropy = Arc::new(SeededEntropy::new(seed));
        let packs = Packs::embedded();
        let dir = folder.path().join("city");
        let deployment =
            Deployment::found(&dir, city, &packs, None, &*entropy).expect("a deployment");
        let start = beginning(&deployment.laws().current);
        let clock = Arc::new(VirtualClock::new(start));
        let app = App::open(deployment, Arc::clone(&clock) as Arc<dyn Clock>, entropy)
            .await
            .expect("the deployment opens");
        app.found(("administrator", "Walks-2024!"), ("auditor", "Walks-2024!"))
            .await
            .expect("the founding");
        let cast = Cast::register(&app).await.expect("the cast");
        Self {
            app,
            clock,
            dice: Dice::new(seed),
            cast,
            known: BTreeMap::new(),
            errands: HashMap::new(),
            under_way: Vec::new(),
            handed_in: BTreeSet::new(),
            keys: HashMap::new(),
            stale: Vec::new(),
            _folder: folder,
        }
    }

    /// Remembers what has come into being.
    pub fn learn(&mut self, entries: &[Recorded]) {
        for entry in entries.iter().filter(|entry| entry.version.is_some_and(|it| it.0 == 1)) {
            let ids = self.known.entry(entry.stream.kind().to_owned()).or_default();
            ids.push(entry.stream.id().to_owned());
        }
        for entry in entries.iter().filter(|entry| entry.stream.kind() == "case") {
            let Ok(id) = entry.stream.id().parse::<CaseId>() else { continue };
            match entry.event.as_deref() {
                Some("Opened") => self.under_way.push(id),
                Some("Closed" | "Withdrawn") => self.under_way.retain(|open| *open != id),
                _ => {}
            }
        }
    }

    /// The law.
    pub fn law(&self) -> &Law {
        self.app.law()
    }

    /// Today, where the law applies.
    pub fn today(&self) -> NaiveDate {
        self.law().local_date(self.app.now())
    }

    /// Lets some time go by: mostly minutes, seldom weeks.
    pub fn wait(&mut self) {
        let throw = self.dice.below(1000);
        let some = |dice: &mut Dice, of: usize| i64::try_from(dice.below(of)).unwrap_or(0);
        let step = match throw {
            0..600 => Duration::minutes(some(&mut self.dice, 30)),
            600..955 => Duration::hours(some(&mut self.dice, 10)),
            955..996 => Duration::hours(some(&mut self.dice, 72)),
            _ => Duration::days(some(&mut self.dice, 50)),
        };
        self.clock.advance(step);
    }

    /// Lets minutes go by.
    pub fn wait_a_little(&mut self) {
        let minutes = i64::try_from(self.dice.below(30)).unwrap_or(0);
        self.clock.advance(Duration::minutes(minutes));
    }

    /// An id of a kind: mostly one that there is, sometimes one that there is not.
    pub fn some<E: Entity>(&mut self) -> E::Id {
        let known = self.known.get(E::KIND).map(Vec::as_slice).unwrap_or_default();
        if self.dice.chance(97)
            && let Some(id) = self.dice.late(known)
            && let Ok(id) = id.parse()
        {
            return id;
        }
        E::Id::from_u128(self.dice.number())
    }

    /// The state of an entity.
    pub async fn find<E: Entity>(&self, id: E::Id) -> Option<E> {
        self.app.desk().find::<E>(id).await.expect("the store answers").map(|(_, state)| state)
    }

    /// An entity, mostly one that is as wanted.
    pub async fn seek<E: Entity>(&mut self, wanted: impl Fn(&E) -> bool) -> Option<(E::Id, E)> {
        const TRIES: usize = 8;
        let picky = self.dice.chance(88);
        let mut last = None;
        for _ in 0..TRIES {
            let id = self.some::<E>();
            let Some(state) = self.find::<E>(id).await else { continue };
            if !picky || wanted(&state) {
                return Some((id, state));
            }
            last = Some((id, state));
        }
        last.filter(|_| self.dice.chance(20))
    }

    /// A member as they are at this moment: with the roles that they still hold.
    pub async fn actor(&self, member: &Member) -> Actor {
        self.known_actor(member.person).await
    }

    /// Somebody as they are at this moment; a stranger, if nobody knows them.
    pub async fn known_actor(&self, person: PersonId) -> Actor {
        self.app.actor(person).await.unwrap_or_else(|_| self.stranger())
    }

    /// This person, in so many of a hundred cases; else anybody.
    pub async fn mostly(&mut self, person: PersonId, percent: usize) -> Actor {
        if self.dice.chance(percent) {
            self.known_actor(person).await
        } else {
            self.anybody().await
        }
    }

    /// Somebody whom nobody knows.
    pub fn stranger(&self) -> Actor {
        Actor { person: self.app.fresh(), organisation: self.app.fresh(), roles: [].into() }
    }

    /// Anybody at all, the wrong ones above all: administrator, auditor, stranger.
    pub async fn anybody(&mut self) -> Actor {
        let throw = self.dice.below(100);
        let from = match throw {
            0..14 => self.cast.holders("administrator"),
            14..24 => self.cast.holders("auditor"),
            24..32 => return self.stranger(),
            _ => self.cast.members.clone(),
        };
        match self.dice.pick(&from) {
            Some(member) => self.actor(&member).await,
            None => self.stranger(),
        }
    }

    /// Mostly somebody who holds one of these roles.
    pub async fn who(&mut self, roles: &[&str]) -> Actor {
        let mut holders: Vec<Member> = Vec::new();
        for role in roles {
            holders.extend(self.cast.holders(role));
        }
        self.of_these(&holders).await
    }

    /// Mostly somebody of an organisation.
    pub async fn who_of(&mut self, organisation: OrganisationId) -> Actor {
        let people = self.cast.of(organisation);
        self.of_these(&people).await
    }

    async fn of_these(&mut self, members: &[Member]) -> Actor {
        match self.dice.pick(members) {
            Some(member) if self.dice.chance(88) => self.actor(&member).await,
            _ => self.anybody().await,
        }
    }

    /// Does a command to an entity, as the policies permit.
    pub async fn raw<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        command: E::Command,
    ) -> Result<(), ActError> {
        self.app.desk().act::<E>(actor, id, command).await.map(drop)
    }
}

/// How to speak of an actor.
pub fn name(actor: &Actor) -> String {
    let roles: Vec<&str> = actor.roles.iter().map(shuyu_kernel::Role::as_str).collect();
    format!("{} ({})", actor.person, roles.join(", "))
}

/// The id of another kind with the same number.
pub fn same_number<I: Id>(of: impl Id) -> I {
    I::from_u128(of.to_u128())
}

/// The agreement that a case makes.
pub fn agreement_of(case: CaseId) -> AgreementId {
    same_number(case)
}

/// In the morning of the day after the law came into force.
fn beginning(law: &Law) -> DateTime<Utc> {
    let first = [law.regulation.effective, law.regulation.published].into_iter().flatten().next();
    let day = first.unwrap_or_else(|| NaiveDate::from_ymd_opt(2024, 3, 1).expect("a day"));
    let morning = day.succ_opt().and_then(|day| day.and_hms_opt(9, 0, 0)).expect("a morning");
    morning.and_utc() - Duration::hours(i64::from(law.utc_offset_hours))
}
