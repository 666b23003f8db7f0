//! Whole calls against a scripted server: real sockets, real TLS, no network.

mod identity;
mod pipeline;
mod proxy;
mod support;
