//! What the tests of this room share: the law of a city, people, a product on offer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shuyu_kernel::{Actor, ContentHash, Id, OrganisationId, Role};
use shuyu_law::Law;
use shuyu_store::Entity;
pub(crate) use shuyu_testkit::{act_at, law_in as law};

use shuyu_market::{
    AgreementFacts, Comparison, Parameter, Product, ProductCommand, ProductDraft, QueryTemplate,
    Registration, ReleaseFacts, Review, ScenarioFacts, Substance, ValueType,
};

/// The instant of the tests.
pub(crate) fn now() -> DateTime<Utc> {
    "2025-03-03T02:00:00Z".parse().expect("an instant")
}

/// An organisation by number.
pub(crate) fn organisation(number: u128) -> OrganisationId {
    Id::from_u128(number)
}

pub(crate) const OPERATOR: u128 = 10;
pub(crate) const AUTHORITY: u128 = 20;
pub(crate) const CONSUMER: u128 = 30;
pub(crate) const PROVIDER: u128 = 40;

/// Person `person` of `organisation` in these roles.
pub(crate) fn actor(organisation: u128, person: u128, roles: &[&str]) -> Actor {
    Actor {
        person: Id::from_u128(person),
        organisation: Id::from_u128(organisation),
        roles: roles.iter().map(|role| Role::new(*role)).collect(),
    }
}

pub(crate) fn operator() -> Actor {
    actor(OPERATOR, 11, &["operator"])
}

pub(crate) fn authority() -> Actor {
    actor(AUTHORITY, 21, &["authority", "implementer"])
}

pub(crate) fn consumer() -> Actor {
    actor(CONSUMER, 31, &["product_user"])
}

/// What a command comes to: the state after it, or the name of the rule that refuses.
pub(crate) fn act<E: Entity>(
    law: &Law,
    who: &Actor,
    state: Option<&E>,
    command: E::Command,
) -> Result<E, String> {
    act_at(law, who, now(), state, command)
}

/// The released table that the product of the tests rests on.
pub(crate) const TABLE: &[u8] = b"district,year,claims\nhailing,2023,412\nhailing,2024,1020\n";

/// An API on the table.
pub(crate) fn template() -> QueryTemplate {
    QueryTemplate {
        parameters: vec![Parameter {
            name: "district".to_owned(),
            column: "district".to_owned(),
            value_type: ValueType::Text,
            comparison: Comparison::Equal,
            required: true,
        }],
        columns: vec!["year".to_owned(), "claims".to_owned()],
        row_limit: 10,
    }
}

/// A draft that every city takes.
pub(crate) fn draft(substance: Substance) -> ProductDraft {
    let (agreement, scenario) = (Id::from_u128(1), Id::from_u128(2));
    let form = match &substance {
        Substance::Package => "data_package",
        Substance::Api { .. } => "api",
    };
    ProductDraft {
        title: "Claims by district".to_owned(),
        form: form.to_owned(),
        substance,
        use_kind: "public".to_owned(),
        purposes: BTreeSet::new(),
        content: ContentHash::of(TABLE),
        agreement: AgreementFacts {
            id: agreement,
            operator: organisation(OPERATOR),
            is_active: true,
        },
        scenario: ScenarioFacts { id: scenario, agreement, is_approved: true },
        release: ReleaseFacts {
            id: Id::from_u128(3),
            agreement,
            scenario,
            content: Some(ContentHash::of(TABLE)),
            providers: [organisation(PROVIDER)].into(),
            is_from_free_data: true,
        },
    }
}

/// The steps that bring a draft on offer in any of the cities.
pub(crate) fn steps_to_offer() -> Vec<ProductCommand> {
    let review = |role: &str, person| ProductCommand::Review {
        review: Review {
            role: role.to_owned(),
            reviewer: Id::from_u128(person),
            organisation: organisation(AUTHORITY),
            content: ContentHash::of(TABLE),
            passed: true,
            opinion: "lawful".to_owned(),
        },
        by_case: true,
    };
    let fields = ["price", "price_basis", "scenario", "use_scope", "use_mode"];
    vec![
        ProductCommand::Register(Registration {
            venue: Some("exchange".to_owned()),
            number: "R-1".to_owned(),
            exemption: None,
        }),
        ProductCommand::File {
            fields: fields.map(|field| (field.to_owned(), "as agreed".to_owned())).into(),
        },
        review("authority", 21),
        review("expert_panel", 22),
        review("platform_operator", 23),
        ProductCommand::List { agreement_is_active: true },
    ]
}

/// A product on offer.
pub(crate) fn product(law: &Law, substance: Substance) -> Product {
    let command = ProductCommand::Draft(Box::new(draft(substance)));
    let mut product = act::<Product>(law, &operator(), None, command).expect("drafted");
    for command in steps_to_offer() {
        product = act(law, &operator(), Some(&product), command).expect("a step to the offer");
    }
    product
}
