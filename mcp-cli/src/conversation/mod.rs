//! A model at work with tools, as people watch it: for `mcp run` and `mcp chat`.

mod approval;
mod card;
mod report;
mod servers;
mod terms;
mod turn;

pub(crate) use self::{
    approval::{Approval, Asker, Questions},
    report::{exit_code_of, failure, to_json},
    servers::server_lines,
    terms::Terms,
    turn::{Turn, Watched},
};
