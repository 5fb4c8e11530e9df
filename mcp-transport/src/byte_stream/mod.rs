//! Messages as lines over whatever carries bytes: one JSON-RPC message per line.
//!
//! Nothing here knows of processes; a socket would do as well as a pipe.

mod line_reader;
mod line_source;
mod line_writer;
mod transport;

pub(crate) use line_reader::{Ended, LineReader};
pub(crate) use line_source::{LineSource, Readable};
pub(crate) use line_writer::{ByteSink, LineWriter};
pub(crate) use transport::lines;
