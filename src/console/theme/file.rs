//! Themes as TOML files: those of `assets/themes`, which are part of the program, and those of the operator.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::Theme;
use crate::text::{sanitize_line, suggest};

/// The themes that are part of the program.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("dark", include_str!("../../../assets/themes/dark.toml")),
    ("light", include_str!("../../../assets/themes/light.toml")),
    ("high-contrast", include_str!("../../../assets/themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../../assets/themes/colour-blind.toml")),
    ("mono", include_str!("../../../assets/themes/mono.toml")),
];

/// The name that chooses dark or light by the terminal's background.
pub const AUTO: &str = "auto";

/// The largest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a theme cannot be used: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    /// There is no such theme.
    #[error("no theme is called '{name}': {advice}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that exist, or the nearest one.
        advice: String,
    },
    /// The file cannot be read, or is not valid.
    #[error("theme {path}: {why}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, and where.
        why: String,
    },
}

/// A theme as it is written. What is left out comes from the theme that it inherits.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    inherits: Option<String>,
    base: Option<StyleFile>,
    text: Option<StyleFile>,
    dim: Option<StyleFile>,
    accent: Option<StyleFile>,
    good: Option<StyleFile>,
    warning: Option<StyleFile>,
    bad: Option<StyleFile>,
    running: Option<StyleFile>,
    selected: Option<StyleFile>,
    border: Option<StyleFile>,
    border_focused: Option<StyleFile>,
    simulated: Option<StyleFile>,
    real_money: Option<StyleFile>,
}

/// A style as it is written.
#[expect(clippy::struct_excessive_bools, reason = "the attributes of a cell are independent")]
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StyleFile {
    fg: Option<ColorFile>,
    bg: Option<ColorFile>,
    #[serde(default)]
    bold: bool,
    #[serde(default)]
    dim: bool,
    #[serde(default)]
    italic: bool,
    #[serde(default)]
    underlined: bool,
    #[serde(default)]
    reversed: bool,
}

/// A number of the 256-colour palette, `#rrggbb`, or a name such as `red`.
#[derive(Debug, Clone, Copy)]
struct ColorFile(Color);

impl<'de> Deserialize<'de> for ColorFile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let value = toml::Value::deserialize(deserializer)?;
        let color = match &value {
            toml::Value::Integer(number) => u8::try_from(*number).ok().map(Color::Indexed),
            toml::Value::String(text) => Color::from_str(text).ok(),
            _ => None,
        };
        color.map(Self).ok_or_else(|| {
            let shown = sanitize_line(&value.to_string(), 30);
            D::Error::custom(format!("{shown} is not a colour: write a number from 0 to 255, \"#rrggbb\" or a name"))
        })
    }
}

impl StyleFile {
    fn style(&self) -> Style {
        let modifiers = [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.italic, Modifier::ITALIC),
            (self.underlined, Modifier::UNDERLINED),
            (self.reversed, Modifier::REVERSED),
        ];
        let modifier = modifiers.into_iter().filter(|(is_set, _)| *is_set).map(|(_, modifier)| modifier).collect();
        let color = |color: Option<ColorFile>| color.map(|ColorFile(color)| color);
        Style { fg: color(self.fg), bg: color(self.bg), ..Style::new() }.add_modifier(modifier)
    }
}

/// Parses a theme. Errors: one line that says what is wrong and where.
fn parse(text: &str) -> Result<Theme, String> {
    let file: ThemeFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        format!("{place}{}", sanitize_line(error.message(), 200))
    })?;
    let inherited = match &file.inherits {
        None => None,
        Some(name) => Some(built_in(name).ok_or_else(|| {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            format!("'inherits' must be one of {names}, not '{}'", sanitize_line(name, 30))
        })?),
    };
    let style = |name: &str, written: &Option<StyleFile>, inherited: Option<Style>| {
        written.as_ref().map(StyleFile::style).or(inherited).ok_or_else(|| {
            format!("'{name}' is missing: write for example {name} = {{ fg = 252 }}, or inherits = \"dark\"")
        })
    };
    let old = inherited.as_ref();
    Ok(Theme {
        ascii: false,
        base: style("base", &file.base, old.map(|theme| theme.base))?,
        text: style("text", &file.text, old.map(|theme| theme.text))?,
        dim: style("dim", &file.dim, old.map(|theme| theme.dim))?,
        accent: style("accent", &file.accent, old.map(|theme| theme.accent))?,
        good: style("good", &file.good, old.map(|theme| theme.good))?,
        warning: style("warning", &file.warning, old.map(|theme| theme.warning))?,
        bad: style("bad", &file.bad, old.map(|theme| theme.bad))?,
        running: style("running", &file.running, old.map(|theme| theme.running))?,
        selected: style("selected", &file.selected, old.map(|theme| theme.selected))?,
        border: style("border", &file.border, old.map(|theme| theme.border))?,
        border_focused: style("border_focused", &file.border_focused, old.map(|theme| theme.border_focused))?,
        simulated: style("simulated", &file.simulated, old.map(|theme| theme.simulated))?,
        real_money: style("real_money", &file.real_money, old.map(|theme| theme.real_money))?,
    })
}

/// A theme of the program.
pub fn built_in(name: &str) -> Option<Theme> {
    let (_, text) = BUILT_IN.into_iter().find(|(known, _)| *known == name)?;
    parse(text).ok()
}

/// The theme of that name: `themes/NAME.toml` in one of the folders, or else one of the program.
///
/// # Errors
///
/// No such theme; a file that cannot be read or is not valid.
pub fn load(name: &str, folders: &[PathBuf]) -> Result<Theme, ThemeError> {
    let file_name = format!("{name}.toml");
    for path in folders.iter().map(|folder| folder.join("themes").join(&file_name)) {
        match read(&path) {
            Ok(None) => {}
            Ok(Some(text)) => {
                return parse(&text).map_err(|why| ThemeError::Invalid { path: path.display().to_string(), why });
            }
            Err(error) => {
                return Err(ThemeError::Invalid { path: path.display().to_string(), why: error.to_string() });
            }
        }
    }
    built_in(name).ok_or_else(|| {
        let names = names(folders);
        let advice = if let Some(meant) = suggest(name, names.iter().map(String::as_str)).first() {
            format!("did you mean '{meant}'?")
        } else {
            let folder = folders.last().map_or_else(String::new, |folder| {
                format!(", or write {}", folder.join("themes").join(&file_name).display())
            });
            format!("use {}{folder}", names.join(", "))
        };
        ThemeError::Unknown { name: sanitize_line(name, 40), advice }
    })
}

fn read(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(facts) if facts.len() > MAX_BYTES => Err(std::io::Error::other("the file is too large for a theme")),
        Ok(_) => std::fs::read_to_string(path).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every name that can be chosen.
fn names(folders: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> =
        std::iter::once(AUTO).chain(BUILT_IN.map(|(name, _)| name)).map(str::to_owned).collect();
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder.join("themes")).ok()).flatten();
    for file in files.filter_map(Result::ok) {
        let path = file.path();
        let stem =
            path.file_stem().and_then(|stem| stem.to_str()).filter(|_| path.extension().is_some_and(|it| it == "toml"));
        names.extend(stem.map(|stem| sanitize_line(stem, 40)).filter(|stem| !names.contains(stem)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_theme_files_say_what_is_wrong_and_where() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("themes")).unwrap();
        let load = |text: &str| {
            std::fs::write(folder.path().join("themes/mine.toml"), text).unwrap();
            load("mine", &[folder.path().to_owned()]).map_err(|error| error.to_string())
        };
        let mine = load("inherits = \"dark\"\nbad = { fg = \"#ff8800\", bold = true }").unwrap();
        assert_eq!((mine.bad.fg, mine.good), (Some(Color::Rgb(255, 136, 0)), Theme::dark().good));
        for (text, why) in [
            ("inherits = \"dark\"\nbda = {}", "mine.toml: line 2: unknown field `bda`"),
            ("inherits = \"dark\"\n\nbad = { fg = 300 }", "mine.toml: line 3: 300 is not a colour: write a number"),
            ("bad = { fg = \"fuchsia-ish\" }", "line 1: \"fuchsia-ish\" is not a colour"),
            (
                "inherits = \"darkk\"",
                "'inherits' must be one of dark, light, high-contrast, colour-blind, mono, not 'darkk'",
            ),
            ("text = { fg = 252 }", "'base' is missing: write for example base = { fg = 252 }, or inherits = \"dark\""),
            ("bad = {", "line 1: "),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(why) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn unknown_theme_names_those_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        assert!(load("colour-blnd", &folders).unwrap_err().to_string().ends_with("did you mean 'colour-blind'?"));
        let error = load("zebra", &folders).unwrap_err().to_string();
        assert!(error.contains("use auto, dark, light, high-contrast, colour-blind, mono, or write "), "{error}");
        assert!(error.ends_with("themes/zebra.toml"), "{error}");
        std::fs::create_dir(folder.path().join("themes")).unwrap();
        std::fs::write(folder.path().join("themes/dark.toml"), "inherits = \"light\"").unwrap();
        assert_eq!(load("dark", &folders).unwrap().text, Theme::light().text, "a file of that name comes first");
    }
}
