//! A model at work with tools, as people watch it: for `mcp run` and `mcp chat`.

mod approval;
mod card;
mod report;
mod turn;

pub(crate) use self::{
    approval::{Approval, Questions, with_approval},
    report::{exit_code_of, failure, to_json},
    turn::{Turn, Watched},
};
