//! The embedded store: one SQLite file that several processes on this machine may share.
//!
//! One thread per process writes and commits many saves at once; reads run beside it on connections of their own. A save that
//! was answered survives a loss of power. Must not know what a job means beyond what it is searched and sorted by.

mod budget;
mod database;
mod due;
mod errors;
mod export;
mod filter;
mod import;
mod ledger;
mod list;
mod readers;
mod removal;
mod reports;
mod row;
mod save;
mod schema;
mod shared_records;
mod sorted;
mod tasks;
mod watch;
mod writer;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{OnceCell, watch as signal};
use tokio::task;

use super::schema::{ExportPage, ExportQuery, ImportOutcome, ImportedDocument, Record, RemoveOutcome, RollupCheck};
use super::{
    BudgetChange, ChangeStream, CostJobsQuery, CostQuery, Counts, DueQuery, JobCost, JobVersion, MatchCounts, Page,
    PageQuery, Save, SharedRecord, SortedPage, SortedQuery, Store, StoreError, TaskLimits, UncertainCharge,
};
use crate::costs::{BudgetRecord, CostTable};
use crate::jobs::filter::Filter;
use crate::jobs::{Job, JobId};
use database::UseLock;
use readers::{ReaderPool, Readers};
use row::Row;
use watch::{FileWatcher, SqliteWatch};
use writer::{Write, Writer, WriterThread};

/// How many jobs are converted to rows on the caller's thread.
const SMALL_BATCH: usize = 64;

/// A store in one SQLite file. Dropping it finishes the writes that were handed over and closes the file.
pub struct SqliteStore {
    /// `None` for a database in memory.
    path: Option<PathBuf>,
    writer: Writer,
    readers: Readers,
    commits: signal::Sender<()>,
    file_watcher: OnceCell<FileWatcher>,
    // Dropped last: until then other processes see that the database is in use.
    _lock: Option<UseLock>,
}

impl SqliteStore {
    /// Checks the structure of the database at `path`. Takes about a second for a gigabyte.
    ///
    /// Errors: `Unusable` for a damaged file.
    pub fn verify(path: &Path) -> Result<(), StoreError> {
        database::verify(path)
    }

    /// Opens the database at `path`, or creates it with its folder. Blocks for a few milliseconds, or for as long as a
    /// migration takes.
    ///
    /// Errors: `Unusable`, with what to do, for a file that is damaged, cut short, newer than this program or another program's
    /// (such a file is left as it is), and where nothing can be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = database::prepare(path)?;
        let (commits, _) = signal::channel(());
        let writer = WriterThread::start(database::connect(path)?, commits.clone())?;
        Ok(Self {
            path: Some(path.to_owned()),
            writer: Writer::Thread(writer),
            readers: Readers::Pool(ReaderPool::new(path.to_owned())),
            commits,
            file_watcher: OnceCell::new(),
            _lock: Some(lock),
        })
    }

    /// A new store in memory. Each call is carried out on the caller's thread before its future first waits, so that a
    /// simulation alone decides the order of all calls.
    pub fn in_memory() -> Result<Self, StoreError> {
        let connection = database::in_memory()?;
        let (commits, _) = signal::channel(());
        Ok(Self {
            path: None,
            writer: Writer::Inline(connection.clone(), commits.clone()),
            readers: Readers::Inline(connection),
            commits,
            file_watcher: OnceCell::new(),
            _lock: None,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let is_small = jobs.len() <= SMALL_BATCH;
        let convert = move || jobs.iter().map(Row::of).collect::<Result<Vec<_>, _>>();
        // Ten thousand jobs take a while to write down.
        let rows = if is_small {
            convert()?
        } else {
            let rows = task::spawn_blocking(convert).await;
            rows.map_err(|error| StoreError::Unavailable(format!("the write was stopped: {error}")))??
        };
        if rows.is_empty() {
            return Ok(());
        }
        self.writer.write(Write::Create(rows)).await.map(|_| ())
    }

    async fn get(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let id = id.clone();
        self.readers.read(move |connection| list::get(connection, &id)).await
    }

    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let prefix = prefix.to_owned();
        self.readers.read(move |connection| list::find(connection, &prefix, limit)).await
    }

    async fn save(&self, save: Save) -> Result<u64, StoreError> {
        let row = Row::of(&save.job)?;
        self.writer.write(Write::Save(Box::new(row), save.budget, None)).await
    }

    async fn save_submit(&self, save: Save, limits: TaskLimits) -> Result<u64, StoreError> {
        let row = Row::of(&save.job)?;
        self.writer.write(Write::Save(Box::new(row), save.budget, Some(limits))).await
    }

    async fn due(&self, query: DueQuery) -> Result<Vec<Job>, StoreError> {
        self.readers.read(move |connection| due::due(connection, &query)).await
    }

    async fn next_due(&self, query: DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.readers.read(move |connection| due::next_due(connection, &query)).await
    }

    async fn list(&self, query: PageQuery) -> Result<Page, StoreError> {
        self.readers.read(move |connection| list::list(connection, &query)).await
    }

    async fn list_sorted(&self, query: SortedQuery) -> Result<SortedPage, StoreError> {
        self.readers.read(move |connection| sorted::list(connection, &query)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(list::counts).await
    }

    async fn count_matching(&self, filter: &Filter) -> Result<Option<MatchCounts>, StoreError> {
        if filter.names_unreadable() {
            return Ok(None);
        }
        let filter = filter.clone();
        self.readers.read(move |connection| list::count_matching(connection, &filter)).await.map(Some)
    }

    async fn costs(&self, query: CostQuery) -> Result<CostTable, StoreError> {
        self.readers.read(move |connection| reports::costs(connection, &query)).await
    }

    async fn cost_jobs(&self, query: CostJobsQuery) -> Result<Vec<JobCost>, StoreError> {
        self.readers.read(move |connection| reports::cost_jobs(connection, &query)).await
    }

    async fn uncertain_charges(&self, simulated: bool, limit: usize) -> Result<Vec<UncertainCharge>, StoreError> {
        self.readers.read(move |connection| ledger::uncertain(connection, simulated, limit)).await
    }

    async fn budget_history(&self, limit: usize) -> Result<Vec<BudgetRecord>, StoreError> {
        self.readers.read(move |connection| budget::history(connection, limit)).await
    }

    async fn change_budget(&self, change: BudgetChange) -> Result<(), StoreError> {
        self.writer.write(Write::ChangeBudget(change)).await.map(|_| ())
    }

    async fn shared_record(&self, kind: &str, id: &str) -> Result<Option<SharedRecord>, StoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.readers.read(move |connection| shared_records::get(connection, &kind, &id)).await
    }

    async fn put_shared_record(&self, record: SharedRecord) -> Result<u64, StoreError> {
        self.writer.write(Write::PutSharedRecord(Box::new(record))).await
    }

    async fn shared_records(&self, kind: &str, limit: usize) -> Result<Vec<SharedRecord>, StoreError> {
        let kind = kind.to_owned();
        self.readers.read(move |connection| shared_records::newest(connection, &kind, limit)).await
    }

    async fn import(&self, records: Vec<Record>, dry_run: bool) -> Result<Vec<ImportOutcome>, StoreError> {
        if dry_run {
            return self.readers.read(move |connection| import::import(connection, &records, None)).await;
        }
        let (sender, mut verdicts) = unbounded_channel();
        self.writer.write(Write::Import(records, sender)).await?;
        verdicts.recv().await.ok_or_else(|| StoreError::Unavailable("the write was stopped".to_owned()))
    }

    async fn remove_imported(
        &self,
        documents: Vec<ImportedDocument>,
        dry_run: bool,
    ) -> Result<Vec<RemoveOutcome>, StoreError> {
        if dry_run {
            return self.readers.read(move |connection| import::remove(connection, &documents, None)).await;
        }
        let (sender, mut outcomes) = unbounded_channel();
        self.writer.write(Write::RemoveImported(documents, sender)).await?;
        outcomes.recv().await.ok_or_else(|| StoreError::Unavailable("the write was stopped".to_owned()))
    }

    async fn remove_finished(&self, jobs: Vec<JobVersion>) -> Result<Vec<RemoveOutcome>, StoreError> {
        let (sender, mut outcomes) = unbounded_channel();
        self.writer.write(Write::RemoveFinished(jobs, sender)).await?;
        outcomes.recv().await.ok_or_else(|| StoreError::Unavailable("the write was stopped".to_owned()))
    }

    async fn export(&self, query: ExportQuery) -> Result<ExportPage, StoreError> {
        self.readers.read(move |connection| export::page(connection, &query)).await
    }

    /// Triggers keep the sums in the transaction of each entry.
    async fn verify_rollups(&self, _correct: bool) -> Result<Option<RollupCheck>, StoreError> {
        Ok(None)
    }

    async fn watch(&self) -> Result<Box<dyn ChangeStream>, StoreError> {
        if let Some(path) = self.path.clone() {
            let commits = self.commits.clone();
            let start = || async {
                let start = task::spawn_blocking(move || FileWatcher::start(&path, commits));
                start.await.map_err(|error| StoreError::Unavailable(format!("the watch was stopped: {error}")))?
            };
            self.file_watcher.get_or_try_init(start).await?;
        }
        Ok(Box::new(SqliteWatch::from_now(self.readers.clone(), self.commits.subscribe()).await?))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;
    use rusqlite::{Connection, params_from_iter};

    use super::super::{PageQuery, SortOrder, SortedQuery};
    use super::{due, ledger, list, schema, sorted, tasks, watch};
    use crate::jobs::filter::Filter;
    use crate::jobs::sort::{Sort, SortKey};
    use crate::jobs::{JobId, StageName};

    fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![Value::Null; statement.parameter_count()];
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        rows.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    #[test]
    fn queries_use_indexes() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, schema::MIGRATIONS).unwrap();
        let crowded = PageQuery {
            stages: vec![StageName::Failed, StageName::Done],
            since: Some(chrono::DateTime::UNIX_EPOCH),
            after: Some((chrono::DateTime::UNIX_EPOCH, JobId::new("a").unwrap())),
            search: Some("fox".into()),
            order: SortOrder::OldestFirst,
            ..PageQuery::default()
        };
        let by_fields = "status:failed model:pro tag:a error:b cost>1 attempts>1 -since:1d";
        let filtered = |text: &str| PageQuery {
            filter: Filter::parse(text, chrono::DateTime::UNIX_EPOCH).unwrap(),
            ..PageQuery::default()
        };
        let questions = [
            due::UNDER_WAY.to_owned(),
            due::QUEUED.to_owned(),
            due::NEXT_QUEUED.to_owned(),
            tasks::UNDER_WAY.to_owned(),
            watch::CHANGES.to_owned(),
            list::COUNTS.to_owned(),
            list::query_of(&PageQuery::default()).0,
            list::query_of(&crowded).0,
            list::query_of(&filtered(by_fields)).0,
            list::query_of(&filtered("fox")).0,
        ];
        for sql in questions {
            let plan = plan(&connection, &sql);
            assert!(plan.contains("USING INDEX") || plan.contains("USING COVERING INDEX"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
        let span = "SELECT 1 FROM booked WHERE simulated = ?1 AND at >= ?2 AND at < ?3 LIMIT 1";
        let plan_of_span = plan(&connection, span);
        assert!(plan_of_span.matches("USING").count() == 2 && !plan_of_span.contains("SCAN"), "{plan_of_span}");
        for sql in ledger::UNCERTAIN {
            assert!(plan(&connection, sql).contains("uncertain"), "{sql} reads all charges");
        }
        let count = list::count_of(&filtered(by_fields).filter).0;
        // What is under way is few: its rows are read.
        for sql in [list::COUNTS, due::NEXT_QUEUED, &count] {
            assert!(plan(&connection, sql).contains("COVERING INDEX"), "{sql} reads documents");
        }
        for key in <SortKey as strum::IntoEnumIterator>::iter() {
            let (sort, filter) = (Sort::by(key), filtered(by_fields).filter);
            let query = SortedQuery { filter, sort, backwards: false, after: None, limit: 10 };
            let plan = plan(&connection, &sorted::query_of(&query).0);
            assert!(plan.contains("COVERING INDEX jobs_by_fields"), "{key} reads documents: {plan}");
        }
    }
}
