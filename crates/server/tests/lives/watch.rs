//! The watch over refusals: whoever is refused again and again is made known, once a day.

use chrono::Duration;
use shuyu_kernel::{AgreementId, AlertId};
use shuyu_oversight::{Alert, Severity, Source};

use crate::town::{Town, refused};

/// The operator tries what is not for it to do.
async fn overreach(town: &Town, agreement: AgreementId, times: usize) {
    for _ in 0..times {
        let cut = town.app.cut(&town.analyst(), agreement, "nothing", "a trial").await;
        assert_eq!(refused(cut), "not-permitted");
        town.clock.advance(Duration::minutes(1));
    }
}

async fn raised(town: &Town) -> Vec<AlertId> {
    town.app.tick().await.expect("ticks").alerts
}

async fn alert(town: &Town, id: AlertId) -> Alert {
    town.app.desk().find::<Alert>(id).await.expect("reads").expect("it is there").1
}

#[tokio::test]
async fn repeated_refusals_of_an_operator_raise_one_alert_a_day() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    overreach(&town, agreement, 2).await;
    assert_eq!(raised(&town).await, [], "two are below the figure");
    overreach(&town, agreement, 1).await;
    let [id] = raised(&town).await[..] else { panic!("no alert") };
    let found = alert(&town, id).await;
    assert_eq!(found.finding.ground, "out_of_scope_attempts");
    assert_eq!(found.finding.severity, Severity::Warning);
    assert_eq!(found.finding.organisation, Some(town.operator));
    assert_eq!(found.finding.agreement, Some(agreement));
    assert!(matches!(found.finding.source, Source::Figure { .. }));
    overreach(&town, agreement, 4).await;
    assert_eq!(raised(&town).await, [], "it is known already");

    // What is refused to others than operators is no alert.
    for _ in 0..4 {
        let cut = town.app.cut(&town.buyer(), agreement, "nothing", "a trial").await;
        assert_eq!(refused(cut), "not-permitted");
    }
    assert_eq!(raised(&town).await, []);

    town.clock.advance(Duration::days(2));
    overreach(&town, agreement, 2).await;
    assert_eq!(raised(&town).await, [], "the earlier ones are out of the window");
    overreach(&town, agreement, 1).await;
    let [another] = raised(&town).await[..] else { panic!("no alert") };
    assert_ne!(another, id);
    assert!(town.app.verify().await.expect("reads").is_empty());
}

#[tokio::test]
async fn the_watch_goes_on_after_a_restart_and_raises_nothing_twice() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    overreach(&town, agreement, 3).await;
    assert_eq!(raised(&town).await.len(), 1);
    let town = town.restarted().await;
    assert_eq!(raised(&town).await, [], "it stands in the log");

    // What was refused before the end, and not yet looked at, is looked at after it.
    town.clock.advance(Duration::days(2));
    overreach(&town, agreement, 3).await;
    let town = town.restarted().await;
    town.clock.advance(Duration::hours(3));
    assert_eq!(raised(&town).await.len(), 1);
    assert_eq!(raised(&town).await, []);
}

#[tokio::test]
async fn refused_exports_are_critical_within_the_hour() {
    let town = Town::new("hangzhou").await;
    let take = async |town: &Town| {
        let taken = town.app.read_released(&town.analyst(), town.app.fresh()).await;
        assert_eq!(refused(taken), "released-only");
    };
    for _ in 0..4 {
        take(&town).await;
    }
    town.clock.advance(Duration::minutes(70));
    take(&town).await;
    let [id] = raised(&town).await[..] else { panic!("no alert") };
    assert_eq!(alert(&town, id).await.finding.ground, "out_of_scope_attempts");
    for _ in 0..4 {
        take(&town).await;
    }
    let [id] = raised(&town).await[..] else { panic!("no alert") };
    let found = alert(&town, id).await.finding;
    assert_eq!((found.ground.as_str(), found.severity), ("refused_exports", Severity::Critical));
}
