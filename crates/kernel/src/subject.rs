//! The ids of what the rooms hand to one another.

crate::id!(
    /// A resource in the catalogue: what an agency registers.
    ResourceId,
    "res"
);
crate::id!(
    /// A dataset in the vault: the data of a resource, in versions.
    DatasetId,
    "dat"
);
crate::id!(
    /// A case that runs through a procedure.
    CaseId,
    "cas"
);
crate::id!(
    /// An agreement between the public side and an operator.
    AgreementId,
    "agr"
);
crate::id!(
    /// A scenario: a purpose for which data may be used.
    ScenarioId,
    "sce"
);
crate::id!(
    /// A grant: the one object that says which data a scenario may use, how, by whom, until when.
    GrantId,
    "gra"
);
crate::id!(
    /// A session of one person in the operation domain.
    SessionId,
    "ses"
);
crate::id!(
    /// A job frozen by hash that runs on the full data.
    JobId,
    "job"
);
crate::id!(
    /// A release: what leaves the domain, by the one gate.
    ReleaseId,
    "rel"
);
crate::id!(
    /// A data product or service.
    ProductId,
    "pro"
);
crate::id!(
    /// A consumer's subscription to a product.
    SubscriptionId,
    "sub"
);
crate::id!(
    /// An invoice.
    InvoiceId,
    "inv"
);
crate::id!(
    /// An alert of supervision.
    AlertId,
    "ale"
);
crate::id!(
    /// A task that falls due: a report, an evaluation, a filing.
    TaskId,
    "tas"
);
