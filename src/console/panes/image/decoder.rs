//! The decoder thread: it handles only the newest request, so that a burst of selections decodes one image, not fifty.

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

/// An image for a room of cells.
#[derive(Debug)]
pub struct Request {
    /// Which.
    pub key: ImageKey,
    /// At most this large.
    pub room: Size,
    /// From what.
    pub source: Source,
}

/// Opaque result of the decoding thread; to be handed to `ImagePane::on_message`.
pub struct ImageMessage {
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
    while let Ok(first) = requests.recv() {
        let newest = requests.try_iter().last().unwrap_or(first);
        if messages.send(answer(picker, newest)).is_err() {
            return;
        }
    }
}

fn answer(picker: &Picker, request: Request) -> ImageMessage {
    let Request { key, room, source } = request;
    let decoded = match source {
        Source::Image(image) => Ok(image),
        Source::File(file) => decode::decode(&file).map(Arc::new),
    };
    match decoded {
        Ok(image) => {
            let drawn = decode::encode(&image, picker, room).map(|protocol| {
                let transmission = kitty::take_transmission(&protocol);
                Drawn { protocol, transmission }
            });
            ImageMessage { key, room, image: Some(image), drawn }
        }
        Err(line) => ImageMessage { key, room, image: None, drawn: Err(line) },
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
            requests.send(Request { key, room: Size::new(8, 4), source: Source::File(file.clone()) }).unwrap();
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
        requests.send(Request { key, room: Size::new(8, 4), source: Source::File(Bytes::new()) }).unwrap();
        run(&Picker::halfblocks(), &receiver, &sender);
    }
}
