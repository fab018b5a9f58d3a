//! A page of metrics, read strictly: what Prometheus' own checker refuses fails here too.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A page of metrics.
#[derive(Debug)]
pub struct Page {
    values: BTreeMap<(String, Labels), f64>,
}

impl Page {
    /// Every sample has its help and its type above it, each series occurs once, each name and number is valid.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let (mut helped, mut typed, mut values) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(!help.trim().is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(matches!(kind, "gauge" | "counter"), "{line}");
                assert!(helped.contains(name) && typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                let (name, labels) =
                    series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
                assert!(is_name(name) && name.starts_with("darkroom_"), "{line}");
                let kind = typed.get(name).unwrap_or_else(|| panic!("no type above: {line}"));
                assert_eq!(kind == "counter", name.ends_with("_total"), "a counter is called so: {line}");
                assert!(value.is_finite() && value >= 0.0, "{line}");
                let key = (name.to_owned(), labels_of(labels));
                assert!(values.insert(key, value).is_none(), "twice: {line}");
            }
        }
        Self { values }
    }

    /// The value of exactly that series.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.values.get(&(name.to_owned(), labels)).copied()
    }

    /// Whether there is any series of that name.
    pub fn has(&self, name: &str) -> bool {
        self.values.keys().any(|(known, _)| known == name)
    }

    /// All series of that name together, if there is any.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let values = self.values.iter().filter(|((known, _), _)| known == name).map(|(_, value)| *value);
        values.reduce(|sum, value| sum + value)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn labels_of(text: &str) -> Labels {
    let mut labels = Labels::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').expect("a label");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect("a value in quotes");
        assert!(is_name(name) && !value.contains(['"', '\\']), "{part}");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{part}");
    }
    labels
}
