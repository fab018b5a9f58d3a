//! The line to Firestore is cut, slowed down and loses answers, while jobs are saved over it. Nothing is lost, nothing is billed
//! twice, and people see the state of the line.

mod foreign_writes;
mod lost_acks;
mod multi_worker;
mod network_chaos;
mod rejections;
