//! Owns the flags that come from the catalog: one for each parameter that any model has. Must not check a value: the chosen
//! model's parameter does.

use std::collections::BTreeMap;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::jobs::{Catalog, Model, Parameter, ParameterKind};

/// How many models a flag's help names.
const NAMED: usize = 4;

/// Parameters by API name, with the models that take them.
fn known() -> BTreeMap<&'static str, Vec<(&'static Model, &'static Parameter)>> {
    let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for model in &Catalog::builtin().models {
        for parameter in &model.parameters {
            known.entry(parameter.name.as_str()).or_default().push((model, parameter));
        }
    }
    known
}

/// `submit` with a flag for each parameter: `--aspect-ratio`, and the API's own `--aspect_ratio` beside it.
pub fn with_parameters(command: Command) -> Command {
    let taken: Vec<String> = command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    known().into_iter().filter(|(name, _)| !taken.contains(&flag(name))).fold(command, |command, (name, takers)| {
        let Some((_, parameter)) = takers.first() else { return command };
        let mut argument = Arg::new(name)
            .long(flag(name))
            .help(help(&takers))
            .help_heading("Parameters of the models")
            .value_name(value_name(&parameter.kind))
            .value_parser(ValueParser::string())
            .allow_hyphen_values(true);
        if flag(name) != name {
            argument = argument.alias(name);
        }
        let several = |parameter: &Parameter| matches!(parameter.kind, ParameterKind::Images { .. });
        argument = if takers.iter().all(|(_, parameter)| parameter.kind == ParameterKind::Boolean) {
            // `--raw a red fox` must not take `a` for its value.
            argument.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else if takers.iter().any(|(_, parameter)| several(parameter)) {
            argument.action(ArgAction::Append)
        } else {
            argument
        };
        command.arg(argument)
    })
}

/// The parameters that were given, by API name, as they were typed; several images of one parameter are joined by line breaks.
pub fn given(matches: &ArgMatches) -> Vec<(String, String)> {
    let names = known().into_keys().filter(|name| matches.try_contains_id(name).unwrap_or(false));
    names
        .filter_map(|name| {
            let values: Vec<String> = matches.try_get_many::<String>(name).ok()??.cloned().collect();
            Some((name.to_owned(), values.join("\n")))
        })
        .collect()
}

fn flag(name: &str) -> String {
    name.replace('_', "-")
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
        for name in known().into_keys() {
            let value = format!("--{}=1", flag(name));
            assert_eq!(parsed(&[&value]), [(name.to_owned(), "1".to_owned())], "{name}");
        }
    }

    #[test]
    fn a_switch_does_not_swallow_the_prompt() {
        assert_eq!(parsed(&["--raw", "a", "fox"]), [("raw".to_owned(), "true".to_owned())]);
        assert_eq!(parsed(&["--raw=false", "a"]), [("raw".to_owned(), "false".to_owned())]);
        assert_eq!(parsed(&["a", "--safety_tolerance", "2"]), [("safety_tolerance".to_owned(), "2".to_owned())]);
    }
}
