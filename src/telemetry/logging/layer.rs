//! Turns tracing's events and spans into lines. It never blocks, because the caller may hold any lock.

use chrono::Utc;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::line::{Fields, Line};
use super::redactor::Redactor;
use super::sinks::Sink;

/// Makes a line from each event and writes it to every sink.
pub struct LineLayer {
    redactor: Redactor,
    sinks: Vec<Box<dyn Sink>>,
}

impl LineLayer {
    /// A layer with these sinks.
    pub fn new(redactor: Redactor, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { redactor, sinks }
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(&own);
        let line = Line::new(Utc::now(), event.metadata(), fields, &self.redactor);
        for sink in &self.sinks {
            sink.write(&line);
        }
    }
}
