//! A cache of recently shown images, bounded in bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use image::DynamicImage;

use crate::jobs::JobId;

/// Which image: the job and the attempt that made it.
pub type ImageKey = (JobId, u32);

/// What is known of an image.
#[derive(Debug, Clone)]
pub enum CachedImage {
    /// The file, not decoded yet: most images that are scrolled past never are.
    File(Bytes),
    /// Decoded.
    Image(Arc<DynamicImage>),
    /// Loading failed; requested again when it is selected the next time.
    NotLoaded(String),
    /// Decoding failed; loading again would not help.
    NotDecoded(String),
}

impl CachedImage {
    /// Bytes in memory, as good as.
    fn weight(&self) -> usize {
        match self {
            Self::File(bytes) => bytes.len(),
            Self::Image(image) => image.as_bytes().len(),
            Self::NotLoaded(line) | Self::NotDecoded(line) => line.len(),
        }
    }
}

/// Images, the latest seen first. Holds at most its bound, but always the latest one.
#[derive(Debug)]
pub struct ImageCache {
    bound: usize,
    cached: VecDeque<(ImageKey, CachedImage)>,
}

impl ImageCache {
    /// An empty one that holds at most so many bytes.
    pub fn new(bound: usize) -> Self {
        Self { bound, cached: VecDeque::new() }
    }

    /// Whether it is cached, without marking it as used.
    pub fn contains(&self, key: &ImageKey) -> bool {
        self.cached.iter().any(|(cached, _)| cached == key)
    }

    /// The image, without marking it as used.
    pub fn peek(&self, key: &ImageKey) -> Option<&CachedImage> {
        self.cached.iter().find(|(cached, _)| cached == key).map(|(_, cached)| cached)
    }

    /// The image, which is now the latest seen.
    pub fn get(&mut self, key: &ImageKey) -> Option<&CachedImage> {
        let place = self.cached.iter().position(|(cached, _)| cached == key)?;
        let found = self.cached.remove(place)?;
        self.cached.push_front(found);
        self.cached.front().map(|(_, cached)| cached)
    }

    /// Takes or replaces an image; the longest not seen go.
    pub fn put(&mut self, key: ImageKey, cached: CachedImage) {
        self.remove(&key);
        self.cached.push_front((key, cached));
        let mut weight: usize = self.cached.iter().map(|(_, cached)| cached.weight()).sum();
        while weight > self.bound && self.cached.len() > 1 {
            let Some((_, gone)) = self.cached.pop_back() else { break };
            weight -= gone.weight();
        }
    }

    /// Forgets an image.
    pub fn remove(&mut self, key: &ImageKey) {
        self.cached.retain(|(cached, _)| cached != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> ImageKey {
        (JobId::new("job").unwrap(), number)
    }

    #[test]
    fn the_longest_not_seen_goes_first() {
        let mut cache = ImageCache::new(25);
        for number in 0..2 {
            cache.put(key(number), CachedImage::File(Bytes::from(vec![0; 10])));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(2), CachedImage::File(Bytes::from(vec![0; 10])));
        assert!(cache.contains(&key(0)) && cache.contains(&key(2)));
        assert!(!cache.contains(&key(1)));
    }

    #[test]
    fn one_that_is_too_large_is_held_alone() {
        let mut cache = ImageCache::new(5);
        cache.put(key(0), CachedImage::File(Bytes::from_static(b"abc")));
        cache.put(key(1), CachedImage::File(Bytes::from_static(b"abcdefgh")));
        assert!(!cache.contains(&key(0)));
        assert!(cache.contains(&key(1)));
    }
}
