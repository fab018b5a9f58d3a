//! The image pane: the selected job's image, or its state instead. A thread decodes; the event loop never does.

mod cache;
mod decode;
mod decoder;
mod kitty;
mod placeholder;
mod shades;
mod tiles;

use std::collections::HashSet;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::{FontSize, Image};
use tokio::sync::mpsc;

use crate::console::keymap::{Action, KeyMap};
use crate::console::theme::Theme;
use crate::console::widgets::{self, wrap};
use crate::engine::{Command, Progress};
use crate::jobs::{Job, JobId, Outcome, StoredImage};
use crate::text;
use crate::text::format;

pub use cache::ImageKey;
use cache::{CachedImage, ImageCache};
use decoder::{Drawn, Request, Source};
pub use decoder::{ImageMessage, Place};
pub use tiles::Tiles;

/// Images are kept up to this many bytes, as files or decoded.
const CACHE_BYTES: usize = 40 * 1024 * 1024;

/// Replies of the image thread.
pub type Messages = mpsc::UnboundedReceiver<ImageMessage>;

/// How images are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ImagesMode {
    /// As well as the terminal can.
    #[default]
    Auto,
    /// By the kitty graphics protocol, whatever the terminal answers.
    Kitty,
    /// As sixels.
    Sixel,
    /// By the inline images of iTerm2.
    Iterm2,
    /// With coloured half blocks, which every terminal has.
    #[strum(to_string = "halfblocks", serialize = "blocks")]
    HalfBlocks,
    /// Not at all: size and address instead.
    Off,
}

/// An image as the terminal takes it.
struct Ready {
    key: ImageKey,
    room: Size,
    drawn: Drawn,
}

/// The image pane and its own state.
pub struct ImagePane {
    mode: ImagesMode,
    draws_pixels: bool,
    /// Pixels of a cell; `None` where images are half blocks.
    font: Option<FontSize>,
    requests: Option<Sender<Request>>,
    cache: ImageCache,
    /// Requested from the engine, without a reply so far.
    loading: HashSet<ImageKey>,
    /// The selected job's image.
    selected: Option<ImageKey>,
    /// The last request to the thread.
    requested: Option<(ImageKey, Size)>,
    ready: Option<Ready>,
    /// Why images are not drawn now.
    hint: Option<String>,
    /// Numbers of images that the terminal need not keep.
    dropped: Vec<u32>,
}

impl ImagesMode {
    /// The protocol that is used without a query.
    pub fn forced_protocol(self) -> Option<ProtocolType> {
        match self {
            Self::Kitty => Some(ProtocolType::Kitty),
            Self::Sixel => Some(ProtocolType::Sixel),
            Self::Iterm2 => Some(ProtocolType::Iterm2),
            Self::HalfBlocks => Some(ProtocolType::Halfblocks),
            Self::Auto | Self::Off => None,
        }
    }
}

/// What the pane shows.
#[derive(Clone, Copy)]
pub struct ImageView<'a> {
    /// The job whose image it is.
    pub job: Option<&'a Job>,
    /// Its current progress.
    pub progress: Option<&'a Progress>,
    /// The present.
    pub now: DateTime<Utc>,
    /// Whether keys go to this pane.
    pub focused: bool,
    /// For texts that name a key.
    pub keys: KeyMap,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

impl ImagePane {
    /// The pane and the messages of its decoder thread. `picker` has the terminal's capabilities; `mode` may restrict them.
    pub fn new(mut picker: Picker, mode: ImagesMode) -> (Self, Messages) {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(protocol) = mode.forced_protocol() {
            picker.set_protocol_type(protocol);
        }
        // These draw pixels below the text; kitty places its images by cells, half blocks are cells.
        let draws_pixels = matches!(picker.protocol_type(), ProtocolType::Sixel | ProtocolType::Iterm2);
        let is_graphical = picker.protocol_type() != ProtocolType::Halfblocks;
        let font = is_graphical.then(|| picker.font_size());
        let requests = if mode == ImagesMode::Off { None } else { decoder::start(picker, sender) };
        let pane = Self {
            mode,
            draws_pixels,
            font,
            requests,
            cache: ImageCache::new(CACHE_BYTES),
            loading: HashSet::new(),
            selected: None,
            requested: None,
            ready: None,
            hint: None,
            dropped: Vec::new(),
        };
        (pane, receiver)
    }

    /// Images of another place, decoded by the same thread, with at most so many pixels on a side and so many bytes together.
    pub fn tiles(&self, place: Place, kept_side: u32, bound: usize) -> Tiles {
        Tiles::new(place, self.requests.clone(), kept_side, bound)
    }

    /// Why images are not drawn; `None` where they are.
    pub fn set_hint(&mut self, hint: Option<String>) {
        self.hint = hint;
    }

    /// What is here of an image, without requesting it.
    pub fn source(&self, key: &ImageKey) -> Option<Source> {
        match self.cache.peek(key)? {
            CachedImage::File(bytes) => Some(Source::File(bytes.clone())),
            CachedImage::Image(image) => Some(Source::Image(image.clone())),
            CachedImage::NotLoaded(_) | CachedImage::NotDecoded(_) => None,
        }
    }

    /// Pixels on the longer side of a room of cells.
    pub fn pixels_of(&self, room: Size) -> u32 {
        let (width, height) = self.font.map_or((1, 2), |font| (u32::from(font.width), u32::from(font.height)));
        (u32::from(room.width) * width).max(u32::from(room.height) * height)
    }

    /// The numbers of images that the terminal need not keep any more.
    pub fn take_dropped(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dropped)
    }

    /// The command that loads the selected job's image: once for each job and attempt, unless it is cached or loading.
    pub fn next_request(&mut self, job: Option<&Job>) -> Option<Command> {
        let key = job.and_then(|job| image_of(job).map(|(attempt, _)| (job.id.clone(), attempt)));
        if key != self.selected {
            if let Some(left) = self.selected.take()
                && matches!(self.cache.get(&left), Some(CachedImage::NotLoaded(_)))
            {
                self.cache.remove(&left);
            }
            self.selected.clone_from(&key);
        }
        let key = key.filter(|_| self.mode != ImagesMode::Off)?;
        if self.cache.contains(&key) || !self.loading.insert(key.clone()) {
            return None;
        }
        Some(Command::LoadImage(key.0))
    }

    /// Takes an image's bytes, or one line why there are none.
    pub fn on_bytes(&mut self, id: &JobId, attempt: u32, bytes: Result<Bytes, String>) {
        let key = (id.clone(), attempt);
        let replied: Vec<ImageKey> = self.loading.extract_if(|(requested_key, _)| requested_key == id).collect();
        // An image may also arrive because it is being saved: that does not replace a cached one.
        match (bytes, self.cache.get(&key)) {
            (_, Some(CachedImage::Image(_))) | (Err(_), Some(CachedImage::File(_))) => {}
            (Ok(bytes), _) => self.cache.put(key.clone(), CachedImage::File(bytes)),
            (Err(line), _) => self.cache.put(key.clone(), CachedImage::NotLoaded(text::sanitize_line(&line, 200))),
        }
        // The reply may be about another attempt than requested; it still answers the request, or the request would be repeated
        // for ever.
        let failure = match self.cache.get(&key) {
            Some(CachedImage::NotLoaded(line)) => line.clone(),
            _ => format!("replaced by attempt {attempt}"),
        };
        for requested_key in replied.into_iter().filter(|requested_key| *requested_key != key) {
            self.cache.put(requested_key, CachedImage::NotLoaded(failure.clone()));
        }
    }

    /// Takes in a reply of the decoder thread; true where the screen changes.
    pub fn on_message(&mut self, message: ImageMessage) -> bool {
        let ImageMessage { key, room, image, drawn, .. } = message;
        if let Some(image) = image {
            self.cache.put(key.clone(), CachedImage::Image(image));
        }
        let selected = self.selected.as_ref() == Some(&key);
        match drawn {
            Ok(drawn) if selected => {
                let old = self.ready.replace(Ready { key, room, drawn });
                let sent = old.filter(|old| old.drawn.transmission.is_none());
                self.dropped.extend(sent.and_then(|old| old.drawn.number));
            }
            Ok(_) => {}
            Err(line) => self.cache.put(key, CachedImage::NotDecoded(line)),
        }
        selected
    }

    /// Sends the image to the terminal again: after the screen was suspended or cleared.
    pub fn invalidate(&mut self) {
        self.ready = None;
        self.requested = None;
    }

    /// Whether text that covered the image stays in it until the whole screen is drawn again.
    pub fn keeps_remains(&self) -> bool {
        self.draws_pixels
    }

    /// Draws the pane.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, view: &ImageView<'_>) {
        let ImageView { job, progress, now, focused, keys, theme } = *view;
        let image = job.and_then(image_of);
        let facts = match (job, image) {
            // Full screen, nothing else shows which job this is: the prompt does.
            (Some(job), Some((_, image))) if area.width == frame.area().width => {
                format!("{} · {}", facts(image), text::sanitize_line(&job.spec.prompt, 200))
            }
            (_, Some((_, image))) => facts(image),
            (Some(job), None) => job.stage_name().to_string(),
            (None, None) => String::new(),
        };
        let block = widgets::pane("Image", &facts, area.width, focused, theme);
        let mut inner = block.inner(area);
        frame.render_widget(block, area);
        // Only the border and texts: the cells of the image are its pixels.
        widgets::fold_to_ascii(frame, area, theme);
        let width = usize::from(inner.width);
        match (job, image) {
            (None, _) => {
                let key = keys.key_of(Action::New, theme.ascii);
                let lines = ["No job selected".to_owned(), format!("Press {key} to create an image")];
                say(frame, inner, lines.into_iter().map(|line| Line::styled(line, theme.dim)).collect(), theme);
            }
            (Some(job), None) => {
                let place = placeholder::Place { width, keys, theme };
                say(frame, inner, placeholder::lines_for_job(job, progress, now, &place), theme);
            }
            (Some(job), Some((attempt, image))) => {
                if let Some(line) = placeholder::outdated_image_line(job, attempt, theme) {
                    let row = Rect { height: inner.height.min(1), ..inner };
                    frame.render_widget(line, row);
                    widgets::fold_to_ascii(frame, row, theme);
                    inner.y += inner.height.min(1);
                    inner.height -= inner.height.min(1);
                }
                self.image(&(job.id.clone(), attempt), image, frame, inner, view);
            }
        }
    }

    fn image(&mut self, key: &ImageKey, image: &StoredImage, frame: &mut Frame<'_>, area: Rect, view: &ImageView<'_>) {
        let theme = view.theme;
        let key_of = |action| view.keys.key_of(action, theme.ascii);
        let width = usize::from(area.width);
        if self.mode == ImagesMode::Off {
            let mut lines = vec![Line::styled("Image stored; image display is off (--images)", theme.dim)];
            let url = text::sanitize_line(&image.url, 500);
            lines.extend(wrap(&url, width).into_iter().map(|line| Line::styled(line, theme.text)));
            lines.push(Line::styled(
                format!("{} opens it · {} copies its URL", key_of(Action::OpenImage), key_of(Action::CopyUrl)),
                theme.accent,
            ));
            return say(frame, area, lines, theme);
        }
        if let Some(hint) = &self.hint {
            let lines = wrap(hint, width).into_iter().map(|line| Line::styled(line, theme.warning));
            return say(frame, area, lines.collect(), theme);
        }
        let room = area.as_size();
        if room.width == 0 || room.height == 0 {
            return;
        }
        if let Some(line) = self.request(key, room) {
            let lines = wrap(&format!("Cannot show the image: {line}"), width);
            let mut lines: Vec<Line<'_>> = lines.into_iter().map(|line| Line::styled(line, theme.bad)).collect();
            let open = format!("{} opens it in the system viewer", key_of(Action::OpenImage));
            lines.push(Line::styled(open, theme.accent));
            return say(frame, area, lines, theme);
        }
        match &mut self.ready {
            Some(ready) if ready.key == *key && fits(ready.drawn.protocol.size(), room) => {
                render(frame, &mut ready.drawn, area, theme);
            }
            _ => say(frame, area, vec![Line::styled("Loading the image…", theme.dim)], theme),
        }
    }

    /// Requests the image in this size from the decoder, unless it is ready or requested; the reason where there will be none.
    fn request(&mut self, key: &ImageKey, room: Size) -> Option<String> {
        let source = match self.cache.get(key)? {
            CachedImage::NotLoaded(line) | CachedImage::NotDecoded(line) => return Some(line.clone()),
            CachedImage::File(bytes) => Source::File(bytes.clone()),
            CachedImage::Image(image) => Source::Image(image.clone()),
        };
        if self.ready.as_ref().is_some_and(|ready| ready.key == *key && ready.room == room)
            || self.requested.as_ref().is_some_and(|(requested_key, size)| requested_key == key && *size == room)
        {
            return None;
        }
        self.requested = Some((key.clone(), room));
        let request = Request { place: Place::Pane, kept_side: decode::KEPT_SIDE, key: key.clone(), room, source };
        let sent = self.requests.as_ref().map(|requests| requests.send(request));
        if matches!(sent, Some(Ok(()))) {
            return None;
        }
        let line = "the image decoder stopped".to_owned();
        self.cache.put(key.clone(), CachedImage::NotDecoded(line.clone()));
        Some(line)
    }
}

/// Draws an image in the middle of an area that has room for it.
fn render(frame: &mut Frame<'_>, drawn: &mut Drawn, area: Rect, theme: &Theme) {
    let size = drawn.protocol.size();
    let centred = Rect {
        x: area.x + (area.width - size.width) / 2,
        y: area.y + (area.height - size.height) / 2,
        width: size.width,
        height: size.height,
    };
    frame.render_widget(Image::new(&drawn.protocol), centred);
    if let Some(cell) = frame.buffer_mut().cell_mut(centred.as_position())
        && let Some(transmission) = drawn.transmission.take()
    {
        cell.set_symbol(&format!("{transmission}{}", cell.symbol()));
    }
    shades::redraw(frame.buffer_mut(), centred, theme);
}

fn fits(size: Size, room: Size) -> bool {
    size.width <= room.width && size.height <= room.height
}

/// The newest stored image and the attempt that made it.
pub fn image_of(job: &Job) -> Option<(u32, &StoredImage)> {
    job.attempts.iter().rev().find_map(|attempt| match &attempt.outcome {
        Some(Outcome::Done { image }) => Some((attempt.number, image)),
        _ => None,
    })
}

/// `1024×1024 png · 1.4 MB`.
fn facts(image: &StoredImage) -> String {
    format!("{}×{} {} · {}", image.width, image.height, image.format.as_str(), format::bytes(image.bytes))
}

/// A few lines in the middle of the area.
fn say(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>, theme: &Theme) {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    let middle = Rect { y: area.y + (area.height - height) / 2, height, ..area };
    frame.render_widget(Paragraph::new(lines).centered(), middle);
    widgets::fold_to_ascii(frame, middle, theme);
}

#[cfg(test)]
mod tests;
