//! Every way in which `ephemeral-agents provision` can fail: the user gets the reason and the remedy, and nothing is
//! left behind. Each test holds what was printed against its row in `docs/troubleshooting.md`.

mod refused;
