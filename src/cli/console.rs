//! temp
use super::Session;
use super::error::CliError;
pub async fn run(_s: &Session, _o: bool) -> Result<(), CliError> {
    Ok(())
}
