//! The order in which a page goes through the documents: first those with a timestamp in `createdAt`, in the order of time; then
//! those that hold something else there; last those without the field, in the order of their ids. Pure.
//!
//! The server sorts texts and maps after all timestamps, and numbers before them, so that without this a handful of such documents
//! would come first in every page. A document without the field is in no order by that field: such documents are found by going
//! through all names, and only where a count says that they exist.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;

use crate::jobs::JobId;
use crate::store::firestore::connection::query::{CREATED_AT, FIRST_TIME, LAST_TIME, NAME, Query};
use crate::store::firestore::documents::value::{self, Value};
use crate::store::{DATELESS, PageCursor, UNDATED};

/// Documents that are neighbours in the server's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SortSegment {
    /// Those with a timestamp, from this one on.
    Dated(DateTime<Utc>),
    /// What the server sorts after timestamps: text, bytes, references, geo points, lists, maps.
    Above,
    /// What the server sorts before timestamps: null, true and false, numbers.
    Below,
    /// Those without the field.
    Missing,
}

/// A position in the order.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    segment: SortSegment,
    /// The values of the last document in the query's orders.
    after: Option<Vec<Value>>,
}

impl Position {
    pub(crate) fn start(since: Option<DateTime<Utc>>) -> Self {
        Self { segment: SortSegment::Dated(since.unwrap_or(FIRST_TIME)), after: None }
    }

    /// After the cursor, where the cursor alone defines the position.
    pub(crate) fn after_cursor(since: Option<DateTime<Utc>>, time: DateTime<Utc>, name: String) -> Option<Self> {
        if time == UNDATED {
            return None;
        }
        if time == DATELESS {
            return Some(Self { segment: SortSegment::Missing, after: Some(vec![value::reference(name)]) });
        }
        Some(Self { after: Some(vec![value::time(time), value::reference(name)]), ..Self::start(since) })
    }

    /// After a document whose date is not a timestamp; `None` where the date has become one, or is gone.
    pub(crate) fn after_undated(document: &Document) -> Option<Self> {
        let date = document.fields.get(CREATED_AT)?;
        let segment = match date.value_type.as_ref() {
            Some(ValueType::TimestampValue(_)) => return None,
            None
            | Some(
                ValueType::NullValue(_)
                | ValueType::BooleanValue(_)
                | ValueType::IntegerValue(_)
                | ValueType::DoubleValue(_),
            ) => SortSegment::Below,
            Some(_) => SortSegment::Above,
        };
        Some(Self { segment, after: None }.after(document))
    }

    /// After a document of this segment.
    pub(crate) fn after(self, document: &Document) -> Self {
        let mut values = vec![value::reference(&document.name)];
        if self.segment != SortSegment::Missing {
            values.insert(0, document.fields.get(CREATED_AT).cloned().unwrap_or_default());
        }
        Self { after: Some(values), ..self }
    }

    /// The start of the next segment.
    pub(crate) fn next_segment(self) -> Option<Self> {
        let next = |segment| Some(Self { segment, after: None });
        match self.segment {
            SortSegment::Dated(_) => next(SortSegment::Above),
            SortSegment::Above => next(SortSegment::Below),
            SortSegment::Below => next(SortSegment::Missing),
            SortSegment::Missing => None,
        }
    }

    /// All documents that have the field, whatever it holds.
    pub(crate) fn dated_or_undated(query: Query) -> Query {
        query.order(CREATED_AT, true)
    }

    /// Whether this segment goes through all names.
    pub(crate) fn is_by_name(&self) -> bool {
        self.segment == SortSegment::Missing
    }

    /// The same, and nothing of it was read yet.
    pub(crate) fn starts_missing(&self) -> bool {
        self.is_by_name() && self.after.is_none()
    }

    /// Whether the document belongs to this segment: a query by name returns the dated ones too.
    pub(crate) fn includes(&self, document: &Document) -> bool {
        self.segment != SortSegment::Missing || !document.fields.contains_key(CREATED_AT)
    }

    /// The query for the documents after this position.
    pub(crate) fn query(&self, query: Query, descending: bool) -> Query {
        let bound = |time| vec![value::time(time)];
        let query = match (self.segment, descending) {
            (SortSegment::Dated(from), _) => query.at_least(CREATED_AT, value::time(from)),
            (SortSegment::Above, true) => query.end_before(bound(LAST_TIME)),
            (SortSegment::Above, false) => query.start_after(bound(LAST_TIME)),
            (SortSegment::Below, true) => query.start_after(bound(FIRST_TIME)),
            (SortSegment::Below, false) => query.end_before(bound(FIRST_TIME)),
            (SortSegment::Missing, _) => query,
        };
        let query = match self.segment {
            SortSegment::Missing => query.order(NAME, false),
            _ => query.order(CREATED_AT, descending).order(NAME, descending),
        };
        match &self.after {
            Some(values) => query.start_after(values.clone()),
            None => query,
        }
    }

    /// The cursor of a document of this segment.
    pub(crate) fn cursor_of(&self, document: &Document) -> Option<PageCursor> {
        let id = JobId::new(document.name.rsplit('/').next()?).ok()?;
        let time = match self.segment {
            SortSegment::Missing => DATELESS,
            _ => value::time_of(&document.fields, CREATED_AT).unwrap_or(UNDATED),
        };
        Some((time, id))
    }
}
