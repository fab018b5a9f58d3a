//! Redraws half-block images for terminals without colours or without Unicode. Cells of graphics protocols stay untouched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::console::theme::Theme;

/// From dark to light, on a dark screen.
const SHADES: &[u8] = b" .:-=+*#%@";

/// Redraws an image of half blocks: without colours as shades, in ASCII as coloured spaces. One cell is one pixel then.
pub fn redraw(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    let without_colours = theme.is_without_colours();
    if !without_colours && !theme.ascii {
        return;
    }
    for position in area.intersection(buffer.area).positions() {
        let cell = &mut buffer[position];
        if !matches!(cell.symbol(), "▀" | "▄" | "█" | " ") {
            continue;
        }
        let (Color::Rgb(r1, g1, b1), Color::Rgb(r2, g2, b2)) = (cell.fg, cell.bg) else { continue };
        let (red, green, blue) = (u8::midpoint(r1, r2), u8::midpoint(g1, g2), u8::midpoint(b1, b2));
        cell.reset();
        if without_colours {
            let light = (u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114) / 1_000;
            let shade = SHADES[light as usize * (SHADES.len() - 1) / 255];
            cell.set_char(char::from(shade));
        } else {
            cell.set_bg(Color::Rgb(red, green, blue));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Buffer {
        let mut buffer = Buffer::with_lines(["▀▄x"]);
        for (column, (upper, lower)) in [
            (0, (Color::Rgb(0, 0, 0), Color::Rgb(0, 0, 0))),
            (1, (Color::Rgb(255, 255, 255), Color::Rgb(255, 255, 255))),
        ] {
            buffer[(column, 0)].set_fg(upper).set_bg(lower);
        }
        buffer
    }

    #[test]
    fn without_colours_an_image_is_shades() {
        let mut buffer = image();
        redraw(&mut buffer, Rect::new(0, 0, 3, 1), &Theme::mono());
        assert_eq!(buffer, Buffer::with_lines([" @x"]));
    }

    #[test]
    fn in_ascii_an_image_is_coloured_spaces() {
        let mut buffer = image();
        redraw(&mut buffer, Rect::new(0, 0, 3, 1), &Theme::dark().with_ascii(true));
        let shown: Vec<(&str, Color)> = buffer.content().iter().map(|cell| (cell.symbol(), cell.bg)).collect();
        assert_eq!(shown, [(" ", Color::Rgb(0, 0, 0)), (" ", Color::Rgb(255, 255, 255)), ("x", Color::Reset)]);
    }

    #[test]
    fn shades_leave_other_cells_unchanged() {
        let mut buffer = image();
        redraw(&mut buffer, Rect::new(0, 0, 3, 1), &Theme::dark());
        assert_eq!(buffer, image());
    }
}
