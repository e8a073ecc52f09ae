//! Lists: what a caller may read, some at a time.

use serde::{Deserialize, Serialize};
use shuyu_store::Filter;
use utoipa::{IntoParams, ToSchema};

/// How many items a page has, unless the caller says otherwise, and at the most.
const USUAL: u32 = 50;
const MOST: u32 = 500;

/// Which items are wanted. What is not given does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Those that stand there, such as `open` or `listed`.
    status: Option<String>,
    /// Those of this owner, by id.
    owner: Option<String>,
    /// Those that belong to this, by id: an agreement, a grant, a product.
    parent: Option<String>,
    /// Those that come after this id: the `next` of the page before.
    after: Option<String>,
    /// How many, 1 to 500; 50 unless given.
    limit: Option<u32>,
}

impl Listing {
    pub(super) fn filter(self) -> Filter {
        Filter {
            status: self.status,
            owner: self.owner,
            parent: self.parent,
            after: self.after,
            limit: Some(self.limit.unwrap_or(USUAL).clamp(1, MOST)),
            ..Filter::default()
        }
    }
}

/// Some items of a list, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    items: Vec<T>,
    /// After which the next page begins; absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Page<T> {
    /// A page of what was found by `filter`, whose last item has the id `last`.
    pub(super) fn new(items: Vec<T>, filter: &Filter, last: Option<String>) -> Self {
        let is_full = filter.limit.is_some_and(|limit| items.len() >= limit as usize);
        Self { next: last.filter(|_| is_full), items }
    }
}

/// The two operations by which entities of a kind are read: a list, and one of them.
macro_rules! reads {
    (
        $entity:ident as $view:ident, tag = $tag:literal,
        $list:ident: $list_path:literal $list_id:literal $list_summary:literal,
        $one:ident: $one_path:literal $one_id:literal $one_summary:literal $(,)?
    ) => {
        #[utoipa::path(
            get, path = $list_path, operation_id = $list_id, tag = $tag, summary = $list_summary,
            params($crate::http::page::Listing),
            responses(
                (status = 200, body = $crate::http::page::Page<$view>),
                (status = "4XX", body = $crate::http::Problem, content_type = $crate::http::PROBLEM_JSON),
            ),
        )]
        async fn $list(
            axum::extract::State(app): axum::extract::State<$crate::app::App>,
            $crate::http::extract::Caller(actor): $crate::http::extract::Caller,
            $crate::http::extract::Query(listing): $crate::http::extract::Query<
                $crate::http::page::Listing,
            >,
        ) -> Result<$crate::http::extract::Json<$crate::http::page::Page<$view>>, $crate::http::Problem>
        {
            let filter = listing.filter();
            let found = app.browse::<$entity>(&actor, &filter).await?;
            let last = found.last().map(|(id, _)| id.to_string());
            let items = found.into_iter().map(<$view>::from).collect();
            Ok($crate::http::extract::Json($crate::http::page::Page::new(items, &filter, last)))
        }

        #[utoipa::path(
            get, path = $one_path, operation_id = $one_id, tag = $tag, summary = $one_summary,
            params(("id" = String, Path)),
            responses(
                (status = 200, body = $view),
                (status = "4XX", body = $crate::http::Problem, content_type = $crate::http::PROBLEM_JSON),
            ),
        )]
        async fn $one(
            axum::extract::State(app): axum::extract::State<$crate::app::App>,
            $crate::http::extract::Caller(actor): $crate::http::extract::Caller,
            $crate::http::extract::Path(id): $crate::http::extract::Path<
                <$entity as shuyu_store::Entity>::Id,
            >,
        ) -> Result<$crate::http::extract::Json<$view>, $crate::http::Problem> {
            let state = app.read::<$entity>(&actor, id).await?;
            Ok($crate::http::extract::Json(<$view>::from((id, state))))
        }
    };
}

pub(super) use reads;
