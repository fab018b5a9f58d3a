//! `darkroom presets`: the parameter sets of the submit form and of `submit --preset`.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::error::CliError;
use super::{Session, output, table};
use crate::console::{Preset, PresetFile, Presets};

/// Saved parameter sets
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Without one: list
    #[command(subcommand)]
    pub command: Option<PresetsCommand>,
}

/// What to do with the presets.
#[derive(Debug, Subcommand)]
pub enum PresetsCommand {
    /// List the presets
    List,
    /// Remove a preset
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Serialize)]
struct PresetView<'a> {
    name: &'a str,
    #[serde(flatten)]
    preset: &'a Preset,
}

/// The file of this process's data directory.
pub fn file(session: &Session) -> PresetFile {
    PresetFile::in_data_dir(&session.config.data_dir)
}

/// Lists the presets, or removes one and lists the others.
pub fn run(session: &Session, args: &PresetsArgs) -> Result<(), CliError> {
    let file = file(session);
    let presets = match &args.command {
        None | Some(PresetsCommand::List) => file.load(),
        Some(PresetsCommand::Remove { name }) => file.remove(name),
    };
    let presets = presets.map_err(CliError::Failed)?;
    let views: Vec<PresetView<'_>> = presets.iter().map(|(name, preset)| PresetView { name, preset }).collect();
    session.output.answer(&views, || text(&presets))?;
    if !session.output.is_json() {
        output::eprint_line(&format!("file: {}", file.path.display()));
    }
    Ok(())
}

fn text(presets: &Presets) -> String {
    if presets.is_empty() {
        return "No presets. Ctrl+S in the console's form saves one.".to_owned();
    }
    let rows = presets.iter().map(|(name, preset)| vec![name.clone(), preset.summary()]);
    table::plain(&["NAME", "PARAMETERS"], &[], rows)
}
