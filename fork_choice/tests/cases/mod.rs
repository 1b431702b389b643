//! The tests.

mod named;
mod random_trees;
mod states;
