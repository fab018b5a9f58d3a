//! `darkroom simulate`: the simulator of the FLUX API as a server of its own. Must not know what it answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use rust_decimal::Decimal;
use serde::Serialize;

use super::error::CliError;
use super::{Session, output, start_logging};
use crate::shutdown_signal::ShutdownSignal;
use crate::simulator::{BillAt, Simulator, SimulatorOptions};
use crate::telemetry::logging::Beside;
use crate::wiring;

/// Where it listens unless told otherwise; the tickets and the images are one port further.
const PORT: u16 = 8402;

/// The simulator of the FLUX API as a server
#[derive(Debug, Args)]
#[command(
    after_help = "Every fault is also a word in a prompt: `a fox [sim:moderated]`, `[sim:503*2]`. Any key is taken but `bad`. \
                        Tickets and bill are kept in the folder `simulate` of the data directory. To use it:\n  \
                        DARKROOM_PROVIDER=bfl BFL_API_KEY=any BFL_API_URL=http://127.0.0.1:8402 darkroom"
)]
pub struct SimulateArgs {
    /// Where it listens; the next port is used too; 0 takes any two
    #[arg(long, value_name = "N", default_value_t = PORT)]
    pub port: u16,
    /// On which address of this machine
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// 1 is the real API's usual time, 10 is ten times faster, instant does not wait
    #[arg(long, value_name = "TIMES")]
    pub speed: Option<String>,
    /// What goes wrong, and how often: moderated=0.1; may be given several times
    #[arg(long = "fault", value_name = "KIND=P")]
    pub faults: Vec<String>,
    /// The same seed spoils the same orders
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fault_seed: u64,
    /// Credits that were ever bought (one is a cent); the bill so far is taken off
    #[arg(long, value_name = "N")]
    pub credits: Option<Decimal>,
    /// Unfinished tickets at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_active: Option<u16>,
    /// When a ticket is billed; of the real API it is not documented
    #[arg(long, value_name = "WHEN", default_value = "submit")]
    pub bill_at: Billed,
}

/// When a ticket is billed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Billed {
    /// Whatever is accepted, at once
    Submit,
    /// Finished images only
    Ready,
}

#[derive(Debug, Serialize)]
struct Serving {
    /// For `BFL_API_URL`.
    api_url: String,
    /// Where tickets and images are.
    cluster_url: String,
    directory: String,
    pid: u32,
}

/// Serves until it is asked to leave.
pub async fn run(session: &Session, args: &SimulateArgs) -> Result<(), CliError> {
    let mut shutdown =
        ShutdownSignal::listen().map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;
    let options = options(session, args)?;
    let directory = options.directory.clone().unwrap_or_default().display().to_string();
    let (_logging, _) = start_logging(&session.config, Beside::Nothing);
    if !args.listen.is_loopback() {
        output::note("darkroom: whoever reaches this machine can use this simulator; it is meant for tests");
    }
    let simulator = Simulator::serve(options).await.map_err(|why| CliError::Failed(why.to_string()))?;
    let (api_url, cluster_url) = (simulator.api_url().to_string(), simulator.cluster_url().to_string());
    let serving = Serving { api_url, cluster_url, directory, pid: std::process::id() };
    session.output.answer(&serving, || {
        format!(
            "The FLUX simulator answers at {} (tickets and images at {}).\nNo real money, no real images. Ctrl-C stops it.",
            serving.api_url, serving.cluster_url
        )
    })?;
    shutdown.next().await;
    simulator.shutdown().await;
    Ok(())
}

fn options(session: &Session, args: &SimulateArgs) -> Result<SimulatorOptions, CliError> {
    let mut usual = wiring::simulator_options(&session.config)?;
    usual.faults.seed = args.fault_seed;
    if args.credits.is_some_and(|credits| credits.is_sign_negative()) {
        return Err(CliError::Usage("--credits: fewer than none were never bought".to_owned()));
    }
    Ok(SimulatorOptions {
        listen: SocketAddr::new(args.listen, args.port),
        directory: Some(session.config.data_dir.join("simulate")),
        credits: args.credits.unwrap_or(usual.credits),
        max_active: args.max_active.map_or(usual.max_active, usize::from),
        bill_at: match args.bill_at {
            Billed::Submit => BillAt::Submit,
            Billed::Ready => BillAt::Ready,
        },
        ..usual
    })
}
