//! Reproducible pseudo-random numbers. Not for anything that must be unpredictable.

use sha2::{Digest, Sha256};

/// splitmix64, seeded by the first eight bytes of a SHA-256 digest.
#[derive(Debug, Clone)]
pub(super) struct SeededRng(u64);

impl SeededRng {
    /// A generator for these words; their borders count, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn new(words: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for word in words {
            digest.update((word.len() as u64).to_le_bytes());
            digest.update(word);
        }
        let first = digest.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        Self(first)
    }

    /// The next whole number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number between the two.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit() as f32
    }

    /// The next index below `count`, which is not zero.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next_u64() % count.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_words_give_same_numbers() {
        let first = |words: &[&[u8]]| SeededRng::new(words).next_u64();
        assert_eq!(first(&[b"ab", b"c"]), first(&[b"ab", b"c"]));
        assert_ne!(first(&[b"ab", b"c"]), first(&[b"a", b"bc"]));
        let mut rng = SeededRng::new(&[b"x"]);
        assert!((0..1000).map(|_| rng.unit()).all(|unit| (0.0..1.0).contains(&unit)));
    }
}
