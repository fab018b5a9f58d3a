//! The decoder thread. Of the requests for the selected image it handles only the newest, so that a burst of selections decodes
//! one image, not fifty; the tiles of a grid are decoded one after the other, behind it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use image::DynamicImage;
use ratatui::layout::Size;
use ratatui_image::picker::Picker;
use ratatui_image::protocol::Protocol;
use tokio::sync::mpsc::UnboundedSender;

use super::cache::ImageKey;
use super::{decode, kitty};

/// What an image is made from.
#[derive(Debug)]
pub enum Source {
    /// Its file.
    File(Bytes),
    /// The decoded image: only the size changed.
    Image(Arc<DynamicImage>),
}

/// Where an image is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By itself: the selected job's.
    Pane,
    /// In the grid of the gallery.
    Gallery,
    /// Beside others.
    Compare,
}

/// An image for a room of cells.
#[derive(Debug)]
pub struct Request {
    /// Where it is shown.
    pub place: Place,
    /// Of a decoded file, at most this many pixels on a side are kept.
    pub kept_side: u32,
    /// Which.
    pub key: ImageKey,
    /// At most this large.
    pub room: Size,
    /// From what.
    pub source: Source,
}

/// Opaque result of the decoding thread; to be handed to `ImagePane::on_message`.
pub struct ImageMessage {
    pub(in crate::console) place: Place,
    pub(super) key: ImageKey,
    pub(super) room: Size,
    pub(super) image: Option<Arc<DynamicImage>>,
    pub(super) drawn: Result<Drawn, String>,
}

/// An image as the terminal takes it.
pub(super) struct Drawn {
    pub(super) protocol: Protocol,
    /// Sent once, before the first cell of the image.
    pub(super) transmission: Option<String>,
    /// The number under which the terminal keeps the image, where it does.
    pub(super) number: Option<u32>,
}

impl std::fmt::Debug for ImageMessage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ImageMessage").field("key", &self.key).field("room", &self.room).finish_non_exhaustive()
    }
}

/// Starts the thread. It ends when the sender of requests or the receiver of messages is gone. `None` where the system gives
/// no thread.
pub fn start(picker: Picker, messages: UnboundedSender<ImageMessage>) -> Option<Sender<Request>> {
    let (sender, receiver) = channel();
    let spawned = thread::Builder::new().name("images".to_owned()).spawn(move || run(&picker, &receiver, &messages));
    spawned.is_ok().then_some(sender)
}

fn run(picker: &Picker, requests: &Receiver<Request>, messages: &UnboundedSender<ImageMessage>) {
    let mut tiles = VecDeque::new();
    loop {
        let first = if tiles.is_empty() { requests.recv().ok() } else { None };
        if first.is_none() && tiles.is_empty() {
            return;
        }
        let mut newest = None;
        for request in first.into_iter().chain(requests.try_iter()) {
            match request.place {
                Place::Pane => newest = Some(request),
                Place::Gallery | Place::Compare => tiles.push_back(request),
            }
        }
        let Some(next) = newest.or_else(|| tiles.pop_front()) else { continue };
        if messages.send(answer(picker, next)).is_err() {
            return;
        }
    }
}

fn answer(picker: &Picker, request: Request) -> ImageMessage {
    let Request { place, kept_side, key, room, source } = request;
    let decoded = match source {
        Source::Image(image) => Ok(image),
        Source::File(file) => decode::decode(&file, kept_side).map(Arc::new),
    };
    match decoded {
        Ok(image) => {
            let drawn = decode::encode(&image, picker, room).map(|protocol| {
                let transmission = kitty::take_transmission(&protocol);
                let number = transmission.as_deref().and_then(kitty::number);
                Drawn { protocol, transmission, number }
            });
            // A tile keeps no more than it needs, also where the image came decoded.
            let is_kept = image.width().max(image.height()) <= kept_side;
            let image = if is_kept { image } else { Arc::new(image.thumbnail(kept_side, kept_side)) };
            ImageMessage { place, key, room, image: Some(image), drawn }
        }
        Err(line) => ImageMessage { place, key, room, image: None, drawn: Err(line) },
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::tests::png;
    use super::*;
    use crate::jobs::JobId;

    #[test]
    fn decoder_handles_only_the_newest_request() {
        let (requests, receiver) = channel();
        let (sender, mut messages) = unbounded_channel();
        let file = Bytes::from(png(16, 16));
        for number in 0..50 {
            let key = (JobId::new(format!("job{number}")).unwrap(), 1);
            requests.send(request(Place::Pane, key, file.clone())).unwrap();
        }
        drop(requests);
        run(&Picker::halfblocks(), &receiver, &sender);
        let message = messages.try_recv().unwrap();
        assert_eq!(message.key.0.as_str(), "job49");
        assert!(message.drawn.is_ok());
        assert!(messages.try_recv().is_err(), "nothing else was made");
    }

    #[test]
    fn decoder_stops_without_receiver() {
        let (requests, receiver) = channel();
        let (sender, messages) = unbounded_channel();
        drop(messages);
        let key = (JobId::new("job").unwrap(), 1);
        requests.send(request(Place::Pane, key, Bytes::new())).unwrap();
        run(&Picker::halfblocks(), &receiver, &sender);
    }

    #[test]
    fn every_tile_is_decoded_behind_the_selected() {
        let (requests, receiver) = channel();
        let (sender, mut messages) = unbounded_channel();
        let file = Bytes::from(png(64, 64));
        let key = |number: u32| (JobId::new(format!("job{number}")).unwrap(), 1);
        for number in 0..3 {
            requests.send(request(Place::Gallery, key(number), file.clone())).unwrap();
        }
        requests.send(request(Place::Pane, key(9), file)).unwrap();
        drop(requests);
        run(&Picker::halfblocks(), &receiver, &sender);
        let mut order = Vec::new();
        while let Ok(message) = messages.try_recv() {
            assert!(message.drawn.is_ok());
            assert_eq!(message.image.unwrap().width(), 32, "no more is kept");
            order.push(message.key.0.to_string());
        }
        assert_eq!(order, ["job9", "job0", "job1", "job2"]);
    }

    fn request(place: Place, key: ImageKey, file: Bytes) -> Request {
        Request { place, kept_side: 32, key, room: Size::new(8, 4), source: Source::File(file) }
    }
}
