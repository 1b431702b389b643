//! Benchmarks that print a table, for judging the design against other clients and for keeping it
//! fast.
#![forbid(unsafe_code)]

pub mod bench;
pub mod block_rows;
pub mod calibration;
pub mod chain;
pub mod chain_rows;
pub mod fresh;
pub mod generate;
pub mod hash;
pub mod head_rows;
pub mod inputs;
pub mod measure;
pub mod pool_rows;
pub mod report;
pub mod rows;
pub mod state_rows;
pub mod store_chain;
pub mod store_process;
pub mod store_rows;
pub mod variants;
