//! People and organisations, by small numbers.

use shuyu_kernel::{Actor, Id as _, OrganisationId, PersonId, Role};

/// The person of this number.
pub fn person(number: u128) -> PersonId {
    PersonId::from_u128(number)
}

/// The organisation of this number.
pub fn organisation(number: u128) -> OrganisationId {
    OrganisationId::from_u128(number)
}

/// The person and the organisation of these numbers, in these roles.
pub fn actor(of_person: u128, of_organisation: u128, roles: &[&str]) -> Actor {
    Actor {
        person: person(of_person),
        organisation: organisation(of_organisation),
        roles: roles.iter().copied().map(Role::new).collect(),
    }
}
