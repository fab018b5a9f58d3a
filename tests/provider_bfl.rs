//! The FLUX client against servers that lie, break off, redirect and stall; every one is a real TCP server on loopback.

mod check;
mod fetch;
mod hosts;
mod prepare;
mod server;
mod submit;

use std::time::Duration;

use darkroom::provider::bfl::{FluxClient, FluxOptions};
use url::Url;

/// What stands in `x-key`, and must stand nowhere else.
const KEY: &str = "secret-key-of-the-test";

/// Patience of a test that waits for a server that never answers.
const SHORT: Duration = Duration::from_millis(300);

/// A client of `base` with all patience that a slow machine may need.
fn client(base: &str) -> FluxClient {
    FluxClient::new(options(base)).unwrap()
}

/// A client that gives up soon, for servers that stall.
fn hasty_client(base: &str) -> FluxClient {
    let options = FluxOptions { submit_timeout: SHORT, check_timeout: SHORT, fetch_timeout: SHORT, ..options(base) };
    FluxClient::new(options).unwrap()
}

fn options(base: &str) -> FluxOptions {
    FluxOptions::new(Url::parse(base).unwrap(), Some(KEY.to_owned().into()))
}
