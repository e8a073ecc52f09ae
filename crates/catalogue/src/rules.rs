//! The rules that this room enforces, by name.

use shuyu_law::Rule;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Rule = Rule::new($text);)*

        /// Every rule that this room enforces.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    /// A resource must be registered before anything is done to it.
    EXISTS = "resource-exists";
    /// A resource is registered once.
    NEW = "resource-is-new";
    /// Only the provider changes its resource.
    OWN = "resource-of-provider";
    /// A resource is in a state in which this can be done.
    STATE = "resource-state";
    /// A resource names what it is and its fields, each once and with its meaning.
    DESCRIBED = "resource-described";
    /// The level is one of the city's.
    LEVEL = "resource-level";
    /// The class of sharing is one of the city's.
    SHARING_CLASS = "resource-sharing-class";
    /// The class of opening is one of the city's.
    OPENING_CLASS = "resource-opening-class";
    /// What is not shared has a basis for that.
    NOT_SHARED_BASIS = "resource-not-shared-basis";
    /// What the law keeps out is not registered.
    EXCLUDED = "resource-not-excluded";
    /// The data subject is told apart by a field of the resource.
    SUBJECT_KEY = "resource-subject-key";
    /// Resources carry the identifiers that the city asks for.
    REQUIRED_IDENTIFIER = "resource-required-identifier";
    /// A reason is given.
    REASON = "resource-reason-given";
    /// What is published is what was reviewed.
    REVIEWED_CONTENT = "resource-review-binds-content";
}
