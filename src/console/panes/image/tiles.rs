//! Many images at once, in a grid or side by side: loaded a few at a time, decoded by the image thread, kept up to a bound.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use image::DynamicImage;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Line;
use ratatui_image::protocol::Protocol;

use super::cache::ImageKey;
use super::decoder::{Drawn, ImageMessage, Place, Request, Source};
use super::{fits, render, say};
use crate::console::theme::Theme;
use crate::console::widgets::wrap;
use crate::jobs::JobId;
use crate::text;

/// Images that are loaded or wait for the decoder at the same time: their files are in memory.
const MAX_PENDING: usize = 4;

/// Pixels on a side that are kept at least.
const MIN_KEPT_SIDE: u32 = 64;

/// Bytes of one cell of half blocks.
const CELL_BYTES: usize = 24;

/// Images of one place, the latest drawn first.
pub struct Tiles {
    place: Place,
    requests: Option<Sender<Request>>,
    kept_side: u32,
    bound: usize,
    recent: VecDeque<(ImageKey, Tile)>,
    /// Requested from the engine, without a reply so far.
    loading: HashSet<ImageKey>,
    /// Numbers of images that the terminal need not keep.
    dropped: Vec<u32>,
}

struct Tile {
    content: Content,
    drawn: Option<(Size, Drawn)>,
    /// The size that the decoder was asked for.
    requested: Option<Size>,
}

enum Content {
    File(Bytes),
    Image(Arc<DynamicImage>),
    Failed(String),
}

impl Tile {
    fn new(content: Content) -> Self {
        Self { content, drawn: None, requested: None }
    }

    /// Bytes in memory, as good as.
    fn weight(&self) -> usize {
        let content = match &self.content {
            Content::File(bytes) => bytes.len(),
            Content::Image(image) => image.as_bytes().len(),
            Content::Failed(line) => line.len(),
        };
        let drawn = self.drawn.as_ref().map_or(0, |(_, drawn)| {
            let transmission = drawn.transmission.as_ref().map_or(0, String::len);
            transmission
                + match &drawn.protocol {
                    Protocol::Sixel(sixel) => sixel.data.len(),
                    Protocol::ITerm2(inline) => inline.data.len(),
                    Protocol::Halfblocks(_) | Protocol::Kitty(_) => {
                        usize::from(drawn.protocol.size().width)
                            * usize::from(drawn.protocol.size().height)
                            * CELL_BYTES
                    }
                }
        });
        content + drawn
    }

    fn is_pending(&self) -> bool {
        matches!(self.content, Content::File(_))
    }
}

impl Tiles {
    pub(super) fn new(place: Place, requests: Option<Sender<Request>>, kept_side: u32, bound: usize) -> Self {
        let (recent, loading, dropped) = (VecDeque::new(), HashSet::new(), Vec::new());
        Self { place, requests, kept_side, bound, recent, loading, dropped }
    }

    /// Images from now on keep at least that many pixels on a side, in powers of two; smaller ones are loaded again.
    pub fn keep(&mut self, side: u32) {
        let side = side.max(MIN_KEPT_SIDE).next_power_of_two();
        if side > self.kept_side {
            self.clear();
            self.kept_side = side;
        }
    }

    /// The jobs whose images are to be loaded now, of those on the screen. `known` is what another pane already has.
    pub fn next_loads(
        &mut self,
        wanted: impl Iterator<Item = ImageKey>,
        mut known: impl FnMut(&ImageKey) -> Option<Source>,
    ) -> Vec<JobId> {
        let mut loads = Vec::new();
        if self.requests.is_none() {
            return loads;
        }
        let mut pending = self.loading.len() + self.recent.iter().filter(|(_, tile)| tile.is_pending()).count();
        let mut weight = 0;
        for key in wanted {
            // What does not fit beside the others is not loaded: it would displace them, and they it.
            weight += self.recent.iter().find(|(there, _)| *there == key).map_or(0, |(_, tile)| tile.weight());
            if pending >= MAX_PENDING || weight > self.bound / 4 * 3 {
                break;
            }
            if self.loading.contains(&key) || self.recent.iter().any(|(there, _)| *there == key) {
                continue;
            }
            if let Some(source) = known(&key) {
                let content = match source {
                    Source::File(bytes) => Content::File(bytes),
                    Source::Image(image) => Content::Image(image),
                };
                self.put(key, Tile::new(content));
            } else {
                loads.push(key.0.clone());
                self.loading.insert(key);
            }
            pending += 1;
        }
        loads
    }

    /// Takes an image's bytes, or one line why there are none. Returns whether they were requested here.
    pub fn on_bytes(&mut self, id: &JobId, attempt: u32, bytes: &Result<Bytes, String>) -> bool {
        let replied: Vec<ImageKey> = self.loading.extract_if(|(requested, _)| requested == id).collect();
        for key in &replied {
            let content = match bytes {
                Ok(bytes) if key.1 == attempt => Content::File(bytes.clone()),
                Ok(_) => Content::Failed(format!("replaced by attempt {attempt}")),
                Err(line) => Content::Failed(text::sanitize_line(line, 200)),
            };
            self.put(key.clone(), Tile::new(content));
        }
        !replied.is_empty()
    }

    /// The engine's queue was full: the image is requested again later.
    pub fn on_dropped(&mut self, id: &JobId) {
        self.loading.retain(|(requested, _)| requested != id);
    }

    /// Takes in a reply of the decoder thread; true where the screen may change.
    pub fn on_message(&mut self, message: ImageMessage) -> bool {
        let ImageMessage { key, room, image, drawn, .. } = message;
        let Some((_, tile)) = self.recent.iter_mut().find(|(there, _)| *there == key) else {
            // Dropped while it was decoded; it was never sent.
            return false;
        };
        tile.requested = None;
        match (drawn, image) {
            (Ok(drawn), Some(image)) => {
                tile.content = Content::Image(image);
                if let Some((_, old)) = tile.drawn.replace((room, drawn)) {
                    self.dropped.extend(sent_number(&old));
                }
            }
            (Err(line), _) => tile.content = Content::Failed(line),
            (Ok(_), None) => {}
        }
        self.shrink();
        true
    }

    /// Sends images to the terminal again: after the screen was suspended or cleared.
    pub fn invalidate(&mut self) {
        for (_, tile) in &mut self.recent {
            tile.drawn = None;
            tile.requested = None;
        }
        self.dropped.clear();
    }

    /// Forgets everything, also in the terminal.
    pub fn clear(&mut self) {
        let old = std::mem::take(&mut self.recent);
        let drawn = old.into_iter().filter_map(|(_, tile)| tile.drawn);
        self.dropped.extend(drawn.filter_map(|(_, drawn)| sent_number(&drawn)));
        self.loading.clear();
    }

    /// The numbers of images that the terminal need not keep any more.
    pub fn take_dropped(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dropped)
    }

    /// Bytes in memory, as good as.
    pub fn weight(&self) -> usize {
        self.recent.iter().map(|(_, tile)| tile.weight()).sum()
    }

    fn put(&mut self, key: ImageKey, tile: Tile) {
        self.recent.retain(|(there, _)| *there != key);
        self.recent.push_front((key, tile));
        self.shrink();
    }

    /// Drops the longest not drawn until the rest fits. What the decoder has keeps its place.
    fn shrink(&mut self) {
        let mut weight = self.weight();
        while weight > self.bound && self.recent.len() > 1 {
            let Some((_, gone)) = self.recent.pop_back() else { break };
            weight -= gone.weight();
            self.dropped.extend(gone.drawn.and_then(|(_, drawn)| sent_number(&drawn)));
        }
    }

    /// Draws an image in the middle of an area, or why it is not there.
    pub fn draw(&mut self, frame: &mut Frame<'_>, key: &ImageKey, area: Rect, theme: &Theme) {
        let room = area.as_size();
        if room.width == 0 || room.height == 0 {
            return;
        }
        let Some(place) = self.recent.iter().position(|(there, _)| there == key) else {
            let words = if self.requests.is_none() { "images are off" } else { "…" };
            return say(frame, area, vec![Line::styled(words, theme.dim)], theme);
        };
        let Some(mut found) = self.recent.remove(place) else { return };
        let tile = &mut found.1;
        if let Content::Failed(line) = &tile.content {
            let lines = wrap(line, usize::from(area.width)).into_iter().take(usize::from(area.height));
            say(frame, area, lines.map(|line| Line::styled(line, theme.bad)).collect(), theme);
        } else {
            let is_ready = tile.drawn.as_ref().is_some_and(|(size, _)| *size == room);
            if !is_ready && tile.requested != Some(room) {
                let source = match &tile.content {
                    Content::File(bytes) => Source::File(bytes.clone()),
                    Content::Image(image) => Source::Image(image.clone()),
                    Content::Failed(_) => return,
                };
                tile.requested = Some(room);
                let (place, kept_side) = (self.place, self.kept_side);
                let request = Request { place, kept_side, key: key.clone(), room, source };
                if self.requests.as_ref().is_none_or(|requests| requests.send(request).is_err()) {
                    tile.content = Content::Failed("the image decoder stopped".to_owned());
                }
            }
            match &mut tile.drawn {
                Some((_, drawn)) if fits(drawn.protocol.size(), room) => render(frame, drawn, area, theme),
                _ => say(frame, area, vec![Line::styled("…", theme.dim)], theme),
            }
        }
        self.recent.push_front(found);
    }
}

/// The number of an image that the terminal has.
fn sent_number(drawn: &Drawn) -> Option<u32> {
    drawn.number.filter(|_| drawn.transmission.is_none())
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui_image::picker::{Picker, ProtocolType};

    use super::super::tests::png;
    use super::super::{ImagePane, ImagesMode};
    use super::*;

    fn key(number: usize) -> ImageKey {
        (JobId::new(format!("job{number}")).unwrap(), 1)
    }

    /// Loads and draws images in a row of areas until nothing changes any more.
    fn show(pane: &ImagePane, tiles: &mut Tiles, messages: &mut super::super::Messages, keys: &[ImageKey]) -> String {
        let mut terminal = Terminal::new(TestBackend::new(60, 10)).unwrap();
        let theme = Theme::dark();
        loop {
            let loads = tiles.next_loads(keys.iter().cloned(), |key| pane.source(key));
            for id in &loads {
                assert!(tiles.on_bytes(id, 1, &Ok(Bytes::from(png(200, 200)))));
            }
            let draw = |frame: &mut Frame<'_>| {
                for (index, key) in (0..).zip(keys) {
                    tiles.draw(frame, key, Rect::new(index * 20, 0, 20, 10), &theme);
                }
            };
            terminal.draw(draw).unwrap();
            if loads.is_empty() && tiles.recent.iter().all(|(_, tile)| tile.requested.is_none()) {
                return crate::console::test_fixtures::text_of(terminal.backend());
            }
            if tiles.recent.iter().any(|(_, tile)| tile.requested.is_some()) {
                tiles.on_message(messages.blocking_recv().unwrap());
            }
        }
    }

    #[test]
    fn tiles_are_bounded_in_bytes() {
        let (pane, mut messages) = ImagePane::new(Picker::halfblocks(), ImagesMode::HalfBlocks);
        let mut tiles = pane.tiles(Place::Gallery, 64, 40_000);
        for first in 0..20 {
            let text = show(&pane, &mut tiles, &mut messages, &[key(first), key(first + 1)]);
            assert!(!text.contains('…'), "{text}");
            assert!(tiles.recent.iter().take(2).all(|(_, tile)| tile.drawn.is_some()), "both are shown");
            assert!(tiles.weight() <= 40_000, "{}", tiles.weight());
        }
        assert!(tiles.recent.len() < 4, "{}", tiles.recent.len());
        assert!(
            tiles.recent.iter().all(|(_, tile)| matches!(&tile.content, Content::Image(image) if image.width() <= 64))
        );
    }

    #[test]
    fn only_a_few_images_load_at_once() {
        let (pane, _messages) = ImagePane::new(Picker::halfblocks(), ImagesMode::HalfBlocks);
        let mut tiles = pane.tiles(Place::Gallery, 64, 1_000_000);
        let loads = tiles.next_loads((0..50).map(key), |_| None);
        assert_eq!(loads.len(), MAX_PENDING);
        assert_eq!(tiles.next_loads((0..50).map(key), |_| None), [], "under way");
        tiles.on_dropped(&loads[0]);
        assert_eq!(tiles.next_loads((0..50).map(key), |_| None), [loads[0].clone()], "requested again");
        assert!(tiles.on_bytes(&loads[1], 1, &Err("gone".to_owned())));
        assert!(!tiles.on_bytes(&loads[1], 1, &Err("gone".to_owned())), "requested by someone else");
        assert_eq!(tiles.next_loads((0..50).map(key), |_| None).len(), 1, "a failure is not requested again");
    }

    #[test]
    fn kitty_images_of_dropped_tiles_are_deleted() {
        let mut picker = Picker::halfblocks();
        picker.set_protocol_type(ProtocolType::Kitty);
        let (pane, mut messages) = ImagePane::new(picker, ImagesMode::Kitty);
        let mut tiles = pane.tiles(Place::Gallery, 64, 1_000_000);
        show(&pane, &mut tiles, &mut messages, &[key(0), key(1)]);
        assert_eq!(tiles.take_dropped(), [] as [u32; 0]);
        tiles.clear();
        let dropped = tiles.take_dropped();
        assert_eq!(dropped.len(), 2);
        assert_ne!(dropped[0], dropped[1]);
    }
}
