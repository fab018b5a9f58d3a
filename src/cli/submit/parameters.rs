//! One command-line flag for each parameter that any model has. The chosen model's parameter validates the value.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::catalog::{Catalog, Model, Parameter, ParameterKind};

/// How many models a flag's help names.
const NAMED: usize = 4;

/// A parameter that at least one model has.
struct Known {
    /// The API's name.
    name: &'static str,
    /// The name as a flag.
    flag: String,
    /// The models that take it; never empty.
    takers: Vec<(&'static Model, &'static Parameter)>,
}

/// All of them, by API name. Made once: clap keeps the names for as long as the program runs.
fn known() -> &'static [Known] {
    static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
        let mut takers: BTreeMap<&'static str, Vec<_>> = BTreeMap::new();
        for model in &Catalog::builtin().models {
            for parameter in &model.parameters {
                takers.entry(parameter.name.as_str()).or_default().push((model, parameter));
            }
        }
        let known = takers.into_iter().map(|(name, takers)| Known { name, flag: name.replace('_', "-"), takers });
        known.collect()
    });
    &KNOWN
}

/// `submit` with a flag for each parameter: `--aspect-ratio`, and the API's own `--aspect_ratio` beside it.
pub fn with_parameters(command: Command) -> Command {
    let taken: Vec<String> = command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    known()
        .iter()
        .filter(|known| !taken.contains(&known.flag))
        .fold(command, |command, known| command.arg(argument(known)))
}

fn argument(known: &'static Known) -> Arg {
    let kinds = || known.takers.iter().map(|(_, parameter)| &parameter.kind);
    let mut argument = Arg::new(known.name)
        .long(known.flag.as_str())
        .help(help(&known.takers))
        .help_heading("Parameters of the models")
        .value_parser(ValueParser::string())
        .allow_hyphen_values(true);
    if let Some(kind) = kinds().next() {
        argument = argument.value_name(value_name(kind));
    }
    if known.flag != known.name {
        argument = argument.alias(known.name);
    }
    if kinds().all(|kind| *kind == ParameterKind::Boolean) {
        // `--raw a red fox` must not take `a` for its value.
        return argument.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    if kinds().any(|kind| matches!(kind, ParameterKind::Images { .. })) {
        return argument.action(ArgAction::Append);
    }
    argument
}

/// The parameters that were given, by API name, as they were typed; several images of one parameter are joined by line breaks.
pub fn given(matches: &ArgMatches) -> Vec<(String, String)> {
    let of = |known: &Known| {
        let values: Vec<String> = matches.try_get_many::<String>(known.name).ok()??.cloned().collect();
        Some((known.name.to_owned(), values.join("\n")))
    };
    known().iter().filter_map(of).collect()
}

fn help(takers: &[(&Model, &Parameter)]) -> String {
    let Some((_, first)) = takers.first() else { return String::new() };
    let alike = takers.iter().all(|(_, parameter)| parameter.range() == first.range());
    let range = if alike { first.range() } else { format!("{}, or as the model has it", first.range()) };
    let models: Vec<&str> = takers.iter().take(NAMED).map(|(model, _)| model.name.as_str()).collect();
    let more = takers.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} ({range}) [{}{more}]", first.help, models.join(", "))
}

fn value_name(kind: &ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Integer { .. } | ParameterKind::Number { .. } => "NUMBER",
        ParameterKind::Boolean => "true|false",
        ParameterKind::Choice(_) => "WORD",
        ParameterKind::Ratio { .. } => "W:H",
        ParameterKind::Text { .. } => "TEXT",
        ParameterKind::Image | ParameterKind::Images { .. } => "IMAGE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Vec<(String, String)> {
        let command = with_parameters(Command::new("submit").arg(Arg::new("prompt").num_args(0..)));
        given(&command.try_get_matches_from([&["submit"], arguments].concat()).unwrap())
    }

    #[test]
    fn every_parameter_of_every_model_has_a_flag() {
        for Known { name, flag, .. } in known() {
            let expected = [((*name).to_owned(), "1".to_owned())];
            assert_eq!(parsed(&[&format!("--{flag}=1")]), expected, "{name}");
            assert_eq!(parsed(&[&format!("--{name}=1")]), expected, "{name}");
        }
    }

    #[test]
    fn a_switch_does_not_swallow_the_prompt() {
        assert_eq!(parsed(&["--raw", "a", "fox"]), [("raw".to_owned(), "true".to_owned())]);
        assert_eq!(parsed(&["--raw=false", "a"]), [("raw".to_owned(), "false".to_owned())]);
        assert_eq!(parsed(&["a", "--safety_tolerance", "2"]), [("safety_tolerance".to_owned(), "2".to_owned())]);
    }
}
