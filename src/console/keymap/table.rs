//! The key table. Its order is the order of the footer (by importance) and of the help within each group.

use crossterm::event::KeyCode;

use super::{Action, Binding, BindingScope, Chord, Group, InputContext};
use crate::console::layout::PaneName;

const IMAGE: BindingScope = AnyImage;
const GALLERY: BindingScope = BindingScope::Only(&[InputContext::Gallery]);
/// Where arrows also move sideways.
const SIDEWAYS: BindingScope =
    BindingScope::Only(&[InputContext::Gallery, InputContext::Compare, InputContext::FullImage]);
/// Where `g` goes to the first row; in the panes it opens the gallery.
const PAGERS: BindingScope = BindingScope::Only(&[InputContext::Job, InputContext::LogScreen, InputContext::Help]);
const LOGS: BindingScope = BindingScope::Only(&[InputContext::Pane(PaneName::Logs), InputContext::LogScreen]);
const LOG_SCREEN: BindingScope = BindingScope::Only(&[InputContext::LogScreen]);
const LOG_INPUT: BindingScope = BindingScope::Only(&[InputContext::LogInput]);
const JOB: BindingScope = BindingScope::Only(&[InputContext::Job]);
const ATTEMPTS: BindingScope = OneJob;
const LISTS: BindingScope = BindingScope::Only(&[
    InputContext::Pane(PaneName::Queue),
    InputContext::Pane(PaneName::Image),
    InputContext::Pane(PaneName::Steps),
    InputContext::Pane(PaneName::Logs),
    InputContext::Pane(PaneName::Spend),
    InputContext::Job,
    InputContext::FullImage,
    InputContext::Gallery,
    InputContext::LogScreen,
    InputContext::BulkScreen,
    InputContext::Help,
]);
/// Where jobs are marked.
const MARKS: BindingScope = BindingScope::Only(&[
    InputContext::Pane(PaneName::Queue),
    InputContext::Pane(PaneName::Image),
    InputContext::Pane(PaneName::Steps),
    InputContext::Pane(PaneName::Logs),
    InputContext::Pane(PaneName::Spend),
    InputContext::Gallery,
]);
/// Where arrows move although letters are typed.
const TYPED: BindingScope = BindingScope::Only(&[InputContext::Palette, InputContext::Filter]);
const QUEUE: BindingScope = BindingScope::Only(&[InputContext::Pane(PaneName::Queue)]);
const MENU: BindingScope = BindingScope::Only(&[InputContext::QueueMenu, InputContext::Contexts, InputContext::Views]);
const QUESTION: BindingScope = BindingScope::Only(&[InputContext::Confirm]);
const BULK: BindingScope = BindingScope::Only(&[InputContext::BulkScreen]);
const QUIT: BindingScope = BindingScope::Only(&[InputContext::Quit]);

const fn bind(
    action: Action,
    keys: &'static [Chord],
    scope: BindingScope,
    group: Group,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding { action, keys, scope, group, hint, help }
}

const fn key(character: char) -> Chord {
    Chord::char(character)
}

const fn named(code: KeyCode) -> Chord {
    Chord::code(code)
}

use Action as A;
use BindingScope::{Always, AnyImage, Everywhere, OneJob, Panes};
use Group as G;

/// Every key of the console outside the submit form.
pub const BINDINGS: &[Binding] = &[
    // --- questions and typed lines ---
    bind(A::Accept, &[key('y')], QUESTION, G::Choose, "yes", "confirm"),
    bind(A::Back, &[key('n'), named(KeyCode::Esc), key('q').hidden()], QUESTION, G::Choose, "no", "go back"),
    bind(
        A::QuitWhenDone,
        &[key('w')],
        QUIT,
        G::Choose,
        "wait",
        "start no new jobs, quit when the running ones are done",
    ),
    bind(A::Quit, &[key('y'), key('q').hidden()], QUIT, G::Choose, "quit now", "quit now"),
    bind(A::Back, &[key('n'), named(KeyCode::Esc)], QUIT, G::Choose, "stay", "go back"),
    bind(
        A::Accept,
        &[named(KeyCode::Enter)],
        BindingScope::Only(&[InputContext::Palette]),
        G::Choose,
        "run",
        "run the selected action",
    ),
    bind(
        A::Accept,
        &[named(KeyCode::Enter)],
        BindingScope::Only(&[InputContext::Filter]),
        G::Choose,
        "keep",
        "keep the filter",
    ),
    bind(
        A::Accept,
        &[named(KeyCode::Enter)],
        BindingScope::Only(&[InputContext::Line]),
        G::Choose,
        "take",
        "take the line",
    ),
    bind(
        A::Complete,
        &[named(KeyCode::Tab)],
        BindingScope::Only(&[InputContext::Filter]),
        G::Choose,
        "complete",
        "take the first suggestion",
    ),
    bind(A::Up, &[named(KeyCode::Up), Chord::control('p')], TYPED, G::Move, "up", "previous"),
    bind(A::Down, &[named(KeyCode::Down), Chord::control('n')], TYPED, G::Move, "down", "next"),
    // --- jobs ---
    bind(A::New, &[key('n')], Panes, G::Jobs, "new", "new job"),
    bind(A::Retry, &[key('r')], OneJob, G::Jobs, "retry", "retry the marked jobs, or this one"),
    bind(A::Cancel, &[key('x')], OneJob, G::Jobs, "cancel", "cancel the marked jobs, or this one"),
    bind(A::Approve, &[key('a')], AnyImage, G::Jobs, "approve", "approve the marked jobs, or this one"),
    bind(A::Reject, &[key('d')], AnyImage, G::Jobs, "reject", "reject the images of the marked jobs, or this one"),
    bind(A::Open, &[named(KeyCode::Enter)], Panes, G::Jobs, "open", "open the job: prompt, attempts, charges"),
    bind(A::RetryAll, &[key('R')], Panes, G::Jobs, "retry failed", "retry all failed jobs that match"),
    bind(
        A::RetryRecent,
        &[Chord::control('r')],
        Panes,
        G::Jobs,
        "",
        "retry all failed jobs of the last hour; shows the price first",
    ),
    bind(A::Filter, &[key('/')], Panes, G::Choose, "filter", "filter: words, status:failed cost>0.05 since:2h"),
    bind(
        A::Views,
        &[key('v')],
        QUEUE,
        G::Choose,
        "",
        "show a view: a filter with a name, from [views] of darkroom.toml",
    ),
    bind(A::Clone, &[key('C')], AnyImage, G::Jobs, "clone", "clone into the form; several marked: with edits"),
    bind(A::NewSeeds, &[key('S')], OneJob, G::Jobs, "", "request again with 1 to 9 new seeds: S, then the number"),
    bind(A::Hide, &[key('h')], AnyImage, G::Jobs, "", "hide, or show again under /status:hidden"),
    bind(A::Undo, &[key('u')], AnyImage, G::Jobs, "undo", "undo the last action"),
    bind(A::Tag, &[key('T')], OneJob, G::Jobs, "", "add or remove tags of the marked jobs, or of this one"),
    bind(A::BulkPause, &[key('p')], BULK, G::Jobs, "pause/resume", "pause or resume the selected bulk action"),
    bind(A::BulkStop, &[key('x')], BULK, G::Jobs, "stop", "stop the selected bulk action; what was changed stays"),
    bind(A::BulkUndo, &[key('u')], BULK, G::Jobs, "undo", "undo the selected bulk action; stop one that is under way"),
    // --- choosing ---
    bind(A::Mark, &[key(' ')], GALLERY, G::Choose, "mark", "mark or unmark; the next action applies to the marked"),
    bind(A::Mark, &[key(' ')], Panes, G::Choose, "", "mark or unmark; the next action applies to the marked"),
    bind(A::MarkRange, &[key('V')], Panes, G::Choose, "", "mark a range: press at both ends"),
    bind(A::MarkAll, &[key('*')], MARKS, G::Choose, "", "mark or unmark all jobs that match"),
    bind(A::SortMenu, &[key('s')], Panes, G::Choose, "sort", "sort the queue by a column"),
    bind(A::ColumnMenu, &[key('c')], Panes, G::Choose, "columns", "choose the columns of the queue"),
    bind(A::FollowNewest, &[key('f')], QUEUE, G::Choose, "", "keep the selection on the newest job, or not"),
    bind(A::Accept, &[named(KeyCode::Enter)], MENU, G::Choose, "choose", "choose the selected line"),
    // --- images ---
    bind(A::Gallery, &[key('g')], Panes, G::Image, "gallery", "gallery: the images of finished jobs in a grid"),
    bind(A::Compare, &[key('=')], MARKS, G::Image, "compare", "compare two to four marked jobs side by side"),
    bind(
        A::FullImage,
        &[named(KeyCode::Enter), key('i')],
        GALLERY,
        G::Image,
        "full screen",
        "show the image full screen",
    ),
    bind(
        A::NewSeed,
        &[key('r')],
        BindingScope::Only(&[InputContext::Gallery, InputContext::Compare]),
        G::Jobs,
        "new seed",
        "request the same image again with a new seed",
    ),
    bind(A::FullImage, &[key('i')], OneJob, G::Image, "image", "show the image full screen"),
    bind(A::ShowImages, &[key('I')], IMAGE, G::Image, "show images", "show images on a slow line, or stop that"),
    bind(A::OpenImage, &[key('o')], IMAGE, G::Image, "", "open the image in the system viewer"),
    bind(A::CopyUrl, &[key('y')], IMAGE, G::Image, "", "copy the image URL"),
    bind(A::SaveImage, &[key('w')], IMAGE, G::Image, "save", "save the image to the current folder"),
    bind(A::OlderAttempt, &[key('[')], ATTEMPTS, G::Image, "", "steps of the previous attempt"),
    bind(A::NewerAttempt, &[key(']')], ATTEMPTS, G::Image, "", "steps of the next attempt"),
    // --- logs ---
    bind(A::LogFollow, &[key('f')], LOGS, G::Views, "follow", "logs: follow or pause"),
    bind(A::LogLevel, &[key('l')], LOGS, G::Views, "level", "logs: minimum level"),
    bind(A::LogScope, &[key('t')], LOGS, G::Views, "this job/all", "logs: this job or all jobs"),
    bind(A::LogProcess, &[key('w')], LOG_SCREEN, G::Views, "worker", "logs: one process after the other, or all"),
    bind(A::LogSearch, &[key('/')], LOG_SCREEN, G::Choose, "search", "logs: search a text"),
    bind(A::LogOlderMatch, &[key('n')], LOG_SCREEN, G::Choose, "", "logs: next older line with the text"),
    bind(A::LogNewerMatch, &[key('N')], LOG_SCREEN, G::Choose, "", "logs: next newer line with the text"),
    bind(A::LogText, &[key('&')], LOG_SCREEN, G::Choose, "filter", "logs: show only lines with a text"),
    bind(A::Accept, &[named(KeyCode::Enter)], LOG_INPUT, G::Choose, "keep", "keep the text"),
    bind(A::Document, &[key('D')], JOB, G::Views, "document", "job: the document as it is stored"),
    bind(
        A::NextStep,
        &[named(KeyCode::Right), key('>').hidden()],
        JOB,
        G::Move,
        "step",
        "job: log lines of the next step",
    ),
    bind(
        A::PreviousStep,
        &[named(KeyCode::Left), key('<').hidden()],
        JOB,
        G::Move,
        "",
        "job: log lines of the previous step",
    ),
    // --- looking elsewhere ---
    bind(A::CostScreen, &[key('$')], Panes, G::Views, "costs", "cost screen"),
    bind(A::BudgetScreen, &[key('B')], Panes, G::Views, "", "caps and uncertain charges"),
    bind(A::BulkScreen, &[key('b')], Panes, G::Views, "", "actions on many jobs: progress, pause, stop, undo"),
    bind(A::LogScreen, &[key('L')], OneJob, G::Views, "logs", "log screen; at a step, its lines"),
    bind(A::Palette, &[key(':'), Chord::control('k')], Everywhere, G::Views, "", "find an action by name"),
    // --- the engine ---
    bind(A::Pause, &[key('p')], Panes, G::Engine, "pause", "pause or resume the intake of all workers"),
    bind(A::PauseHere, &[key('P')], Panes, G::Engine, "", "pause or resume this process alone"),
    bind(A::MoreSlots, &[key('+')], Panes, G::Engine, "", "one more slot"),
    bind(A::FewerSlots, &[key('-')], Panes, G::Engine, "", "one slot fewer"),
    // --- moving ---
    bind(A::Right, &[named(KeyCode::Right)], SIDEWAYS, G::Move, "", "next image"),
    bind(A::Left, &[named(KeyCode::Left)], SIDEWAYS, G::Move, "", "previous image"),
    bind(A::Down, &[key('j'), named(KeyCode::Down)], LISTS, G::Move, "", "down (or the wheel)"),
    bind(A::Up, &[key('k'), named(KeyCode::Up)], LISTS, G::Move, "", "up"),
    bind(A::PageDown, &[named(KeyCode::PageDown), Chord::control('d').hidden()], LISTS, G::Move, "", "page down"),
    bind(A::PageUp, &[named(KeyCode::PageUp), Chord::control('b').hidden()], LISTS, G::Move, "", "page up"),
    bind(A::Top, &[named(KeyCode::Home)], LISTS, G::Move, "", "first row"),
    bind(A::Top, &[key('g')], PAGERS, G::Move, "", "first row"),
    bind(A::Bottom, &[key('G'), named(KeyCode::End)], LISTS, G::Move, "", "last row"),
    bind(A::NextPane, &[named(KeyCode::Tab)], Panes, G::Move, "", "next pane"),
    bind(A::PreviousPane, &[named(KeyCode::BackTab)], Panes, G::Move, "", "previous pane"),
    bind(A::Pane(PaneName::Queue), &[key('1')], Panes, G::Move, "", "go to the queue"),
    bind(A::Pane(PaneName::Image), &[key('2')], Panes, G::Move, "", "go to the image"),
    bind(A::Pane(PaneName::Steps), &[key('3')], Panes, G::Move, "", "go to the steps"),
    bind(A::Pane(PaneName::Logs), &[key('4')], Panes, G::Move, "", "go to the logs"),
    bind(A::Pane(PaneName::Spend), &[key('5')], Panes, G::Move, "", "go to spend"),
    bind(A::Back, &[named(KeyCode::Esc), key('q'), key('g').hidden()], GALLERY, G::Move, "back", "back one level"),
    bind(A::Back, &[named(KeyCode::Esc), key('q'), key('=').hidden()], COMPARE, G::Move, "back", "back one level"),
    bind(A::Back, &[named(KeyCode::Esc), key('q')], SCREENS, G::Move, "back", "back one level"),
    bind(A::Back, &[named(KeyCode::Esc)], Always, G::Move, "back", "back one level"),
    bind(A::ToggleMouse, &[key('M')], Everywhere, G::Views, "", "mouse on or off: off lets the terminal select text"),
    bind(A::Contexts, &[Chord::control('x')], Panes, G::Engine, "", "switch to another context of darkroom.toml"),
    bind(A::Redraw, &[Chord::control('l')], Always, G::Engine, "", "redraw"),
    bind(A::Suspend, &[Chord::control('z')], Always, G::Engine, "", "suspend (fg resumes)"),
    bind(A::Help, &[key('?'), named(KeyCode::F(1)).hidden()], Everywhere, G::Views, "help", "help for this place"),
    bind(A::Quit, &[key('q'), Chord::control('c')], Panes, G::Engine, "quit", "quit; waits for a submit in flight"),
    bind(A::Quit, &[Chord::control('c')], Always, G::Engine, "", "quit"),
];

const COMPARE: BindingScope = BindingScope::Only(&[InputContext::Compare]);

/// Screens over the panes where `q` goes back, as it does in pagers.
const SCREENS: BindingScope = BindingScope::Only(&[
    InputContext::Job,
    InputContext::FullImage,
    InputContext::CostScreen,
    InputContext::BudgetScreen,
    InputContext::LogScreen,
    InputContext::BulkScreen,
    InputContext::Help,
]);
