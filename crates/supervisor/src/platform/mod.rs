//! Everything that differs between operating systems: what can be said is data ([`System`]), and what has to be done
//! has the same names on two sides, one of which is compiled.

mod system;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{
    StopSignals, agent_user, begin, close_to_job, give_all, give_one, is_readable_by_job, machine_name,
    resume, trust, write_private,
};
#[cfg(windows)]
pub(crate) use windows::{
    StopSignals, agent_user, begin, close_to_job, give_all, give_one, is_readable_by_job, machine_name,
    resume, trust, write_private,
};

pub use system::System;
