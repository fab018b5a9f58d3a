//! The submit form: a prompt and Enter are enough; everything else has a default. It returns jobs and sends nothing itself.

mod chooser;
mod draft;
mod keys;
mod matrix;
mod model_picker;
mod price;
mod prompt;
mod rows;
mod view;

pub use draft::{Draft, Drafts};
pub use keys::FormOutcome;
pub use matrix::Limits;

use crate::catalog::{Catalog, InputSizes, Model, Parameter, ParameterKind, SpecError};
use crate::console::line_editor::LineEditor;
use crate::console::saved::Presets;
use crate::costs::{Estimate, Usd};
use crate::jobs::{Job, JobId, Spec};
use crate::text;

use chooser::Chooser;
use draft::{ValidatedDraft, shown_parameters};
use matrix::MatrixPlan;
use model_picker::ModelPicker;
use prompt::PromptEditor;

/// What was typed into the fields of input images, by parameter.
type ImageTexts = Vec<(String, String)>;

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Prompt,
    Model,
    Count,
    Tags,
    /// Whether a matrix is made.
    Matrix,
    /// Models of the matrix.
    Models,
    /// Sizes of the matrix.
    Sizes,
    /// Seeds of the matrix.
    Seeds,
    /// By its place in the model.
    Parameter(usize),
}

/// The submit form and its own state.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not one state")]
pub struct Form {
    catalog: &'static Catalog,
    draft: Draft,
    prompt: PromptEditor,
    picker: ModelPicker,
    focus: Field,
    /// The text of the field with the focus, where that is one line.
    editor: LineEditor,
    validated: ValidatedDraft,
    /// What one image costs.
    estimate: Estimate,
    /// The input images that were measured, or are being measured, as they were typed, and their sizes.
    measured: (ImageTexts, InputSizes),
    /// Files among them that cannot be read.
    unreadable: Vec<SpecError>,
    simulated: bool,
    /// Whether the next Enter submits with real money.
    armed: bool,
    /// Whether the draft changed since it was validated.
    is_stale: bool,
    /// The cloned job and its unchanged draft, where the form was filled from a job.
    clone_of: Option<(JobId, Draft)>,
    /// A model that this catalog does not know, until another one is chosen.
    unknown_model: Option<String>,
    /// Whether a submit was refused: then an empty prompt is a problem, before that it is just not typed yet.
    refused: bool,
    /// The first row of the list of fields that is on the screen.
    scroll: usize,
    /// The counted matrix, where the draft makes one.
    plan: Option<MatrixPlan>,
    limits: Limits,
    presets: Presets,
    /// The list over the fields.
    chooser: Option<Chooser>,
    /// Where the fields are on the screen, by row.
    field_rows: Vec<(u16, Field)>,
}

impl Form {
    /// A form for a new job, filled from a draft. `history` has earlier prompts, newest first.
    pub fn new(catalog: &'static Catalog, draft: Option<Draft>, history: Vec<String>, simulated: bool) -> Self {
        Self::with(catalog, draft.unwrap_or_default(), history, simulated)
    }

    /// A form filled from a job, or from the changed clone of it that was kept.
    pub fn clone_of(
        catalog: &'static Catalog,
        job: &Job,
        kept: Option<Draft>,
        history: Vec<String>,
        simulated: bool,
    ) -> Self {
        let mut form = Self::with(catalog, Draft::from_job(&job.spec, &job.tags), Vec::new(), simulated);
        let unchanged = form.draft();
        if let Some(kept) = kept {
            form = Self::with(catalog, kept, history, simulated);
        } else {
            form.prompt.set_history(history);
        }
        form.clone_of = Some((job.id.clone(), unchanged));
        form
    }

    fn with(catalog: &'static Catalog, draft: Draft, history: Vec<String>, simulated: bool) -> Self {
        let prompt = PromptEditor::new(&draft.prompt, history);
        let known = draft.model.is_empty() || catalog.model(&draft.model).is_some();
        let unknown_model = (!known).then(|| text::sanitize_line(&draft.model, 30));
        let validated = draft.validate(catalog);
        let estimate = catalog.estimate(&validated.spec);
        let mut form = Self {
            catalog,
            draft,
            prompt,
            picker: ModelPicker::default(),
            focus: Field::Prompt,
            editor: LineEditor::field(String::new()),
            validated,
            estimate,
            measured: Default::default(),
            unreadable: Vec::new(),
            simulated,
            armed: false,
            is_stale: false,
            clone_of: None,
            unknown_model,
            refused: false,
            scroll: 0,
            plan: None,
            limits: Limits::default(),
            presets: Presets::new(),
            chooser: None,
            field_rows: Vec::new(),
        };
        form.focus = form.fields().first().copied().unwrap_or(Field::Model);
        form.changed();
        form.refresh();
        form
    }

    /// Sets the presets that can be chosen.
    pub fn set_presets(&mut self, presets: Presets) {
        self.presets = presets;
        if self.chooser.as_ref().is_some_and(|chooser| chooser.kind == chooser::ChooserKind::Presets) {
            self.choose_preset();
        }
    }

    /// Sets what limits a submit; a matrix is counted again where that changed.
    pub fn set_limits(&mut self, limits: Limits) {
        if self.limits != limits {
            self.limits = limits;
            if self.draft.matrix {
                self.changed();
            }
        }
    }

    /// Whether the next Enter submits with real money.
    pub fn is_armed(&self) -> bool {
        self.armed
    }

    /// The job that the form was filled from.
    pub fn source(&self) -> Option<&JobId> {
        self.clone_of.as_ref().map(|(id, _)| id)
    }

    /// Whether there is something to keep: an unchanged clone can be opened again.
    pub fn is_worth_keeping(&self) -> bool {
        self.clone_of.as_ref().map(|(_, draft)| draft) != Some(&self.draft())
    }

    /// Everything that was typed.
    pub fn draft(&self) -> Draft {
        Draft { prompt: self.prompt.text(), ..self.draft.clone() }
    }

    fn model(&self) -> Option<&'static Model> {
        self.draft.model(self.catalog)
    }

    fn parameter(&self, index: usize) -> Option<&'static Parameter> {
        self.model().and_then(|model| model.parameters.get(index))
    }

    /// The fields, in Tab order.
    fn fields(&self) -> Vec<Field> {
        let Some(model) = self.model() else { return vec![Field::Prompt, Field::Model] };
        let prompt = model.prompt.is_some().then_some(Field::Prompt);
        let parameters = shown_parameters(&self.draft, model).into_iter().map(Field::Parameter);
        let lists: &[Field] = if self.draft.matrix { &[Field::Models, Field::Sizes, Field::Seeds] } else { &[] };
        let own = [Field::Model, Field::Count, Field::Tags, Field::Matrix].into_iter().chain(lists.iter().copied());
        prompt.into_iter().chain(own).chain(parameters).collect()
    }

    /// The name under which problems of that field are known.
    fn name(&self, field: Field) -> &'static str {
        match field {
            Field::Prompt => "prompt",
            Field::Model => "model",
            Field::Count => "count",
            Field::Tags => "tags",
            Field::Matrix => "matrix",
            Field::Models => "models",
            Field::Sizes => "sizes",
            Field::Seeds => "seeds",
            Field::Parameter(index) => self.parameter(index).map_or("", |parameter| parameter.name.as_str()),
        }
    }

    /// The problem of that field, in one line.
    fn problem(&self, field: Field) -> Option<String> {
        if field == Field::Prompt {
            if let Some(problem) = self.prompt.problem() {
                return Some(problem);
            }
            if self.prompt.is_empty() && !self.refused {
                return None;
            }
        }
        self.validated.problem(self.name(field)).map(str::to_owned)
    }

    /// Whether the seed was fixed for several images, which would all be the same.
    fn repeats_itself(&self, field: Field) -> bool {
        self.name(field) == "seed" && self.validated.count > 1 && !self.draft.value("seed").trim().is_empty()
    }

    /// Marks the draft as changed. It is validated when the result is needed, so that a long text costs one validation.
    fn changed(&mut self) {
        self.is_stale = true;
    }

    /// Validates and prices the draft where it changed.
    fn refresh(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        self.draft.prompt = self.prompt.text();
        if let Some(model) = self.model() {
            self.draft.model.clone_from(&model.name);
        }
        self.validated = self.draft.validate(self.catalog);
        self.plan = None;
        if self.draft.matrix {
            let mut plan = MatrixPlan::new(&self.draft, self.catalog, self.validated.count, &self.limits, self.sizes());
            // Its problems replace those of the one model above: the matrix may leave that model out.
            let own = |problem: &SpecError| matches!(problem.parameter.as_str(), "count" | "tags");
            self.validated.problems.retain(own);
            self.validated.problems.append(&mut plan.problems);
            self.plan = Some(plan);
        }
        if self.measured.0 == self.image_texts() {
            let is_new = |problem: &&SpecError| self.validated.problem(&problem.parameter).is_none();
            let unreadable: Vec<SpecError> = self.unreadable.iter().filter(is_new).cloned().collect();
            self.validated.problems.extend(unreadable);
        }
        self.reprice();
    }

    /// How many images a submit makes.
    fn images(&self) -> u64 {
        self.plan.as_ref().map_or(u64::from(self.validated.count), MatrixPlan::images)
    }

    /// What they cost, where that is known.
    fn total(&self) -> Option<Usd> {
        match &self.plan {
            Some(plan) => plan.price,
            None => self.estimate.amount.map(|amount| amount * u64::from(self.validated.count)),
        }
    }

    /// Prices the draft with the sizes of its input images, as far as they are known: like the worker that will submit it.
    fn reprice(&mut self) {
        self.estimate = self.catalog.estimate_sized(&self.validated.spec, self.sizes());
    }

    /// The sizes of the input images, as far as they are known.
    fn sizes(&self) -> &InputSizes {
        static UNKNOWN: InputSizes = InputSizes::new();
        let (texts, sizes) = &self.measured;
        if *texts == self.image_texts() { sizes } else { &UNKNOWN }
    }

    /// The input images as they were typed, by parameter.
    fn image_texts(&self) -> ImageTexts {
        let images = self.model().into_iter().flat_map(Model::images);
        let texts = images.map(|image| (image.name.clone(), self.draft.value(&image.name).to_owned()));
        texts.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The spec whose input images are to be measured now, if they changed: the form itself reads no files.
    pub fn next_measurement(&mut self) -> Option<Spec> {
        let texts = self.image_texts();
        if texts == self.measured.0 {
            return None;
        }
        let has_images = !texts.is_empty();
        self.measured = (texts, InputSizes::new());
        self.unreadable.clear();
        self.refresh();
        has_images.then(|| self.validated.spec.clone())
    }

    /// The sizes of the input images of that spec, and which of its files cannot be read.
    pub fn on_measured(&mut self, spec: &Spec, sizes: InputSizes, unreadable: Vec<SpecError>) {
        self.refresh();
        let images = |spec: &Spec| {
            let names = self.measured.0.iter().map(|(name, _)| spec.parameters.get(name).cloned());
            names.collect::<Vec<_>>()
        };
        if images(spec) == images(&self.validated.spec) {
            self.measured.1 = sizes;
            self.unreadable = unreadable;
            self.changed();
            self.refresh();
        }
    }

    fn focus_on(&mut self, field: Field) {
        if self.focus == Field::Model && field != Field::Model {
            self.picker.clear();
        }
        self.focus = field;
        self.editor = LineEditor::field(self.text(field).to_owned());
        // A cloned value is replaced by what is typed over it.
        if self.clone_of.as_ref().is_some_and(|(_, cloned)| self.text_in(cloned, field) == self.text(field)) {
            self.editor.select_all();
        }
    }

    /// The text of a field that is one line.
    fn text(&self, field: Field) -> &str {
        self.text_in(&self.draft, field)
    }

    fn text_in<'a>(&self, draft: &'a Draft, field: Field) -> &'a str {
        match field {
            Field::Prompt | Field::Model | Field::Matrix => "",
            Field::Count => &draft.count,
            Field::Tags => &draft.tags,
            Field::Models => &draft.models,
            Field::Sizes => &draft.sizes,
            Field::Seeds => &draft.seeds,
            Field::Parameter(_) => draft.value(self.name(field)),
        }
    }

    fn set_text(&mut self, field: Field, text: String) {
        match field {
            Field::Prompt | Field::Model | Field::Matrix => return,
            Field::Count => self.draft.count = text,
            Field::Tags => self.draft.tags = text,
            Field::Models => self.draft.models = text,
            Field::Sizes => self.draft.sizes = text,
            Field::Seeds => self.draft.seeds = text,
            Field::Parameter(_) => self.draft.set(self.name(field), text),
        }
        self.changed();
    }

    /// The value of a boolean or a choice, and whether that is the API's default.
    fn chosen(&self, parameter: &Parameter) -> (Option<String>, bool) {
        let typed = self.draft.value(&parameter.name).trim();
        if !typed.is_empty() {
            return (Some(typed.to_owned()), false);
        }
        let default = parameter.default.as_ref().map(|value| match value {
            serde_json::Value::String(word) => word.clone(),
            other => other.to_string(),
        });
        (default, true)
    }

    /// The values of a boolean or a choice.
    fn words(kind: &ParameterKind) -> Vec<String> {
        match kind {
            ParameterKind::Boolean => vec!["false".to_owned(), "true".to_owned()],
            ParameterKind::Choice(words) => words.clone(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
