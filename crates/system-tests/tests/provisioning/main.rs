//! Every way in which `ephemeral-agents provision` can fail: the user gets the reason and the remedy, and nothing is
//! left behind. Each test holds what was printed against its row in `docs/troubleshooting.md`.

mod capacity;
mod connections;
mod credentials;
mod fallback;
mod image;
mod interrupts;
mod names;
mod network;
mod refused;
mod service_faults;
mod settings;
mod starting;
mod support;
