//! Prompts with choices: `a {fox|owl} in {snow|rain}` means four prompts.
//!
//! Only braces with a `|` between them are a choice; `{sky}` and JSON without `|` stay as they are. `\{`, `\|`, `\}` and `\\` mean
//! the character itself. Choices may contain choices.

/// Characters of all prompts of one template together.
const MAX_EXPANDED_BYTES: usize = 16 * 1_024 * 1_024;

/// Choices inside of choices.
const MAX_DEPTH: usize = 8;

/// A parsed prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Choice(Vec<Template>),
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its counterpart.
    #[error("'{{' is never closed: add '}}', or write \\{{ for the character")]
    NotClosed,
    /// Too many levels.
    #[error("choices are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Too many prompts, or too much text.
    #[error("{count} prompts: at most {limit}")]
    TooMany {
        /// How many there would be.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Too much text.
    #[error("the prompts together are longer than 16 MiB")]
    TooLong,
}

/// What ended a sequence of parts.
#[derive(PartialEq, Eq)]
enum End {
    Text,
    Bar,
    Brace,
}

impl Template {
    /// Reads a prompt.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Parser { rest: text.chars().peekable() }.sequence(0).map(|(template, _)| template)
    }

    /// How many prompts it means.
    pub fn count(&self) -> u64 {
        let options = |part: &Part| match part {
            Part::Literal(_) => 1,
            Part::Choice(options) => options.iter().map(Self::count).fold(0, u64::saturating_add),
        };
        self.parts.iter().map(options).fold(1, u64::saturating_mul)
    }

    /// All prompts; the last choice varies fastest. Errors: more than `limit`, or too much text.
    pub fn expand(&self, limit: u64) -> Result<Vec<String>, TemplateError> {
        let count = self.count();
        if count > limit {
            return Err(TemplateError::TooMany { count, limit });
        }
        let mut texts = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Literal(literal) => texts.iter_mut().for_each(|text| text.push_str(literal)),
                Part::Choice(options) => {
                    let mut endings = Vec::new();
                    for option in options {
                        endings.extend(option.expand(limit)?);
                    }
                    let with_endings =
                        |text: &String| endings.iter().map(|ending| format!("{text}{ending}")).collect::<Vec<_>>();
                    texts = texts.iter().flat_map(with_endings).collect();
                }
            }
            if texts.iter().map(String::len).sum::<usize>() > MAX_EXPANDED_BYTES {
                return Err(TemplateError::TooLong);
            }
        }
        Ok(texts)
    }
}

struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Parser<'_> {
    /// The parts up to the end of this option; at the top level `|` and `}` are characters.
    fn sequence(&mut self, depth: usize) -> Result<(Template, End), TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::TooDeep);
        }
        let mut parts = Vec::new();
        let end = loop {
            let Some(character) = self.rest.next() else { break End::Text };
            match character {
                '\\' if self.rest.peek().is_some_and(|next| matches!(next, '{' | '|' | '}' | '\\')) => {
                    push(&mut parts, self.rest.next().unwrap_or('\\'));
                }
                '|' if depth > 0 => break End::Bar,
                '}' if depth > 0 => break End::Brace,
                '{' => self.group(depth, &mut parts)?,
                other => push(&mut parts, other),
            }
        };
        Ok((Template { parts }, end))
    }

    /// What follows an opening brace: a choice, or braces that are characters.
    fn group(&mut self, depth: usize, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
        let mut options = Vec::new();
        loop {
            let (option, end) = self.sequence(depth + 1)?;
            options.push(option);
            match end {
                End::Text => return Err(TemplateError::NotClosed),
                End::Bar => {}
                End::Brace => break,
            }
        }
        if options.len() > 1 {
            parts.push(Part::Choice(options));
            return Ok(());
        }
        push(parts, '{');
        for part in options.into_iter().flat_map(|option| option.parts) {
            match part {
                Part::Literal(literal) => literal.chars().for_each(|character| push(parts, character)),
                choice @ Part::Choice(_) => parts.push(choice),
            }
        }
        push(parts, '}');
        Ok(())
    }
}

fn push(parts: &mut Vec<Part>, character: char) {
    if let Some(Part::Literal(literal)) = parts.last_mut() {
        literal.push(character);
    } else {
        parts.push(Part::Literal(character.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Vec<String> {
        Template::parse(text).unwrap().expand(100).unwrap()
    }

    #[test]
    fn last_choice_varies_fastest() {
        assert_eq!(
            expanded("a {fox|owl} in {snow|rain}"),
            ["a fox in snow", "a fox in rain", "a owl in snow", "a owl in rain"]
        );
        assert_eq!(expanded("{a|b{1|2}}c"), ["ac", "b1c", "b2c"]);
        assert_eq!(expanded("a{ big|} fox"), ["a big fox", "a fox"]);
    }

    #[test]
    fn braces_without_a_bar_are_characters() {
        for text in ["a {fox}", r#"{"scene": {"sky": "red"}}"#, "a | b } c", ""] {
            assert_eq!(expanded(text), [text]);
        }
        assert_eq!(expanded(r#"{"sky": "{red|blue}"}"#), [r#"{"sky": "red"}"#, r#"{"sky": "blue"}"#]);
        assert_eq!(expanded(r"\{a\|b\} \\ C:\dir"), [r"{a|b} \ C:\dir"]);
    }

    #[test]
    fn counts_are_known_before_anything_is_built() {
        let huge = "{a|b}".repeat(200);
        let template = Template::parse(&huge).unwrap();
        assert_eq!(template.count(), u64::MAX, "saturated");
        assert!(matches!(template.expand(1_000), Err(TemplateError::TooMany { .. })));
        let long = format!("{}{}", "x".repeat(100_000), "{a|b}".repeat(9));
        assert_eq!(Template::parse(&long).unwrap().expand(1_000), Err(TemplateError::TooLong));
    }

    #[test]
    fn hostile_braces_are_refused_without_a_panic() {
        assert_eq!(Template::parse("a {b|c"), Err(TemplateError::NotClosed));
        assert_eq!(Template::parse(&"{".repeat(100_000)), Err(TemplateError::TooDeep));
        assert_eq!(
            TemplateError::NotClosed.to_string(),
            r"'{' is never closed: add '}', or write \{ for the character"
        );
    }
}
