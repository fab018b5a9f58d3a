//! The reads of a store: jobs, counts, costs, export and import, and the checks of `darkroom doctor`. Reads cost money: each file
//! states how many it makes.

mod charges;
mod costs;
mod counts;
mod due;
mod export;
mod health;
mod import;
mod inspect;
mod list;
mod page_order;
mod remove;
mod retention;

pub(crate) use counts::Counted;
