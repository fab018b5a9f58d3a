//! The money: entries of the `costs` collection, the daily rollups that make reports and caps cheap, and the guards of a submit.

pub(crate) mod attempt_guard;
pub(crate) mod budget_guard;
pub(crate) mod budgets;
pub(crate) mod causes;
pub(crate) mod corrections;
pub(crate) mod entries;
pub(crate) mod external;
pub(crate) mod months;
pub(crate) mod rebuild;
pub(crate) mod rollup;
pub(crate) mod shards;
pub(crate) mod task_guard;
pub(crate) mod writes;
