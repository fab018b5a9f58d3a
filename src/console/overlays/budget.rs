//! The budget screen: the caps with their use, and the uncertain charges with the answers that an operator can give.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::console::line_editor::LineEditor;
use crate::console::theme::Theme;
use crate::console::{DisplayZone, costs_view, widgets};
use crate::costs::{Basis, Budget, BudgetEdit, Usd};
use crate::engine::{CostOverview, UncertainCharges, UncertainItem};
use crate::jobs::BillingAnswer;
use crate::text::{self, format};

/// The budget screen and its own state.
#[derive(Debug, Default)]
pub struct BudgetScreen {
    /// `None` until they are loaded.
    charges: Option<Result<UncertainCharges, String>>,
    selected: usize,
    /// Rows that had room at the last draw.
    page: usize,
    /// What is typed, while it is.
    input: Option<(Field, LineEditor)>,
    /// Why the typed text was not accepted.
    hint: Option<&'static str>,
}

/// What an operator types here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The amount on the bill for the selected charge.
    Bill,
    DailyCap,
    MonthlyCap,
    /// The share of a cap, in percent, from which to warn.
    SoftMark,
}

impl Field {
    /// The text before the input, and behind it.
    fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Bill => ("amount on the bill: $", ""),
            Self::DailyCap => ("cap of a UTC day: $", ""),
            Self::MonthlyCap => ("cap of a UTC month: $", ""),
            Self::SoftMark => ("warn from this share of a cap on: ", " %"),
        }
    }
}

/// What a key means here.
#[derive(Debug, PartialEq, Eq)]
pub enum BudgetKey {
    /// It is not for this screen.
    Ignored,
    /// It changed the screen only.
    Taken,
    /// The selected charge is to be resolved.
    Resolve(Box<UncertainItem>, BillingAnswer),
    /// The caps of the store are to be changed.
    Change(BudgetEdit),
    /// The job of the selected charge is to be shown.
    Open(String),
    /// One line why nothing was done.
    Refused(&'static str),
}

/// What the screen is drawn from.
pub struct BudgetView<'a> {
    /// Spending and caps.
    pub costs: Option<&'a CostOverview>,
    /// Whether the money is simulated.
    pub simulated: bool,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

impl BudgetScreen {
    /// Takes over what was loaded; the selection stays at its place.
    pub fn load(&mut self, charges: Result<UncertainCharges, String>) {
        self.charges = Some(charges);
        self.selected = self.selected.min(self.items().len().saturating_sub(1));
        if matches!(self.input, Some((Field::Bill, _))) {
            self.input = None;
        }
    }

    fn items(&self) -> &[UncertainItem] {
        match &self.charges {
            Some(Ok(charges)) => &charges.items,
            _ => &[],
        }
    }

    /// Whether an amount is being typed.
    pub fn is_typing(&self) -> bool {
        self.input.is_some()
    }

    /// Inserts pasted text into what is typed.
    pub fn paste(&mut self, text: &str) {
        if let Some((_, input)) = &mut self.input {
            input.insert(text);
        }
    }

    fn begin_input(&mut self, field: Field, text: String) {
        self.input = Some((field, LineEditor::field(text)));
        self.hint = None;
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> BudgetKey {
        if key.kind == KeyEventKind::Release || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return BudgetKey::Ignored;
        }
        if self.input.is_some() {
            return self.input_key(key);
        }
        let last = self.items().len().saturating_sub(1);
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(self.page),
            KeyCode::PageDown => self.selected = (self.selected + self.page).min(last),
            KeyCode::Home | KeyCode::Char('g') => self.selected = 0,
            KeyCode::End | KeyCode::Char('G') => self.selected = last,
            KeyCode::Enter => {
                let Some(item) = self.items().get(self.selected) else { return BudgetKey::Ignored };
                return BudgetKey::Open(item.job_id.clone());
            }
            KeyCode::Char('b' | 'n') => {
                let Some(item) = self.items().get(self.selected) else {
                    return BudgetKey::Refused("No uncertain charge to resolve");
                };
                if !item.can_resolve {
                    return BudgetKey::Refused("This charge cannot be resolved here: its last column says why");
                }
                if key.code == KeyCode::Char('n') {
                    return BudgetKey::Resolve(Box::new(item.clone()), BillingAnswer::NotBilled);
                }
                let amount = item.amount.map(|amount| amount.to_string()).unwrap_or_default();
                self.begin_input(Field::Bill, amount);
            }
            KeyCode::Char('d') => self.begin_input(Field::DailyCap, String::new()),
            KeyCode::Char('m') => self.begin_input(Field::MonthlyCap, String::new()),
            KeyCode::Char('s') => self.begin_input(Field::SoftMark, String::new()),
            KeyCode::Char('c') => return BudgetKey::Change(BudgetEdit::Clear { model: None }),
            _ => return BudgetKey::Ignored,
        }
        BudgetKey::Taken
    }

    fn input_key(&mut self, key: KeyEvent) -> BudgetKey {
        let Some((field, input)) = &mut self.input else { return BudgetKey::Ignored };
        let field = *field;
        match key.code {
            KeyCode::Esc => self.input = None,
            KeyCode::Enter => {
                let typed = input.as_str().trim().to_owned();
                let outcome = match field {
                    Field::Bill => self.items().get(self.selected).map_or(Ok(BudgetKey::Taken), |item| {
                        let usd = positive_amount(&typed, "above zero; n releases the charge")?;
                        Ok(BudgetKey::Resolve(Box::new(item.clone()), BillingAnswer::Billed(Some(usd))))
                    }),
                    Field::DailyCap | Field::MonthlyCap => cap_edit(field, &typed),
                    Field::SoftMark => soft_edit(&typed),
                };
                match outcome {
                    Ok(outcome) => {
                        self.input = None;
                        return outcome;
                    }
                    Err(hint) => self.hint = Some(hint),
                }
            }
            _ => {
                self.hint = None;
                input.key(key);
            }
        }
        BudgetKey::Taken
    }

    /// Draws the screen over whatever is in the area.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &BudgetView<'_>) {
        let theme = view.theme;
        widgets::clear(frame, area, theme);
        let facts = if view.simulated { "simulated · days in UTC" } else { "real money · days in UTC" };
        let room = usize::from(area.width).saturating_sub(4);
        let keys = match (&self.input, self.items().is_empty()) {
            (Some((Field::Bill, _)), _) => "Enter books this amount · Esc back",
            (Some(_), _) => "Enter sets it for every process · Esc back",
            (None, true) if room < 55 => "d/m/s caps · c clear · Esc back",
            (None, true) => "d daily cap · m monthly cap · s soft mark · c clear · Esc back",
            (None, false) if room < 70 => "b/n bill · d/m/s caps · c clear",
            (None, false) if room < 100 => "d/m/s caps · c clear · b billed · n not billed · Enter open · Esc back",
            (None, false) => {
                "d daily cap · m monthly cap · s soft mark · c clear · b billed · n not billed · Enter open · Esc back"
            }
        };
        let block = widgets::pane("Budget", facts, area.width, true, theme)
            .title_bottom(Line::styled(format!(" {} ", format::cut(keys, room)), theme.accent));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let inner = if inner.width > 30 { Rect { x: inner.x + 1, width: inner.width - 2, ..inner } } else { inner };
        let width = usize::from(inner.width);
        let mut top = caps(view, width);
        match &self.input {
            Some((field, input)) if *field != Field::Bill => {
                top.pop();
                top.extend([self.input_line(*field, input, theme), Line::default()]);
            }
            _ => {}
        }
        top.push(self.summary(width, theme));
        let height = u16::try_from(top.len()).unwrap_or(u16::MAX).min(inner.height);
        frame.render_widget(Paragraph::new(top), Rect { height, ..inner });
        let rest = Rect { y: inner.y + height, height: inner.height - height, ..inner };
        self.draw_charges(frame, rest, view);
        widgets::fold_to_ascii(frame, area, theme);
    }

    /// `Uncertain: $0.04 unknown, $0.03 unconfirmed in 3 charges`.
    fn summary(&self, width: usize, theme: &Theme) -> Line<'static> {
        let charges = match &self.charges {
            None => return Line::styled("Loading uncertain charges…", theme.dim),
            Some(Err(reason)) => {
                let line = format!("Could not load the uncertain charges: {}", text::sanitize_line(reason, 200));
                return Line::styled(format::cut(&line, width), theme.bad);
            }
            Some(Ok(charges)) if charges.items.is_empty() => {
                return Line::styled(
                    format::cut("No uncertain charges: every cent is accounted for", width),
                    theme.dim,
                );
            }
            Some(Ok(charges)) => charges,
        };
        let sum = |basis: Basis| {
            charges.items.iter().filter(|item| item.basis == basis).filter_map(|item| item.amount).sum::<Usd>()
        };
        let more = if charges.has_more { " or more" } else { "" };
        let line = format!(
            "Uncertain: {} unknown, {} unconfirmed in {}{more}",
            sum(Basis::Unknown).display(),
            sum(Basis::Unconfirmed).display(),
            format::count(charges.items.len(), "charge"),
        );
        Line::styled(format::cut(&line, width), theme.warning)
    }

    fn draw_charges(&mut self, frame: &mut Frame<'_>, area: Rect, view: &BudgetView<'_>) {
        let theme = view.theme;
        self.page = usize::from(area.height).saturating_sub(4).max(1);
        if self.items().is_empty() || area.height < 2 {
            return;
        }
        let width = usize::from(area.width);
        let columns = Columns::new(width);
        let first = (self.selected + 1).saturating_sub(self.page);
        let mut lines = vec![Line::styled(columns.heading(), theme.dim)];
        for (index, item) in self.items().iter().enumerate().skip(first).take(self.page) {
            let is_selected = index == self.selected;
            let marker = if is_selected { "▸" } else { " " };
            let line = Line::styled(format!("{marker}{}", columns.row(item, view.zone)), theme.text);
            lines.push(if is_selected { line.style(theme.selected) } else { line });
        }
        if let Some(item) = self.items().get(self.selected) {
            let detail = if let Some((Field::Bill, input)) = &self.input {
                self.input_line(Field::Bill, input, theme)
            } else {
                let balance = item.balance_line().map(|line| format!("balance {line} · ")).unwrap_or_default();
                Line::styled(format::cut(&format!("{balance}{}", item.why), width), theme.dim)
            };
            lines.push(Line::default());
            lines.push(detail);
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn input_line(&self, field: Field, input: &LineEditor, theme: &Theme) -> Line<'static> {
        let (before, behind) = field.label();
        let (shown, _) = input.visible(20);
        let hint = self.hint.map(|hint| format!("  {hint}")).unwrap_or_default();
        Line::from(vec![
            Span::styled(before, theme.accent),
            Span::styled(shown.clone(), theme.text),
            Span::styled("▏", theme.accent),
            Span::styled(behind, theme.accent),
            Span::styled(hint, theme.warning),
        ])
    }
}

fn positive_amount(typed: &str, not_positive: &'static str) -> Result<Usd, &'static str> {
    let usd: Usd = typed.strip_prefix('$').unwrap_or(typed).parse().map_err(|_| "not an amount in dollars")?;
    if usd > Usd::ZERO { Ok(usd) } else { Err(not_positive) }
}

fn cap_edit(field: Field, typed: &str) -> Result<BudgetKey, &'static str> {
    let cap = Some(positive_amount(typed, "above zero; c removes all caps")?);
    let is_daily = field == Field::DailyCap;
    let caps = Budget { daily: cap.filter(|_| is_daily), monthly: cap.filter(|_| !is_daily) };
    Ok(BudgetKey::Change(BudgetEdit::Set { model: None, caps, soft_percent: None }))
}

fn soft_edit(typed: &str) -> Result<BudgetKey, &'static str> {
    let percent: Option<u8> = typed.trim_end_matches('%').trim().parse().ok();
    let percent = percent.filter(|percent| (1..=100).contains(percent)).ok_or("a whole number from 1 to 100")?;
    Ok(BudgetKey::Change(BudgetEdit::Set { model: None, caps: Budget::default(), soft_percent: Some(percent) }))
}

/// The caps with their use, and what is left on the account.
fn caps(view: &BudgetView<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    let Some(costs) = view.costs else { return vec![Line::styled("Loading costs…", theme.dim), Line::default()] };
    let caps = costs_view::caps(costs);
    let mut lines = costs_view::cap_lines(&caps, width.min(70), theme);
    if caps.is_empty() {
        let line = "No cap is set · d sets one for a day, m for a month";
        lines.push(Line::styled(format::cut(line, width), theme.dim));
    }
    if let Some(percent) = costs.soft_percent.filter(|_| !caps.is_empty()) {
        lines.push(Line::styled(format!("soft mark: a notice from {percent} % of a cap on"), theme.dim));
    }
    if let Some(credits) = costs.credits {
        lines.push(Line::styled(format!("{} left on the account", credits.display()), theme.dim));
    }
    lines.push(Line::default());
    lines
}

/// Widths of the columns in cells; 0 is "not there".
struct Columns {
    time: usize,
    job: usize,
    model: usize,
    why: usize,
}

const AMOUNT: usize = 9;
const BASIS: usize = 11;

impl Columns {
    fn new(width: usize) -> Self {
        // A narrow screen shows month, day and minute.
        let time = if width < 60 { 11 } else { 20 };
        let job = if width < 60 { 8 } else { 12 };
        let model = if width < 90 { 0 } else { 18 };
        let used = 1 + time + 1 + job + 1 + AMOUNT + 2 + BASIS + 1 + if model > 0 { model + 1 } else { 0 };
        Self { time, job, model, why: width.saturating_sub(used) }
    }

    fn heading(&self) -> String {
        self.line(["time", "job", "amount", "basis", "model", "why"])
    }

    fn row(&self, item: &UncertainItem, zone: DisplayZone) -> String {
        let amount = item.amount.map_or("unknown".to_owned(), |amount| format!("{}?", amount.display()));
        let job = text::sanitize_line(&item.job_id, 60);
        let job = match item.attempt {
            Some(number) if number > 1 => format!("{}/{number}", format::cut(&job, self.job.saturating_sub(3))),
            _ => job,
        };
        let model = text::sanitize_line(&item.model, 60);
        let time = zone.date_and_minute(item.at);
        let time = if self.time < 20 { time.get(5..16).unwrap_or(&time) } else { &time };
        self.line([time, &job, &amount, item.basis.as_str(), &model, &item.why])
    }

    fn line(&self, [time, job, amount, basis, model, why]: [&str; 6]) -> String {
        let mut line = format!(
            "{} {} {}  {}",
            format::fit(time, self.time),
            format::fit(job, self.job),
            format::fit_right(amount, AMOUNT),
            format::fit(basis, BASIS),
        );
        if self.model > 0 {
            line.push(' ');
            line.push_str(&format::fit(model, self.model));
        }
        if self.why > 0 {
            line.push(' ');
            line.push_str(&format::cut(why, self.why));
        }
        line
    }
}
