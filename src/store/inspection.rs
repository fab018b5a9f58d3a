//! What a store holds that darkroom did not write: the basis of a takeover.

use chrono::{DateTime, Utc};

use super::StoreSettings;
use crate::jobs::{Job, JobId};

/// Documents of a collection: all of them, and those that darkroom has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DocumentCount {
    /// Of any program.
    pub all: u64,
    /// Of darkroom.
    pub own: u64,
}

impl DocumentCount {
    /// Those of other programs.
    pub fn others(self) -> u64 {
        self.all.saturating_sub(self.own)
    }
}

/// What requests of other programs get that do not name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DefaultChoice {
    /// What the settings of the store name, else what it was under the other backend.
    #[default]
    Former,
    /// What this program has built in.
    BuiltIn,
    /// This.
    Named(String),
}

impl DefaultChoice {
    /// The setting that follows.
    pub fn resolve(&self, current: Option<&String>, former: Option<&String>) -> Option<String> {
        match self {
            Self::Former => current.or(former).cloned(),
            Self::BuiltIn => None,
            Self::Named(name) => Some(name.clone()),
        }
    }
}

/// The chosen defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefaultChoices {
    /// The model.
    pub model: DefaultChoice,
    /// The image format.
    pub output_format: DefaultChoice,
}

/// What a store holds that darkroom did not write.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreInspection {
    /// The settings of the store, with the record of ownership where one exists.
    pub settings: StoreSettings,
    /// The same with the chosen defaults.
    pub next_settings: StoreSettings,
    /// The revision of that record.
    pub revision: u64,
    /// Documents in `jobs`.
    pub jobs: DocumentCount,
    /// Documents in `costs`.
    pub costs: DocumentCount,
    /// What requests without a model or a format became before.
    pub former_defaults: FormerDefaults,
    /// Queued jobs that a worker would start, oldest first, as they would run with the chosen defaults.
    pub waiting: Vec<Job>,
    /// All queued jobs, also those that were not read.
    pub waiting_count: u64,
    /// Requests that cannot be read, with one line each.
    pub unreadable: Vec<(JobId, String)>,
    /// Jobs that another backend has taken up and not finished.
    pub in_progress: Vec<Job>,
    /// The newest write of another backend that was found: a result, or a job that it took up.
    pub last_write: Option<DateTime<Utc>>,
    /// The newest charge that another backend recorded.
    pub last_charge: Option<DateTime<Utc>>,
}

/// A sign that another backend works on a store that darkroom owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignActivity {
    /// When it wrote.
    pub at: DateTime<Utc>,
    /// On which job.
    pub job: JobId,
    /// Whether it recorded a charge; otherwise it moved the job.
    pub is_charge: bool,
}

impl std::fmt::Display for ForeignActivity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_charge { "recorded a charge for" } else { "moved" };
        let at = self.at.format("%Y-%m-%d %H:%M:%S UTC");
        write!(
            formatter,
            "another backend works on this store: it {what} job {} at {at}; stop it, or jobs are paid twice",
            self.job
        )
    }
}

/// What requests without a model or a format became under another backend, as the newest results show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormerDefaults {
    /// Results that were read.
    pub results: usize,
    /// The catalog's name of the model that most requests without a model got.
    pub model: Option<String>,
    /// The name as the other backend wrote it, where the catalog does not know that model.
    pub unknown_model: Option<String>,
    /// The format of most images: `png`, `jpeg` or `webp`.
    pub output_format: Option<String>,
}

impl FormerDefaults {
    /// From the results of other backends, newest first: the model of each that was requested without one, and the address of each
    /// image. `catalog_name` finds a model under a former spelling.
    pub fn of<'a>(
        results: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>,
        catalog_name: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let (mut models, mut formats) = (Vec::new(), Vec::new());
        let mut count = 0;
        for (model, url) in results {
            count += 1;
            models.extend(model.map(str::to_owned));
            formats.extend(url.and_then(format_of));
        }
        let model = most_common(&models);
        let known = model.as_deref().and_then(catalog_name);
        let unknown_model = model.filter(|_| known.is_none());
        Self { results: count, model: known, unknown_model, output_format: most_common(&formats) }
    }
}

/// The format that the name of an image shows.
fn format_of(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "png" => Some("png".to_owned()),
        "jpg" | "jpeg" => Some("jpeg".to_owned()),
        "webp" => Some("webp".to_owned()),
        _ => None,
    }
}

/// The most common of them; of equally common ones the first.
fn most_common(values: &[String]) -> Option<String> {
    let count = |value: &String| values.iter().filter(|other| *other == value).count();
    // `max_by_key` returns the last of equal ones.
    values.iter().rev().max_by_key(|value| count(value)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_defaults_follow_the_majority() {
        let catalog = |name: &str| (name == "flux_dev").then(|| "flux-dev".to_owned());
        let png = Some("https://x.example/generated-art/a.png?sig=1");
        let results = [
            (None, Some("https://x.example/generated-art/b.jpg")),
            (Some("flux_dev"), png),
            (Some("flux_dev"), png),
            (Some("flux_pro"), None),
        ];
        let former = FormerDefaults::of(results, catalog);
        assert_eq!((former.model.as_deref(), former.output_format.as_deref()), (Some("flux-dev"), Some("png")));
        assert_eq!((former.results, former.unknown_model), (4, None));
        let unknown = FormerDefaults::of([(Some("dreamer"), None)], catalog);
        assert_eq!((unknown.model, unknown.unknown_model.as_deref()), (None, Some("dreamer")));
        assert_eq!(FormerDefaults::of([], catalog), FormerDefaults::default());
    }
}
