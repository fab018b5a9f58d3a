//! Which machine wrote a journal, and since which start of it.

use serde::{Deserialize, Serialize};

/// A machine, as far as it can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// Differs after each start of the operating system; containers on one machine share it. Empty where it is unknown.
    boot: String,
    /// The installation. Empty where it is unknown; clones may share it.
    id: String,
    /// The host name.
    name: String,
}

impl Machine {
    /// This machine.
    pub(super) fn this() -> Self {
        let line = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self { boot: line("/proc/sys/kernel/random/boot_id"), id: line("/etc/machine-id"), name: host_name() }
    }

    /// Whether both are the same start of the same machine: then what a dead process wrote is in the file, durable or not.
    pub(super) fn is_same_boot(&self, other: &Self) -> bool {
        !self.boot.is_empty() && self.boot == other.boot
    }

    /// Whether both are the same machine.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_named = !self.name.is_empty() && self.name == other.name;
        self.is_same_boot(other) || (is_named && self.id == other.id)
    }
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(boot: &str, id: &str, name: &str) -> Machine {
        Machine { boot: boot.to_owned(), id: id.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn machine_is_recognised_after_a_restart() {
        let here = Machine::this();
        assert!(here.is_same(&here));
        let first = machine("boot-1", "id", "name");
        assert!(
            first.is_same(&machine("boot-2", "id", "name")) && !first.is_same_boot(&machine("boot-2", "id", "name"))
        );
        assert!(first.is_same(&machine("boot-1", "", "container")), "containers of one machine");
        assert!(!first.is_same(&machine("boot-2", "id", "clone")));
        assert!(!machine("", "", "").is_same(&machine("", "", "")), "an unknown machine is never the same");
    }
}
