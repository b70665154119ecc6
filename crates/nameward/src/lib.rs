//! Reads the command line and the file, builds the rooms bottom-up, runs them, stops them top-down.
//!
//! A library only so that tests and fuzz targets reach `config`; the product is the binary.

mod admission;
mod authority;
mod cli;
mod client;
mod code;
pub mod config;
mod demo;
mod door;
mod import;
mod key;
mod lab;
mod list;
mod log;
mod output;
mod reference;
mod resolvers;
pub mod serve;
mod status;
mod table;
mod zone;

pub use cli::run;
