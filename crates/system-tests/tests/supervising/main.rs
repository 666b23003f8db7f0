//! Every way in which an agent's life in its container can go: one plain line and one for programs say how it ended,
//! and nothing is left behind. Each test holds what was printed against its row in `docs/troubleshooting.md`.

mod endings;
mod exits;
mod identity;
mod limits;
mod output;
mod outside;
mod package;
mod page;
mod registration;
mod restarts;
mod signals;
mod take_down;
mod updates;
