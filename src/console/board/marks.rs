//! The marks: which jobs the next action takes.

use std::sync::Arc;

use super::Board;
use crate::jobs::{Job, JobId};

impl Board {
    /// Whether a job is marked.
    pub fn is_marked(&self, id: &JobId) -> bool {
        self.marks.contains(id)
    }

    /// How many are marked.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// The ids of the marked jobs, if some of them are not known here.
    pub fn marked_elsewhere(&self) -> Option<Vec<JobId>> {
        let known = self.marks.iter().all(|id| self.job(id).is_some());
        (!known).then(|| self.marks.iter().cloned().collect())
    }

    /// Marks jobs, known or not.
    pub fn mark_all(&mut self, ids: impl IntoIterator<Item = JobId>) {
        self.marks.extend(ids);
    }

    /// The marked jobs that are known, newest first.
    pub fn marked_jobs(&self) -> Vec<&Arc<Job>> {
        let mut jobs: Vec<&Arc<Job>> = self.marks.iter().filter_map(|id| self.job(id)).collect();
        jobs.sort_by(|left, right| (right.created_at, &right.id).cmp(&(left.created_at, &left.id)));
        jobs
    }

    /// Marks a job, or takes its mark away.
    pub fn toggle_mark(&mut self, id: &JobId) {
        if self.job(id).is_some() && !self.marks.remove(id) {
            self.marks.insert(id.clone());
        }
    }

    /// Marks the shown rows from one to another, both included.
    pub fn mark_range(&mut self, from: usize, to: usize) {
        let ids: Vec<JobId> = self
            .rows(from.min(to)..from.max(to) + 1)
            .filter(|(_, entry)| entry.job().is_some())
            .map(|(id, _)| id.clone())
            .collect();
        self.marks.extend(ids);
    }

    /// Marks all shown jobs; takes all marks away where all of them have one.
    pub fn toggle_all(&mut self) {
        let ids: Vec<JobId> = self.shown_jobs().map(|job| job.id.clone()).collect();
        if ids.iter().all(|id| self.marks.contains(id)) {
            self.marks.clear();
        } else {
            self.marks.extend(ids);
        }
    }

    /// Takes all marks away.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
    }
}
