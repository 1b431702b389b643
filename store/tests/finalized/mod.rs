//! Finalized history: what goes in comes out, crashes leave what can be repaired, and damage is
//! found.

mod chain;
mod crashes;
mod damage;
mod era_files;
mod format;
mod reading;
