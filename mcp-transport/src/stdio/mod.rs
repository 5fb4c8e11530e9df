//! Servers that are child processes: one JSON-RPC message per line over standard input and output.
//!
//! [`ChildCommand`] is the recipe, [`CommandUrl`] the same written as a URL, [`ChildProcess`] the
//! running server.
//!
//! # How a child ends
//! In order, by [`close`](crate::Transport::close): its standard input is closed while its output
//! is still read; then, as far as needed, SIGTERM and SIGKILL follow. Signals go to the child's own
//! process group, so that a wrapper such as `npx` does not leave the real server behind; they reach
//! whoever is left in the group also when the child itself has exited.
//!
//! Dropping a [`ChildProcess`] closes its input and sends SIGTERM at once, SIGKILL a little later;
//! this needs no runtime. When this program dies without a chance to do anything (`kill -9`), the
//! kernel kills the child on Linux. Processes that the child itself started are not covered by that:
//! they see the end of their input, on which servers are to exit. Elsewhere than on Linux that is
//! all that happens to the child too, and dropping sends SIGKILL at once.
//!
//! Signals from the terminal do not reach a child, since it is in a process group of its own.

mod child;
mod command;
mod command_url;
#[cfg(all(target_os = "linux", feature = "sandbox"))]
mod confinement;
mod environment;
mod launch;
mod nursery;
mod program;
mod redact;
mod sandbox;
#[cfg(target_os = "linux")]
mod shared_memory_child;
mod stderr;

pub use child::ChildProcess;
pub use command::ChildCommand;
pub use command_url::CommandUrl;
pub use sandbox::Sandbox;

#[cfg(test)]
mod tests;
