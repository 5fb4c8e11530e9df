//! What the contenders of `cargo xtask bench client` share: the job that each is given, and the
//! meter that it is measured with.
//!
//! A contender is a program that takes a [`Job`] as its one argument, does it and prints one line
//! of JSON, a [`Report`]. Programs in other languages take and print the same.

#![forbid(unsafe_code)]

mod contender;
mod job;
mod meter;

pub use self::{
    contender::{Contender, crowd, main},
    job::{Era, Job, Server, Threads, Work},
    meter::{Meter, Report, peak_rss_kib},
};
