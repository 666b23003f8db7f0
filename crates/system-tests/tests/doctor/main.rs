//! `doctor`: each of its checks, in each of its outcomes.

mod azure;
mod devops;
mod identity;
mod image;
mod machine;
mod network;
mod support;
