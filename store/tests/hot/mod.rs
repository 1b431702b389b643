//! The store as a whole: what is committed is there, after every crash too, and damage is found.

mod crashes;
mod damage;
mod disk;
mod failures;
mod life;
mod script;
