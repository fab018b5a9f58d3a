//! `darkroom man [DIR]`: manual pages, made from the same definitions as `--help`.

use std::path::Path;

use clap_mangen::Man;

use super::error::CliError;
use super::output;

/// Prints the page of the program, or writes a page for each command into `dir`.
pub fn run(mut command: clap::Command, dir: Option<&Path>, json: bool) -> Result<(), CliError> {
    command.build();
    if let Some(name) =
        dir.and_then(Path::to_str).filter(|name| command.find_subcommand(name).is_some() && !Path::new(name).exists())
    {
        return Err(CliError::Usage(format!(
            "'{name}' is a command, and this argument is a directory: `darkroom {name} --help` shows its help, `darkroom man ./{name}` \
             writes the pages into a directory of that name"
        )));
    }
    let Some(dir) = dir else {
        let page = render(command)?;
        let page = String::from_utf8_lossy(&page);
        return if json { output::write_json(&serde_json::json!({ "page": page })) } else { output::write_text(&page) };
    };
    let failed = |error: std::io::Error| CliError::Failed(format!("cannot write {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut names = Vec::new();
    write_pages(command, dir, &mut names).map_err(failed)?;
    if json { output::write_json(&names) } else { output::write_text(&names.join("\n")) }
}

fn write_pages(command: clap::Command, dir: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    let visible = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for subcommand in visible.cloned().collect::<Vec<_>>() {
        write_pages(subcommand, dir, names)?;
    }
    let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    crate::fs::write_atomically(&dir.join(&name), &page)?;
    names.push(name);
    Ok(())
}

fn render(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(CliError::Output)?;
    Ok(page)
}
