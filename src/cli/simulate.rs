//! `darkroom simulate`: the simulator of the FLUX API as a server of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use rust_decimal::Decimal;
use serde::Serialize;

use super::error::CliError;
use super::{Session, output, start_logging};
use crate::shutdown_signal::ShutdownSignal;
use crate::simulator::{BillAt, Simulator, SimulatorOptions};
use crate::telemetry::logging::ExtraSink;
use crate::wiring;

/// The default port of the API; tasks and images are served at the next port.
const PORT: u16 = 8402;

/// Serve a simulator of the FLUX API
#[derive(Debug, Args)]
#[command(
    after_help = "A prompt can contain a fault: `a fox [sim:moderated]`, `[sim:503*2]`. Every key except `bad` is accepted. \
                        Tasks and bill are kept in the folder `simulate` of the data directory. To use it:\n  \
                        DARKROOM_PROVIDER=bfl BFL_API_KEY=any BFL_API_URL=http://127.0.0.1:8402 darkroom"
)]
pub struct SimulateArgs {
    /// Port of the API; images are served at the next port; 0 picks two free ports
    #[arg(long, value_name = "N", default_value_t = PORT)]
    pub port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Speed: 1 is the real API's usual time, 10 is ten times faster, instant does not wait
    #[arg(long, value_name = "TIMES")]
    pub speed: Option<String>,
    /// Fault and its probability, such as moderated=0.1; may be repeated
    #[arg(long = "fault", value_name = "KIND=P")]
    pub faults: Vec<String>,
    /// Seed for reproducible faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fault_seed: u64,
    /// Credits bought in total (one is a cent); the bill so far is subtracted
    #[arg(long, value_name = "N")]
    pub credits: Option<Decimal>,
    /// Unfinished tasks that are accepted at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_active: Option<u16>,
    /// When a task is billed; the real API does not document it
    #[arg(long, value_name = "WHEN", default_value = "submit")]
    pub bill_at: BillAt,
}

#[derive(Debug, Serialize)]
struct Serving {
    /// For `BFL_API_URL`.
    api_url: String,
    /// Address of tasks and images.
    cluster_url: String,
    directory: String,
    pid: u32,
}

/// Serves until it is interrupted.
pub async fn run(session: &Session, args: &SimulateArgs) -> Result<(), CliError> {
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    let options = options(session, args)?;
    let directory = options.directory.clone().unwrap_or_default().display().to_string();
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    if !args.listen.is_loopback() {
        output::eprint_line("darkroom: warning: not on loopback; anyone who can reach this host can use the simulator");
    }
    let simulator = Simulator::serve(options).await.map_err(|why| CliError::Failed(why.to_string()))?;
    let (api_url, cluster_url) = (simulator.api_url().to_string(), simulator.cluster_url().to_string());
    let serving = Serving { api_url, cluster_url, directory, pid: std::process::id() };
    session.output.answer(&serving, || {
        format!(
            "FLUX simulator at {} (tasks and images at {}).\nNo real money, no real images. Press Ctrl-C to stop it.",
            serving.api_url, serving.cluster_url
        )
    })?;
    shutdown.next().await;
    simulator.shutdown().await;
    Ok(())
}

fn options(session: &Session, args: &SimulateArgs) -> Result<SimulatorOptions, CliError> {
    let mut defaults = wiring::simulator_options(&session.config)?;
    defaults.faults.seed = args.fault_seed;
    if args.credits.is_some_and(|credits| credits.is_sign_negative()) {
        return Err(CliError::Usage("--credits must not be negative".to_owned()));
    }
    Ok(SimulatorOptions {
        listen: SocketAddr::new(args.listen, args.port),
        directory: Some(session.config.data_dir.join("simulate")),
        credits: args.credits.unwrap_or(defaults.credits),
        max_active: args.max_active.map_or(defaults.max_active, usize::from),
        bill_at: args.bill_at,
        ..defaults
    })
}
