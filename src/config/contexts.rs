//! The contexts that can be chosen, and what each of them runs on.

use super::layers::{Flags, Layers, Sources};
use super::{Config, Key};
use crate::console::ContextChoice;

/// The origin of a context that is only looked up.
const LOOKUP: &str = "--context";

impl Config {
    /// The settings without a context, and each context of `darkroom.toml`. A context whose settings are invalid, or not enough for a
    /// console (a read-only one with `observe`), says why.
    pub fn contexts(sources: &Sources, observe: bool) -> Vec<ContextChoice> {
        let plain = Sources { flags: without_context(&sources.flags), ..sources.clone() };
        let names = Layers::read(&plain).map(|layers| layers.context_names()).unwrap_or_default();
        let mut without = choice(&plain, None, observe);
        without.problem = without.problem.or_else(|| fixed_context(sources));
        let of_the_file = names.into_iter().map(|name| choice(&plain, Some(name), observe));
        std::iter::once(without).chain(of_the_file).collect()
    }
}

fn without_context(flags: &Flags) -> Flags {
    let mut flags = flags.clone();
    flags.unset(Key::Context, LOOKUP);
    flags
}

/// Why no start is without a context: a file names one. The command line and the environment are those of the new start.
fn fixed_context(sources: &Sources) -> Option<String> {
    let mut plain = Sources { flags: Flags::new(sources.flags.config.clone()), ..sources.clone() };
    plain.environment.remove(std::ffi::OsStr::new(Key::Context.variable()));
    match Layers::read(&plain) {
        Ok(layers) => layers.context.map(|context| format!("the context is set in {}", context.origin)),
        Err(error) => Some(error.to_string()),
    }
}

fn choice(sources: &Sources, name: Option<String>, observe: bool) -> ContextChoice {
    let mut flags = sources.flags.clone();
    flags.set(Key::Context, LOOKUP, name.clone());
    match Config::resolve(&Sources { flags, ..sources.clone() }) {
        Ok(config) => ContextChoice {
            name,
            adapters: format!("{} · {}", config.store, config.engine),
            simulated: config.is_simulated(),
            // The console would end in this error after it had left the context that works.
            problem: config.require_complete(observe).err().map(|error| error.to_string()),
        },
        // What cannot be read is never shown as free.
        Err(error) => {
            ContextChoice { name, adapters: String::new(), simulated: false, problem: Some(error.to_string()) }
        }
    }
}
