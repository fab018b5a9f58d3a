//! Commands that work on jobs: `submit --wait`, `worker`, `costs`, `doctor`, against the simulator of the house.
