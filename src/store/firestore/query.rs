//! Owns the making of structured queries. Must not run one.

use firestore::gcloud_sdk::google::firestore::v1::structured_query::composite_filter::Operator as Joint;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::field_filter::Operator;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::filter::FilterType;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::{
    CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order, Projection,
};
use firestore::gcloud_sdk::google::firestore::v1::{Cursor, StructuredQuery, Value};

use super::value;

/// A query under construction.
#[derive(Debug, Clone)]
pub(super) struct Query {
    query: StructuredQuery,
    filters: Vec<Filter>,
}

/// The document's own name as a field.
pub(super) const NAME: &str = "__name__";

fn field(path: &str) -> FieldReference {
    FieldReference { field_path: path.to_owned() }
}

impl Query {
    pub(super) fn of(collection: &str) -> Self {
        let from = vec![CollectionSelector { collection_id: collection.to_owned(), all_descendants: false }];
        Self { query: StructuredQuery { from, ..Default::default() }, filters: Vec::new() }
    }

    fn filter(mut self, path: &str, op: Operator, value: Value) -> Self {
        let filter = FieldFilter { field: Some(field(path)), op: op.into(), value: Some(value) };
        self.filters.push(Filter { filter_type: Some(FilterType::FieldFilter(filter)) });
        self
    }

    pub(super) fn equal(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::Equal, value)
    }

    pub(super) fn one_of(self, path: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.filter(path, Operator::In, value::list(values.into_iter().collect()))
    }

    pub(super) fn at_least(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::GreaterThanOrEqual, value)
    }

    pub(super) fn more_than(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::GreaterThan, value)
    }

    pub(super) fn at_most(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::LessThanOrEqual, value)
    }

    pub(super) fn less_than(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::LessThan, value)
    }

    pub(super) fn order(mut self, path: &str, descending: bool) -> Self {
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        self.query.order_by.push(Order { field: Some(field(path)), direction: direction.into() });
        self
    }

    /// Continues behind the document with these values of the orders.
    pub(super) fn behind(mut self, values: Vec<Value>) -> Self {
        self.query.start_at = Some(Cursor { values, before: false });
        self
    }

    /// Ends before the documents with these values of the orders.
    pub(super) fn before(mut self, values: Vec<Value>) -> Self {
        self.query.end_at = Some(Cursor { values, before: true });
        self
    }

    pub(super) fn limit(mut self, limit: usize) -> Self {
        self.query.limit = Some(i32::try_from(limit).unwrap_or(i32::MAX));
        self
    }

    /// Only the names of the documents.
    pub(super) fn names_only(mut self) -> Self {
        self.query.select = Some(Projection { fields: vec![field(NAME)] });
        self
    }

    pub(super) fn build(mut self) -> StructuredQuery {
        self.query.r#where = match self.filters.len() {
            0 => None,
            1 => self.filters.pop(),
            _ => Some(Filter {
                filter_type: Some(FilterType::CompositeFilter(CompositeFilter {
                    op: Joint::And.into(),
                    filters: self.filters,
                })),
            }),
        };
        self.query
    }
}
