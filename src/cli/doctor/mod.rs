//! temp
use super::Session;
use super::error::CliError;
pub async fn run(_s: &Session) -> Result<(), CliError> {
    Ok(())
}
