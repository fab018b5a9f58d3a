//! Owns the order in which a page goes over the documents: first those with a timestamp in `createdAt`, in the order of time; then
//! those that hold something else there, as old backends and accidents left them. The server sorts texts and maps behind all
//! times, and numbers before them, so that without this a handful of such documents would stand before every page.
//! Pure. Must not know what a document means.
//!
//! A document without the field is in no such order, and in no page; it is heard of while it is active, and found by its id.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;

use super::super::PageCursor;
use super::query::{NAME, Query};
use super::value::{self, Value};
use crate::jobs::JobId;

const FIELD: &str = "createdAt";

/// The first and the last microsecond that a timestamp of Firestore can hold.
const FIRST: DateTime<Utc> = at(-62_135_596_800_000_000);
const LAST: DateTime<Utc> = at(253_402_300_799_999_999);

/// Stands in a place for a date that is no timestamp.
const ODD: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;

const fn at(micros: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp_micros(micros) {
        Some(at) => at,
        None => DateTime::UNIX_EPOCH,
    }
}

/// Documents that stand together in the server's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// Those with a timestamp, from there on.
    Dated(DateTime<Utc>),
    /// What the server sorts behind timestamps: text, bytes, references, places, lists, maps.
    Above,
    /// What the server sorts before timestamps: null, true and false, numbers.
    Below,
}

/// Where a look stands.
#[derive(Debug, Clone)]
pub(super) struct Position {
    stretch: Stretch,
    /// The values of the last document in the query's orders.
    behind: Option<Vec<Value>>,
}

impl Position {
    pub(super) fn begin(since: Option<DateTime<Utc>>) -> Self {
        Self { stretch: Stretch::Dated(since.unwrap_or(FIRST)), behind: None }
    }

    /// Behind that time and that document.
    pub(super) fn behind_time(self, time: DateTime<Utc>, name: String) -> Self {
        Self { behind: Some(vec![value::time(time), value::reference(name)]), ..self }
    }

    /// Behind a document whose date is no timestamp; `None` where it has become one, or is gone.
    pub(super) fn behind_odd(document: &Document) -> Option<Self> {
        let date = document.fields.get(FIELD)?;
        let stretch = match date.value_type.as_ref() {
            Some(ValueType::TimestampValue(_)) => return None,
            None
            | Some(
                ValueType::NullValue(_)
                | ValueType::BooleanValue(_)
                | ValueType::IntegerValue(_)
                | ValueType::DoubleValue(_),
            ) => Stretch::Below,
            Some(_) => Stretch::Above,
        };
        Some(Self { stretch, behind: None }.behind(document))
    }

    /// Behind a document of this stretch.
    pub(super) fn behind(self, document: &Document) -> Self {
        let date = document.fields.get(FIELD).cloned().unwrap_or_default();
        Self { behind: Some(vec![date, value::reference(&document.name)]), ..self }
    }

    /// What comes when this stretch is at its end. A number is no date that could be `recent`.
    pub(super) fn next_stretch(self, recent: bool) -> Option<Self> {
        let next = |stretch| Some(Self { stretch, behind: None });
        match self.stretch {
            Stretch::Dated(_) => next(Stretch::Above),
            Stretch::Above if !recent => next(Stretch::Below),
            Stretch::Above | Stretch::Below => None,
        }
    }

    /// The question for what comes next.
    pub(super) fn question(&self, query: Query, descending: bool) -> Query {
        let bound = |time| vec![value::time(time)];
        let query = match (self.stretch, descending) {
            (Stretch::Dated(from), _) => query.at_least(FIELD, value::time(from)),
            (Stretch::Above, true) => query.before(bound(LAST)),
            (Stretch::Above, false) => query.behind(bound(LAST)),
            (Stretch::Below, true) => query.behind(bound(FIRST)),
            (Stretch::Below, false) => query.before(bound(FIRST)),
        };
        let query = query.order(FIELD, descending).order(NAME, descending);
        match &self.behind {
            Some(values) => query.behind(values.clone()),
            None => query,
        }
    }
}

/// Only documents with a timestamp.
pub(super) fn dated(query: Query) -> Query {
    query.at_least(FIELD, value::time(FIRST))
}

/// Whether that place is one of a time.
pub(super) fn is_dated(place: &PageCursor) -> bool {
    place.0 != ODD
}

/// The place of a document in the order.
pub(super) fn place_of(document: &Document) -> Option<PageCursor> {
    let id = JobId::new(document.name.rsplit('/').next()?).ok()?;
    Some((value::time_of(&document.fields, FIELD).unwrap_or(ODD), id))
}
