//! The scene of a simulated image: sky, lights, and hills, waves, towers or bubbles in front, composed by the seeded generator.

use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point, RadialGradient, Rect,
    Shader, SpreadMode, Stroke, Transform,
};

use super::palette::{Palette, faded};
use crate::simulator::rng::SeededRng;

/// Draws the image of these words, `width` x `height` pixels, opaque.
///
/// `None` only for sizes that no image has (zero, or beyond the memory's addresses).
pub(super) fn draw(prompt: &str, seed: i64, width: u32, height: u32) -> Option<Pixmap> {
    let pixmap = Pixmap::new(width, height)?;
    let mut dice = SeededRng::new(&[b"picture", prompt.as_bytes(), &seed.to_le_bytes()]);
    let palette = Palette::new(&mut dice);
    let mut scene = Scene { pixmap, dice, palette, width: width as f32, height: height as f32 };
    scene.sky();
    scene.lights();
    match scene.dice.below(4) {
        0 => scene.hills(),
        1 => scene.waves(),
        2 => scene.towers(),
        _ => scene.bubbles(),
    }
    Some(scene.pixmap)
}

struct Scene {
    pixmap: Pixmap,
    dice: SeededRng,
    palette: Palette,
    width: f32,
    height: f32,
}

impl Scene {
    fn sky(&mut self) {
        let lean = self.dice.between(-0.2, 0.2) * self.width;
        let paint = gradient((0.0, 0.0), (lean, self.height * 0.8), self.palette.zenith(), self.palette.horizon());
        if let Some(all) = Rect::from_xywh(0.0, 0.0, self.width, self.height) {
            self.pixmap.fill_rect(all, &paint, Transform::identity(), None);
        }
    }

    /// A sun or moon with a halo, sometimes a ring, and a few stars.
    fn lights(&mut self) {
        let short = self.width.min(self.height);
        let light = self.palette.light();
        for _ in 0..self.dice.below(24) {
            let (x, y) = (self.dice.between(0.0, self.width), self.dice.between(0.0, self.height * 0.5));
            let (radius, opacity) = (short * self.dice.between(0.001, 0.004), self.dice.between(0.2, 0.8));
            // A star that covers less than a tenth of a pixel costs as much as one that is seen.
            if radius > 0.18 {
                self.disc(x, y, radius, &solid(faded(light, opacity)));
            }
        }
        let (x, y) = (self.width * self.dice.between(0.2, 0.8), self.height * self.dice.between(0.18, 0.5));
        let radius = short * self.dice.between(0.07, 0.17);
        let halo = radius * self.dice.between(2.0, 3.4);
        let glow = RadialGradient::new(
            Point::from_xy(x, y),
            Point::from_xy(x, y),
            halo,
            vec![GradientStop::new(0.0, faded(light, 0.55)), GradientStop::new(1.0, faded(light, 0.0))],
            SpreadMode::Pad,
            Transform::identity(),
        );
        if let Some(shader) = glow {
            self.disc(x, y, halo, &painted(shader));
        }
        self.disc(x, y, radius, &solid(light));
        if self.dice.unit() < 0.3
            && let Some(ring) = PathBuilder::from_circle(x, y, radius * 1.5)
        {
            let stroke = Stroke { width: radius * 0.05, ..Stroke::default() };
            self.pixmap.stroke_path(&ring, &solid(faded(light, 0.7)), &stroke, Transform::identity(), None);
        }
    }

    fn hills(&mut self) {
        let layers = 3 + self.dice.below(3);
        for layer in 0..layers {
            let nearness = (layer + 1) as f32 / layers as f32;
            let base = self.height * (0.46 + 0.40 * nearness);
            let swing = self.height * self.dice.between(0.07, 0.16);
            self.ridge(base, swing, 1.2, nearness);
        }
    }

    fn waves(&mut self) {
        for layer in 0..7 {
            let nearness = (layer + 1) as f32 / 7.0;
            let base = self.height * (0.52 + 0.44 * nearness * nearness);
            self.ridge(base, self.height * (0.008 + 0.03 * nearness), 4.0 - 2.0 * nearness, nearness);
        }
    }

    /// One layer: the outline is a sum of three sines, filled down to the lower edge.
    fn ridge(&mut self, base: f32, swing: f32, crests: f32, nearness: f32) {
        // As many corners as can be seen.
        let points = ((self.width / 6.0) as u16).clamp(6, 48);
        let phases = [(); 3].map(|()| self.dice.between(0.0, std::f32::consts::TAU));
        let rates = [1.0, 2.3, 5.1].map(|rate| rate * crests * self.dice.between(0.8, 1.2));
        let mut outline = PathBuilder::new();
        outline.move_to(0.0, self.height);
        for point in 0..=points {
            let along = f32::from(point) / f32::from(points);
            let sway: f32 = [1.0, 0.5, 0.18]
                .iter()
                .zip(phases.iter().zip(&rates))
                .map(|(weight, (phase, rate))| weight * (along * rate * std::f32::consts::TAU + phase).sin())
                .sum();
            outline.line_to(along * self.width, base + swing * sway);
        }
        outline.line_to(self.width, self.height);
        outline.close();
        let paint = gradient(
            (0.0, base - swing),
            (0.0, self.height),
            self.palette.layer(nearness * 0.8),
            self.palette.layer(nearness),
        );
        self.fill(outline.finish(), &paint);
    }

    fn towers(&mut self) {
        for layer in 0..3_u8 {
            let nearness = f32::from(layer + 1) / 3.0;
            let color = self.palette.layer(nearness);
            let mut x = -self.width * 0.05;
            while x < self.width {
                let breadth = self.width * self.dice.between(0.04, 0.11);
                let top = self.height * (0.88 - self.dice.between(0.05, 0.45) * (1.15 - 0.4 * nearness));
                self.block(x, top, breadth, self.height - top, &solid(color));
                if nearness > 0.6 {
                    self.windows(x, top, breadth);
                }
                x += breadth * self.dice.between(0.9, 1.35);
            }
        }
    }

    fn windows(&mut self, left: f32, top: f32, breadth: f32) {
        let (cell, lit) = (breadth / 7.0, solid(faded(self.palette.light(), 0.75)));
        if cell < 2.0 {
            return;
        }
        for row in 0..8_u8 {
            for column in 0..3_u8 {
                if self.dice.unit() < 0.4 {
                    let (x, y) =
                        (left + cell * (1.0 + 2.0 * f32::from(column)), top + cell * (1.5 + 2.0 * f32::from(row)));
                    self.block(x, y, cell, cell, &lit);
                }
            }
        }
    }

    fn bubbles(&mut self) {
        let short = self.width.min(self.height);
        for _ in 0..14 + self.dice.below(12) {
            let nearness = self.dice.unit() as f32;
            let (x, y) = (self.dice.between(0.0, self.width), self.height * self.dice.between(0.3, 1.0));
            let radius = short * (0.02 + 0.14 * nearness * nearness);
            let color = self.palette.layer(nearness);
            let paint = gradient(
                (x - radius, y - radius),
                (x + radius, y + radius),
                faded(self.palette.light(), 0.65),
                faded(color, 0.9),
            );
            self.disc(x, y, radius, &paint);
        }
        self.ridge(self.height * 0.93, self.height * 0.02, 1.5, 1.0);
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32, paint: &Paint<'_>) {
        self.fill(PathBuilder::from_circle(x, y, radius), paint);
    }

    fn block(&mut self, x: f32, y: f32, width: f32, height: f32, paint: &Paint<'_>) {
        if let Some(block) = Rect::from_xywh(x, y, width, height) {
            self.pixmap.fill_rect(block, paint, Transform::identity(), None);
        }
    }

    fn fill(&mut self, path: Option<Path>, paint: &Paint<'_>) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}

fn gradient(from: (f32, f32), to: (f32, f32), start: Color, end: Color) -> Paint<'static> {
    let shader = LinearGradient::new(
        Point::from_xy(from.0, from.1),
        Point::from_xy(to.0, to.1),
        vec![GradientStop::new(0.0, start), GradientStop::new(1.0, end)],
        SpreadMode::Pad,
        Transform::identity(),
    );
    painted(shader.unwrap_or(Shader::SolidColor(end)))
}

fn painted(shader: Shader<'static>) -> Paint<'static> {
    Paint { shader, ..Paint::default() }
}

fn solid(color: Color) -> Paint<'static> {
    painted(Shader::SolidColor(color))
}
