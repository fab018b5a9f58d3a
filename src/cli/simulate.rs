//! temp
use super::Session;
use super::error::CliError;
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {}
pub async fn run(_s: &Session, _a: &SimulateArgs) -> Result<(), CliError> {
    Ok(())
}
