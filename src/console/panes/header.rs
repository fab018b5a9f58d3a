//! The header: context, money, connection. It never wraps, and never hides the money badge or the amount.
//!
//! Problems replace normal states. In narrow terminals parts are shortened and then dropped, least important first.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::costs_view::{BudgetUse, aligned, caps};
use crate::console::keymap::{Action, KeyMap};
use crate::console::status::Status;
use crate::console::theme::Theme;
use crate::costs::{CostReport, Usd};
use crate::engine::{ConnectionState, Intake, Pause, TemporalStatus};
use crate::text;
use crate::text::format;

/// What the header is drawn from.
pub struct HeaderView<'a> {
    /// The name of the configuration.
    pub context: &'a str,
    /// What it runs on: `sqlite · local`.
    pub adapters: &'a str,
    /// No real money.
    pub simulated: bool,
    /// The engine's state.
    pub status: &'a Status,
    /// The present.
    pub now: DateTime<Utc>,
    /// For texts that name a key.
    pub keys: KeyMap,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// A part of the line in several forms, longest first, each with a priority: the lowest is shortened first. An empty last
/// form drops the part.
struct Part {
    forms: Vec<(u8, String)>,
    style: Style,
    form: usize,
}

impl Part {
    fn new(style: Style, forms: impl IntoIterator<Item = (u8, String)>) -> Self {
        Self { forms: forms.into_iter().collect(), style, form: 0 }
    }

    /// The priority of the current form; `None` where it cannot get shorter.
    fn priority(&self) -> Option<u8> {
        (self.form + 1 < self.forms.len()).then(|| self.forms[self.form].0)
    }

    fn shown(&self) -> &str {
        self.forms.get(self.form).map_or("", |(_, text)| text.as_str())
    }

    fn width(&self) -> usize {
        match self.shown().width() {
            0 => 0,
            width => width + GAP,
        }
    }
}

/// Cells between two parts.
const GAP: usize = 2;
/// Cells of the context's name in narrow terminals.
const SHORT_CONTEXT: usize = 10;

/// Draws the line.
pub fn draw(frame: &mut Frame<'_>, area: Rect, view: &HeaderView<'_>) {
    frame.render_widget(line(view, usize::from(area.width)), area);
}

fn line(view: &HeaderView<'_>, width: usize) -> Line<'static> {
    let mut left = left_parts(view);
    let mut right = right_parts(view);
    while left.iter().chain(&right).map(Part::width).sum::<usize>() > width {
        let shorter = left.iter_mut().chain(&mut right).filter(|part| part.priority().is_some());
        match shorter.min_by_key(|part| part.priority()) {
            Some(part) => part.form += 1,
            None => break,
        }
    }
    let used: usize = left.iter().chain(&right).map(Part::width).sum();
    let mut spans = Vec::new();
    for part in left.iter().filter(|part| !part.shown().is_empty()) {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(part.shown().to_owned(), part.style));
        spans.push(Span::raw(" "));
    }
    spans.push(Span::raw(" ".repeat(width.saturating_sub(used))));
    for part in right.iter().filter(|part| !part.shown().is_empty()) {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(part.shown().to_owned(), part.style));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn left_parts(view: &HeaderView<'_>) -> Vec<Part> {
    let theme = view.theme;
    let (context, adapters) = (text::sanitize_line(view.context, 40), text::sanitize_line(view.adapters, 60));
    let dot = theme.symbol(" · ", " - ");
    let adapters = if theme.ascii { adapters.replace('·', "-") } else { adapters };
    let mut parts = vec![
        Part::new(theme.accent.add_modifier(Modifier::BOLD), [(10, "darkroom".into()), (0, String::new())]),
        Part::new(
            theme.text,
            [
                (11, format!("{context}{dot}{adapters}")),
                (31, context.clone()),
                (52, format::cut(&context, SHORT_CONTEXT)),
                (0, String::new()),
            ],
        ),
    ];
    let (style, badge) = if view.simulated { (theme.simulated, "SIMULATED") } else { (theme.real_money, "REAL MONEY") };
    parts.push(Part::new(style, [(47, format!(" {badge} ")), (0, badge.into())]));
    parts
}

fn right_parts(view: &HeaderView<'_>) -> Vec<Part> {
    let (theme, status) = (view.theme, view.status);
    let mut parts = Vec::new();
    parts.extend(status.pause.as_ref().map(|pause| paused(pause, view)));
    match &status.intake {
        Intake::Open => {}
        Intake::Paused => {
            let sign = theme.symbol("‖", "=");
            let key = view.keys.key_of(Action::Pause, theme.ascii);
            let long = format!("{sign} this process paused · {key} resumes");
            let forms = [(41, long), (0, format!("{sign} paused here"))];
            parts.push(Part::new(theme.warning, forms));
        }
        Intake::AccountBlocked(blocked) => {
            let reason = text::sanitize_line(&blocked.reason, 60);
            let (cross, key) = (theme.symbol("✗", "x"), view.keys.key_of(Action::Pause, theme.ascii));
            let forms = [
                (20, format!("{cross} account: {reason} · {key} resumes")),
                (22, format!("{cross} account: {reason}")),
                (0, format!("{cross} account")),
            ];
            parts.push(Part::new(theme.bad, forms));
        }
        Intake::ReadOnly => {
            parts.push(Part::new(theme.warning, [(40, "READ-ONLY".into()), (0, "READ-ONLY".into())]));
        }
    }
    parts.extend(outage(view));
    if let Some(alarm) = &status.alarm {
        let (summary, sign) = (text::sanitize_line(&alarm.summary, 40), theme.symbol("▲", "!"));
        parts.push(Part::new(theme.bad, [(53, format!("{sign} {summary}")), (0, sign.to_owned())]));
    }
    if let Some((used, total)) = status.slots
        && status.intake != Intake::ReadOnly
    {
        let forms = [(30, format!("slots {used}/{total}")), (50, format!("{used}/{total}")), (0, String::new())];
        parts.push(Part::new(theme.text, forms));
    }
    parts.push(money(status, theme));
    match (&status.temporal, status.workers) {
        (Some(temporal), _) => parts.push(workers(temporal, view)),
        (None, Some(0)) => {
            let forms = [(39, "no worker on this machine".into()), (48, "no worker".into()), (0, "0w".into())];
            parts.push(Part::new(theme.bad, forms));
        }
        // One worker is this console itself, or the one that it observes.
        (None, Some(count)) if count > 1 || status.intake == Intake::ReadOnly => {
            let forms = [(28, format::count(count, "worker")), (29, format!("{count}w")), (0, String::new())];
            parts.push(Part::new(theme.text, forms));
        }
        (None, _) => {}
    }
    if let Some(rate) = status.slow_line {
        let forms =
            [(27, format!("slow line {}/s", format::bytes(rate))), (33, "slow line".into()), (0, String::new())];
        parts.push(Part::new(theme.warning, forms));
    }
    parts.push(connection(view));
    parts
}

/// The first outage that the intake does not name already.
fn outage(view: &HeaderView<'_>) -> Option<Part> {
    let named = match &view.status.intake {
        Intake::AccountBlocked(blocked) => Some(blocked.dependency),
        _ => None,
    };
    let outage = view.status.outages.iter().find(|outage| Some(outage.dependency) != named)?;
    let (old, ring) = (format::age(view.now - outage.since), view.theme.symbol("○", "!"));
    let (name, reason) = (outage.dependency.label(), text::sanitize_line(&outage.reason, 60));
    let forms = [
        (21, format!("{ring} {name} down {old}: {reason}")),
        (45, format!("{ring} {name} down {old}")),
        (70, format!("{ring} {name} down")),
        (72, format!("{ring} {name}")),
        (0, ring.to_owned()),
    ];
    Some(Part::new(view.theme.bad, forms))
}

/// Who paused all workers, since when and why.
fn paused(pause: &Pause, view: &HeaderView<'_>) -> Part {
    let sign = view.theme.symbol("‖", "=");
    let age = format::age(view.now - pause.since);
    let by = text::sanitize_line(&pause.by, 40);
    let who = by.split('@').next().unwrap_or_default().to_owned();
    let reason = pause.reason.as_ref().map(|reason| format!(": {}", text::sanitize_line(reason, 60)));
    let key = view.keys.key_of(Action::Pause, view.theme.ascii);
    let forms = [
        (20, format!("{sign} paused by {by} {age}{} · {key} resumes", reason.clone().unwrap_or_default())),
        (22, format!("{sign} paused by {who} {age}{}", reason.unwrap_or_default())),
        (40, format!("{sign} paused by {who} {age}")),
        (0, format!("{sign} paused")),
    ];
    Part::new(view.theme.warning, forms)
}

/// The workers on Temporal: none at all is as serious as no connection.
fn workers(temporal: &TemporalStatus, view: &HeaderView<'_>) -> Part {
    let theme = view.theme;
    if let ConnectionState::Disconnected { since, reason, .. } = &temporal.server {
        let (old, ring) = (format::age(view.now - *since), theme.symbol("○", "!"));
        let reason = text::sanitize_line(reason, 60);
        let forms = [
            (21, format!("{ring} Temporal down {old}: {reason}")),
            (45, format!("{ring} Temporal down {old}")),
            (0, format!("{ring} Temporal")),
        ];
        return Part::new(theme.bad, forms);
    }
    if let Some(conflict) = &temporal.conflict {
        let (old, ring) = (format::age(view.now - conflict.since), theme.symbol("○", "!"));
        let forms = [
            (21, format!("{ring} Temporal queue in use {old}: another program polls it")),
            (45, format!("{ring} Temporal queue in use {old}")),
            (0, format!("{ring} Temporal")),
        ];
        return Part::new(theme.bad, forms);
    }
    let (count, waits) = (temporal.workers, temporal.backlog);
    let words = format::count(count, "worker");
    let style = if count == 0 { theme.bad } else { theme.text };
    if waits == 0 {
        return Part::new(style, [(29, words), (49, format!("{count}w")), (0, String::new())]);
    }
    Part::new(style, [(29, format!("{words}, {waits} waiting")), (49, format!("{count}w {waits}")), (0, String::new())])
}

/// Today's money against the cap of the day, with what may be billed as well: `$0.03 + $0.36? of $1`. What counts against a cap decides
/// the colour, unconfirmed money included; a cap of the month is named when it is the one that will stop jobs.
fn money(status: &Status, theme: &Theme) -> Part {
    let Some(costs) = &status.costs else {
        return Part::new(theme.dim, [(43, "today $?".into()), (0, "$?".into())]);
    };
    let today = Spending::of(&costs.today);
    let caps = caps(costs);
    let day = caps.iter().find(|cap| cap.period == "day");
    let month = caps.iter().find(|cap| cap.period == "month").filter(|cap| cap.is_close());
    let round = |cap: &BudgetUse| {
        let cap = cap.cap.display();
        cap.strip_suffix(".00").unwrap_or(&cap).to_owned()
    };
    let stops_first =
        |month: &BudgetUse| day.is_none_or(|day| !day.is_close() || (month.used >= month.cap && day.used < day.cap));
    if let Some(month) = month.filter(|month| stops_first(month)) {
        let (spent, cap) = (Spending::of(&costs.calendar_month), round(month));
        let forms = [
            (42, format!("today {}, month {} of {cap}", today.long, spent.long)),
            (43, format!("month {} of {cap}", spent.long)),
            (51, format!("{}/{cap}", spent.short)),
            (75, format!("{}/{cap}", spent.sum)),
            (0, spent.sum),
        ];
        return Part::new(budget_style(month, theme), forms);
    }
    let Some(day) = day else {
        let forms = [(43, format!("today {}", today.long)), (51, today.short), (0, today.sum)];
        return Part::new(theme.text, forms);
    };
    let cap = round(day);
    let forms = [
        (42, format!("today {} of {cap}", today.long)),
        (43, format!("{} of {cap}", today.long)),
        (51, format!("{}/{cap}", today.short)),
        (75, format!("{}/{cap}", today.sum)),
        (0, today.sum),
    ];
    Part::new(budget_style(day, theme), forms)
}

/// What was spent, and what may be billed as well.
struct Spending {
    /// `$0.03 + $0.36?`
    long: String,
    /// `$0.03+$0.36?`
    short: String,
    /// `$0.39?`
    sum: String,
}

impl Spending {
    fn of(report: &CostReport) -> Self {
        let unsure = report.committed() - report.total_usd;
        if unsure == Usd::ZERO {
            let spent = report.total_usd.display();
            return Self { long: spent.clone(), short: spent.clone(), sum: spent };
        }
        let [spent, unsure] = aligned([report.total_usd, unsure]);
        Self {
            long: format!("{spent} + {unsure}?"),
            short: format!("{spent}+{unsure}?"),
            sum: format!("{}?", report.committed().display()),
        }
    }
}

fn budget_style(cap: &BudgetUse, theme: &Theme) -> Style {
    let style = cap.warning(theme).unwrap_or(theme.text);
    if cap.used >= cap.cap { style.add_modifier(Modifier::BOLD) } else { style }
}

fn connection(view: &HeaderView<'_>) -> Part {
    let (theme, status) = (view.theme, view.status);
    if status.engine_closed {
        let (cross, key) = (theme.symbol("✗", "x"), view.keys.key_of(Action::Quit, theme.ascii));
        return Part::new(
            theme.bad,
            [(44, format!("{cross} engine stopped · {key} quits")), (0, format!("{cross} stopped"))],
        );
    }
    match &status.connection {
        None => Part::new(theme.dim, [(44, "connecting".into()), (0, theme.symbol("◌", "o").into())]),
        Some(ConnectionState::Connected) => {
            let dot = theme.symbol("●", "*");
            // What is wrong replaces what is fine.
            Part::new(theme.good, [(44, format!("{dot} live")), (65, dot.to_owned()), (0, String::new())])
        }
        Some(ConnectionState::Disconnected { since, reason, retry_at }) => {
            let old = format::age(view.now - *since);
            let retry = match retry_at.map(|at| at - view.now) {
                Some(wait) if wait > chrono::Duration::zero() => {
                    format!(", next try in {}", format::age(wait + chrono::Duration::milliseconds(999)))
                }
                Some(_) => ", trying".to_owned(),
                None => String::new(),
            };
            let ring = theme.symbol("○", "!");
            let reason = text::sanitize_line(reason, 50);
            let forms = [
                (21, format!("{ring} down, data {old} old{retry}: {reason}")),
                (21, format!("{ring} down, data {old} old{retry}")),
                (32, format!("{ring} down, data {old} old")),
                (45, format!("{ring} down {old}")),
                (0, format!("{ring} down")),
            ];
            Part::new(theme.bad, forms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Dependency, Outage, QueueConflict};

    fn status() -> Status {
        Status {
            slots: Some((124, 240)),
            intake: Intake::AccountBlocked(Outage {
                dependency: Dependency::Key,
                since: DateTime::UNIX_EPOCH,
                reason: "the key was refused by the provider, status 403".into(),
            }),
            outages: vec![Outage {
                dependency: Dependency::ImageHost,
                since: DateTime::UNIX_EPOCH,
                reason: "no connection: connection refused".into(),
            }],
            connection: Some(ConnectionState::Disconnected {
                since: DateTime::UNIX_EPOCH,
                reason: "connection refused by the store".into(),
                retry_at: None,
            }),
            ..Status::default()
        }
    }

    #[test]
    fn header_never_wraps_or_hides_money() {
        let (status, theme) = (status(), Theme::dark());
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(3);
        for width in 40..300 {
            let simulated = width % 2 == 0;
            let view = HeaderView {
                keys: KeyMap::default(),
                context: "a-context-with-a-long-name",
                adapters: "firestore · temporal",
                simulated,
                status: &status,
                now,
                theme: &theme,
            };
            let line = line(&view, width);
            let text = line.to_string();
            assert!(line.width() <= width, "{width}: {text}");
            let badge = if simulated { "SIMULATED" } else { "REAL MONEY" };
            assert!(text.contains(badge) && text.contains('$'), "{width}: {text}");
            assert!(text.contains("account") && text.contains("down"), "{width}: {text}");
        }
    }

    #[test]
    fn temporal_without_workers_or_server_is_bad() {
        let theme = Theme::dark();
        let shown = |temporal: TemporalStatus| {
            let status =
                Status { temporal: Some(temporal), connection: Some(ConnectionState::Connected), ..Status::default() };
            let now = DateTime::UNIX_EPOCH + chrono::Duration::seconds(90);
            let view = HeaderView {
                keys: KeyMap::default(),
                context: "default",
                adapters: "sqlite · temporal",
                simulated: true,
                status: &status,
                now,
                theme: &theme,
            };
            let temporal = status.temporal.as_ref().map(|temporal| workers(temporal, &view).style);
            (line(&view, 160).to_string(), temporal)
        };
        let fleet = |workers: usize, backlog: u64, server: ConnectionState| TemporalStatus {
            workers,
            backlog,
            server,
            conflict: None,
        };
        let (text, style) = shown(fleet(3, 12, ConnectionState::Connected));
        assert!(text.contains("3 workers, 12 waiting") && style == Some(theme.text), "{text}");
        let (text, style) = shown(fleet(0, 0, ConnectionState::Connected));
        assert!(text.contains("0 workers") && style == Some(theme.bad), "{text}");
        let server = ConnectionState::Disconnected {
            since: DateTime::UNIX_EPOCH,
            reason: "localhost:7233 does not answer".into(),
            retry_at: None,
        };
        let (text, style) = shown(fleet(3, 0, server));
        assert!(text.contains("Temporal down 1m") && style == Some(theme.bad), "{text}");
        let conflict = QueueConflict { since: DateTime::UNIX_EPOCH, reason: "another program polls".into() };
        let (text, style) =
            shown(TemporalStatus { conflict: Some(conflict), ..fleet(0, 0, ConnectionState::Connected) });
        assert!(text.contains("Temporal queue in use 1m") && style == Some(theme.bad), "{text}");
    }

    #[test]
    fn console_without_a_worker_says_so() {
        let theme = Theme::dark();
        let shown = |workers: usize, intake: Intake| {
            let status = Status {
                workers: Some(workers),
                intake,
                connection: Some(ConnectionState::Connected),
                ..Status::default()
            };
            let view = HeaderView {
                keys: KeyMap::default(),
                context: "default",
                adapters: "sqlite · local",
                simulated: true,
                status: &status,
                now: DateTime::UNIX_EPOCH,
                theme: &theme,
            };
            line(&view, 120).to_string()
        };
        assert!(shown(0, Intake::ReadOnly).contains("no worker on this machine"));
        assert!(shown(1, Intake::ReadOnly).contains("1 worker "));
        assert!(!shown(1, Intake::Open).contains("worker"));
        assert!(shown(3, Intake::Open).contains("3 workers"));
    }

    fn capped(today: &[(crate::costs::Basis, &str)]) -> Status {
        let mut costs = crate::console::test_fixtures::no_costs();
        let rows = today.iter().map(|(basis, amount)| ("a".to_owned(), *basis, Some(amount.parse().unwrap()), 1));
        let span = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        costs.today = CostReport::from_rows(span, false, crate::costs::CostGrouping::Model, rows);
        costs.daily_cap = Some("5".parse().unwrap());
        Status {
            costs: Some(Box::new(costs)),
            connection: Some(ConnectionState::Connected),
            slots: Some((3, 3)),
            ..Status::default()
        }
    }

    fn shown(status: &Status, width: usize) -> String {
        let view = HeaderView {
            keys: KeyMap::default(),
            context: "default",
            adapters: "sqlite · local",
            simulated: false,
            status,
            now: DateTime::UNIX_EPOCH + chrono::Duration::seconds(90),
            theme: &Theme::dark(),
        };
        line(&view, width).to_string()
    }

    #[test]
    fn money_that_may_be_billed_is_added() {
        use crate::costs::Basis;
        let status = capped(&[(Basis::Settled, "0.03"), (Basis::Unconfirmed, "0.3"), (Basis::Unknown, "0.06")]);
        assert!(shown(&status, 120).contains("today $0.03 + $0.36? of $5"), "{}", shown(&status, 120));
        assert!(shown(&status, 44).contains("$0.03+$0.36?/$5"), "{}", shown(&status, 44));
        let certain = capped(&[(Basis::Settled, "0.03")]);
        assert!(shown(&certain, 120).contains("today $0.03 of $5"));
    }

    #[test]
    fn narrow_header_names_context_and_outage() {
        let mut status = capped(&[(crate::costs::Basis::Settled, "2.551")]);
        let text = shown(&status, 40);
        assert_eq!(text, " default  REAL MONEY  3/3  $2.551/$5  ● ");
        status.outages = vec![Outage {
            dependency: Dependency::Provider,
            since: DateTime::UNIX_EPOCH,
            reason: "connection refused".into(),
        }];
        assert_eq!(shown(&status, 40), " REAL MONEY  ○ provider down  $2.551/$5 ");
    }

    #[test]
    fn money_near_its_cap_warns() {
        let theme = Theme::dark();
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let part = |today: &str, basis: crate::costs::Basis, monthly_cap: Option<Usd>| {
            let day = DateTime::UNIX_EPOCH.date_naive().to_string();
            let report = CostReport::from_rows(
                (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH),
                true,
                crate::costs::CostGrouping::Model,
                [(day, basis, Some(usd(today)), 1)],
            );
            let costs = crate::engine::CostOverview {
                today: report.clone(),
                week: report.clone(),
                month: report.clone(),
                calendar_month: report,
                outlook: crate::costs::Outlook::default(),
                account: None,
                table: crate::costs::CostTable::new((DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH), true, Vec::new())
                    .into(),
                daily_cap: Some(usd("10")),
                monthly_cap,
                model_caps: std::collections::BTreeMap::default(),
                soft_percent: None,
                credits: None,
                storage_bound: None,
                at: DateTime::UNIX_EPOCH,
            };
            money(&Status { costs: Some(Box::new(costs)), ..Status::default() }, &theme)
        };
        let style = |today: &str| part(today, crate::costs::Basis::Settled, None).style;
        assert_eq!(part("9", crate::costs::Basis::Unconfirmed, None).style, theme.warning, "it may have been billed");
        let month = part("7.99", crate::costs::Basis::Settled, Some(usd("8")));
        assert_eq!((month.shown(), month.style), ("today $7.99, month $7.99 of $8", theme.warning));
        assert_eq!(style("7.99"), theme.text);
        assert_eq!(style("8"), theme.warning);
        assert_eq!(style("10"), theme.bad.add_modifier(Modifier::BOLD));
    }
}
