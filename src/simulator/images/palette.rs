//! The colours of a simulated image: a few that match, chosen by the seeded generator.

use tiny_skia::Color;

use crate::simulator::rng::SeededRng;

/// Colours that go together.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    /// Hue of the sky, in degrees.
    hue: f32,
    /// Degrees from the sky's hue to the accent's.
    turn: f32,
    /// Whether it is night: dark sky, pale sun.
    night: bool,
}

impl Palette {
    /// The colours that the dice give.
    pub fn new(dice: &mut SeededRng) -> Self {
        const TURNS: [f32; 5] = [28.0, -32.0, 150.0, 180.0, -140.0];
        Self { hue: dice.between(0.0, 360.0), turn: TURNS[dice.below(TURNS.len())], night: dice.unit() < 0.35 }
    }

    /// The top of the sky.
    pub fn zenith(&self) -> Color {
        hsl(self.hue, 0.55, if self.night { 0.09 } else { 0.42 })
    }

    /// The sky above the horizon.
    pub fn horizon(&self) -> Color {
        hsl(self.hue + self.turn, 0.62, if self.night { 0.30 } else { 0.80 })
    }

    /// Sun, moon, rings.
    pub fn light(&self) -> Color {
        hsl(self.hue + self.turn * 0.8, 0.85, if self.night { 0.86 } else { 0.93 })
    }

    /// A layer of land or water: 0 is the farthest, 1 the nearest.
    pub fn layer(&self, nearness: f32) -> Color {
        let far = if self.night { 0.26 } else { 0.66 };
        let near = if self.night { 0.05 } else { 0.15 };
        hsl(self.hue + self.turn * (1.0 - nearness) * 0.7, 0.45 + 0.15 * nearness, far + (near - far) * nearness)
    }
}

/// A colour of hue (degrees, any), saturation and lightness (0 to 1).
fn hsl(hue: f32, saturation: f32, lightness: f32) -> Color {
    let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * saturation;
    let sector = hue.rem_euclid(360.0) / 60.0;
    let second = chroma * (1.0 - (sector % 2.0 - 1.0).abs());
    let (red, green, blue) = match sector as u32 {
        0 => (chroma, second, 0.0),
        1 => (second, chroma, 0.0),
        2 => (0.0, chroma, second),
        3 => (0.0, second, chroma),
        4 => (second, 0.0, chroma),
        _ => (chroma, 0.0, second),
    };
    let base = lightness - chroma / 2.0;
    let part = |value: f32| (value + base).clamp(0.0, 1.0);
    Color::from_rgba(part(red), part(green), part(blue), 1.0).unwrap_or(Color::BLACK)
}

/// The same colour, less opaque.
pub(super) fn faded(color: Color, opacity: f32) -> Color {
    let mut color = color;
    color.set_alpha(opacity.clamp(0.0, 1.0));
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_where_they_belong() {
        let parts = |color: Color| {
            let color = color.to_color_u8();
            (color.red(), color.green(), color.blue())
        };
        assert_eq!(parts(hsl(0.0, 1.0, 0.5)), (255, 0, 0));
        assert_eq!(parts(hsl(120.0, 1.0, 0.5)), (0, 255, 0));
        assert_eq!(parts(hsl(-120.0, 1.0, 0.5)), (0, 0, 255));
        assert_eq!(parts(hsl(77.0, 0.0, 1.0)), (255, 255, 255));
    }
}
