//! The `mcp` command.

mod arguments;
mod exit_code;
mod schema;
mod signature;
mod suggest;
mod target;
mod terminal_text;

fn main() {}
