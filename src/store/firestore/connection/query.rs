//! Structured queries, built step by step.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::structured_query::composite_filter::Operator as Joint;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::field_filter::Operator;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::filter::FilterType;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::{
    CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order, Projection,
};
use firestore::gcloud_sdk::google::firestore::v1::{Cursor, StructuredQuery, Value};

use crate::jobs::StageName;
use crate::store::firestore::documents::value;
use crate::store::schema::Status;

/// The document's own name as a field.
pub(crate) const NAME: &str = "__name__";

/// The time of a job's creation.
pub(crate) const CREATED_AT: &str = "createdAt";

/// The first and the last microsecond that a timestamp of Firestore can hold.
pub(crate) const FIRST_TIME: DateTime<Utc> = at(-62_135_596_800_000_000);
pub(crate) const LAST_TIME: DateTime<Utc> = at(253_402_300_799_999_999);

/// How many active documents are read or listened to at once; of a longer queue the oldest come first.
pub(crate) const MAX_ACTIVE: usize = 2_000;

const fn at(micros: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp_micros(micros) {
        Some(at) => at,
        None => DateTime::UNIX_EPOCH,
    }
}

/// A query under construction.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    query: StructuredQuery,
    filters: Vec<Filter>,
}

fn field(path: &str) -> FieldReference {
    FieldReference { field_path: path.to_owned() }
}

impl Query {
    pub(crate) fn of(collection: &str) -> Self {
        let from = vec![CollectionSelector { collection_id: collection.to_owned(), all_descendants: false }];
        Self { query: StructuredQuery { from, ..Default::default() }, filters: Vec::new() }
    }

    fn filter(mut self, path: &str, op: Operator, value: Value) -> Self {
        let filter = FieldFilter { field: Some(field(path)), op: op.into(), value: Some(value) };
        self.filters.push(Filter { filter_type: Some(FilterType::FieldFilter(filter)) });
        self
    }

    pub(crate) fn equal(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::Equal, value)
    }

    pub(crate) fn one_of(self, path: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.filter(path, Operator::In, value::list(values.into_iter().collect()))
    }

    /// Documents for which one of these fields has one of its values.
    pub(crate) fn any_of(mut self, alternatives: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Self {
        let filters = alternatives.into_iter().map(|(path, values)| {
            let value = Some(value::list(values));
            let filter = FieldFilter { field: Some(field(path)), op: Operator::In.into(), value };
            Filter { filter_type: Some(FilterType::FieldFilter(filter)) }
        });
        let joint = CompositeFilter { op: Joint::Or.into(), filters: filters.collect() };
        self.filters.push(Filter { filter_type: Some(FilterType::CompositeFilter(joint)) });
        self
    }

    /// Documents with one of these statuses, and those of jobs under way: another program may have changed their status meanwhile.
    pub(crate) fn under_way_or(self, statuses: &[Status]) -> Self {
        let statuses = statuses.iter().map(|status| value::text(status.as_str())).collect();
        let stages = [StageName::Submitting, StageName::Generating].map(|stage| value::text(stage.as_str())).to_vec();
        self.any_of([("status", statuses), ("darkroom.stage", stages)])
    }

    pub(crate) fn at_least(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::GreaterThanOrEqual, value)
    }

    pub(crate) fn more_than(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::GreaterThan, value)
    }

    pub(crate) fn at_most(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::LessThanOrEqual, value)
    }

    pub(crate) fn less_than(self, path: &str, value: Value) -> Self {
        self.filter(path, Operator::LessThan, value)
    }

    pub(crate) fn order(mut self, path: &str, descending: bool) -> Self {
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        self.query.order_by.push(Order { field: Some(field(path)), direction: direction.into() });
        self
    }

    /// Only documents with a timestamp in `createdAt`.
    pub(crate) fn with_timestamp(self) -> Self {
        self.at_least(CREATED_AT, value::time(FIRST_TIME))
    }

    /// Continues after the document with these values of the orders.
    pub(crate) fn start_after(mut self, values: Vec<Value>) -> Self {
        self.query.start_at = Some(Cursor { values, before: false });
        self
    }

    /// Ends before the documents with these values of the orders.
    pub(crate) fn end_before(mut self, values: Vec<Value>) -> Self {
        self.query.end_at = Some(Cursor { values, before: true });
        self
    }

    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.query.limit = Some(i32::try_from(limit).unwrap_or(i32::MAX));
        self
    }

    /// Only the names of the documents.
    pub(crate) fn names_only(mut self) -> Self {
        self.query.select = Some(Projection { fields: vec![field(NAME)] });
        self
    }

    pub(crate) fn build(mut self) -> StructuredQuery {
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
