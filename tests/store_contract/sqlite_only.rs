//! What only the embedded store promises: a file that is refused untouched, documents that cannot be read, hostile contents.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkroom::costs::{Budget, CostGrouping};
use darkroom::jobs::{Job, Spec};
use darkroom::store::schema::{Defaults, JobEntry, Record};
use darkroom::store::sqlite::SqliteStore;
use darkroom::store::{
    Change, CostQuery, ImportedDocument, JobVersion, PageQuery, RemoveOutcome, Save, Store, StoreError,
};
use futures::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::fixture::{at, claim, create, due, finish, generating, id, names, queued, read, save, submitting, usd};

struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkroom.db");
        Self { folder, path }
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path).unwrap())
    }

    /// A closed file with jobs and charges in it.
    async fn filled() -> Self {
        let file = Self::new();
        let jobs = (0..300).map(|number| queued(&format!("job-{number}"), number));
        create(&file.open(), jobs).await;
        assert!(!beside(&file.path, "-wal").exists(), "a dropped store closes its file");
        file
    }

    /// Damage is found: at once when the file is opened, or by the check of the doctor. With a log that an unclean shutdown left, it is
    /// found when the file is opened.
    fn assert_damage_is_found(&self) {
        match SqliteStore::open(&self.path) {
            Err(StoreError::Unusable(line)) => assert!(is_damage(&line), "{line}"),
            Err(other) => assert!(is_damage(&other.to_string()), "{other}"),
            Ok(store) => {
                drop(store);
                let Err(StoreError::Unusable(line)) = SqliteStore::verify(&self.path) else { panic!("not found") };
                assert!(is_damage(&line), "{line}");
            }
        }
        fs::write(beside(&self.path, "-wal"), [0; 32]).unwrap();
        let Err(StoreError::Unusable(line)) = SqliteStore::open(&self.path) else { panic!("it was opened") };
        assert!(is_damage(&line) && line.contains("darkroom.db"), "{line}");
    }

    /// Refused with one clear line, and nothing in the folder is changed, added or removed.
    fn assert_refused(&self, what: &str) {
        let before = contents(self.folder.path());
        let Err(StoreError::Unusable(line)) = SqliteStore::open(&self.path) else { panic!("{what}: it was opened") };
        assert!(line.contains(what), "'{line}' does not say '{what}'");
        assert!(line.contains("darkroom.db") && line.contains(": ") && !line.contains('\n'), "{line}");
        assert!(contents(self.folder.path()) == before, "{what}: the folder was changed");
    }
}

fn is_damage(line: &str) -> bool {
    ["is damaged", "is not a database", "malformed"].iter().any(|part| line.contains(part))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// All files but SQLite's index of the log, which is derived from the log, and the empty lock file of the processes that use the database.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| ![".lock", "-shm"].iter().any(|suffix| path.to_string_lossy().ends_with(suffix))).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn file_is_created_with_its_folder() {
    let file = File::new();
    let path = file.folder.path().join("new folder/with 100%/darkroom?.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
    create(&store, [queued("a", 0)]).await;
    drop(store);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
    assert_eq!(read(&store, "a").await.id, id("a"));
    drop(store);
    let left = contents(path.parent().unwrap());
    assert_eq!(left.len(), 1, "only the database is left: {:?}", left.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn concurrent_processes_create_one_file() {
    let file = File::new();
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| SqliteStore::open(&file.path).map(drop))).collect();
        for opened in opened {
            opened.join().unwrap().unwrap();
        }
    });
}

#[tokio::test]
async fn reused_id_keeps_the_charges_of_both() {
    let file = File::new();
    let store = file.open();
    let mut job = generating("a", 0, Some("4"));
    finish(&mut job, None, None, 9);
    create(&store, [job]).await;
    let job = read(&store, "a").await;
    let outcomes = store.remove_finished(vec![JobVersion { id: job.id, revision: job.revision }]).await.unwrap();
    assert_eq!(outcomes, [RemoveOutcome::Removed]);
    create(&store, [queued("a", 20)]).await;
    let mut job = read(&store, "a").await;
    job.begin_submit(claim("worker", 60), Some(usd("0.04")), at(21)).unwrap();
    let save = Save { job: Arc::new(job), budget: Some(Budget::default()) };
    let refused = store.save(save).await.unwrap_err();
    assert!(matches!(refused, StoreError::AttemptBooked { free: 2, .. }), "{refused:?}");
    let query = CostQuery { from: at(-86_400), to: at(86_400), simulated: true };
    assert_eq!(store.costs(query).await.unwrap().report(CostGrouping::Day).count, 1);
}

#[tokio::test]
async fn undone_import_is_reported_as_removed() {
    let file = File::new();
    let (store, other) = (file.open(), file.open());
    let mut watch = other.watch().await.unwrap();
    let defaults = Defaults { model: "flux-dev".to_owned(), now: at(0) };
    let fields = serde_json::json!({"status": "error", "prompt": "a fox", "createdAt": at(0)});
    let fields = fields.as_object().unwrap().clone();
    let record = Record::Job(Box::new(JobEntry::read(Some("old"), fields, &defaults).unwrap()));
    let document = ImportedDocument {
        collection: record.collection(),
        id: record.id().to_owned(),
        digest: ImportedDocument::digest_of(&record.canonical_fields()),
    };
    store.import(vec![record], false).await.unwrap();
    assert!(matches!(watch.next().await.unwrap()[..], [Change::Job(_)]));
    assert_eq!(store.remove_imported(vec![document], false).await.unwrap(), [RemoveOutcome::Removed]);
    assert_eq!(watch.next().await.unwrap(), [Change::Removed(id("old"))]);
}

#[tokio::test]
async fn non_database_file_is_refused() {
    let file = File::new();
    for contents in [&b"hello"[..], &[b'x'; 5_000], &[0; 4_096]] {
        fs::write(&file.path, contents).unwrap();
        let what = if contents.len() < 100 { "cut short" } else { "is not a database" };
        file.assert_refused(what);
    }
    fs::write(&file.path, b"").unwrap();
    file.assert_refused("is empty");
    fs::remove_file(&file.path).unwrap();
    fs::create_dir(&file.path).unwrap();
    assert!(matches!(SqliteStore::open(&file.path), Err(StoreError::Unusable(_))));
}

#[tokio::test]
async fn file_of_another_program_is_refused() {
    let file = File::new();
    let connection = Connection::open(&file.path).unwrap();
    connection.execute_batch("CREATE TABLE jobs (id TEXT); PRAGMA user_version = 1;").unwrap();
    connection.close().unwrap();
    file.assert_refused("belongs to another program");
}

#[tokio::test]
async fn newer_version_is_refused() {
    let file = File::filled().await;
    let connection = Connection::open(&file.path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    file.assert_refused("newer darkroom (version 99");
}

#[tokio::test]
async fn newer_version_in_log_is_refused() {
    let file = File::filled().await;
    // A program that was killed leaves its last commits in the log.
    let other = tempfile::tempdir().unwrap();
    let copy = other.path().join("darkroom.db");
    let connection = Connection::open(&file.path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    for ending in ["", "-wal"] {
        fs::copy(beside(&file.path, ending), beside(&copy, ending)).unwrap();
    }
    File { folder: other, path: copy }.assert_refused("newer darkroom (version 99");
}

#[tokio::test]
async fn damaged_file_is_found() {
    for (from, length) in [(4_096, 64), (3 * 4_096, 4_096), (100, 40), (8_192 + 8, 3)] {
        let file = File::filled().await;
        let mut bytes = fs::read(&file.path).unwrap();
        bytes[from..from + length].fill(0xa5);
        fs::write(&file.path, bytes).unwrap();
        file.assert_damage_is_found();
    }
}

#[tokio::test]
async fn truncated_file_is_found() {
    for keep in [50, 4_096, 20_000] {
        let file = File::filled().await;
        let bytes = fs::read(&file.path).unwrap();
        fs::write(&file.path, &bytes[..keep]).unwrap();
        file.assert_damage_is_found();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn readonly_location_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::filled().await;
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(file.folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write all the same.
    let may_write = fs::OpenOptions::new().append(true).open(&file.path).is_ok();
    match SqliteStore::open(&file.path) {
        Ok(_) => assert!(may_write, "a file without write permission was opened"),
        Err(StoreError::Unusable(line)) => assert!(line.contains("check the permissions"), "{line}"),
        Err(other) => panic!("{other:?}"),
    }
    fs::set_permissions(file.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let in_the_way = file.folder.path().join("file");
    fs::write(&in_the_way, b"").unwrap();
    let Err(StoreError::Unusable(line)) = SqliteStore::open(&in_the_way.join("darkroom.db")) else {
        panic!("a file is no folder")
    };
    assert!(line.contains("cannot be"), "{line}");
}

#[tokio::test]
async fn unreadable_document_does_not_affect_others() {
    let file = File::new();
    let store = file.open();
    create(&store, [queued("bad", 0), queued("good", 1), submitting("foreign", 2, "worker", 5)]).await;
    let mut watch = store.watch().await.unwrap();
    let connection = Connection::open(&file.path).unwrap();
    connection
        .execute_batch(
            "UPDATE jobs SET document = '{\"id\": \u{1b}[2J', seq = 1001 WHERE id = 'bad';
             UPDATE jobs SET document = replace(document, 'foreign', 'other'), seq = 1002 WHERE id = 'foreign';
             UPDATE jobs SET seq = 1003 WHERE id = 'good';",
        )
        .unwrap();
    assert_eq!(names(&store.due(due(60)).await.unwrap()), ["good"]);
    let first = darkroom::store::DueQuery { limit: 1, ..due(60) };
    assert_eq!(names(&store.due(first).await.unwrap()), ["good"], "it does not count");
    assert_eq!(names(&store.list_jobs(PageQuery::default()).await.unwrap()), ["good"]);
    for name in ["bad", "foreign"] {
        let Err(StoreError::Unreadable { id: found, reason }) = store.get(&id(name)).await else {
            panic!("{name} was read")
        };
        assert_eq!(found, id(name));
        assert!(!reason.is_empty() && !reason.contains('\u{1b}'), "{reason}");
    }
    let changes = tokio::time::timeout(std::time::Duration::from_secs(20), watch.next()).await.unwrap().unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Job(job) => (job.id.as_str(), true),
            Change::Unreadable { id, .. } => (id.as_str(), false),
            other => panic!("{other:?} did not happen"),
        })
        .collect();
    assert_eq!(seen, [("bad", false), ("foreign", false), ("good", true)]);
    assert_eq!(store.counts().await.unwrap().total(), 3, "it still counts");
}

#[tokio::test]
async fn hostile_contents_round_trip() {
    let file = File::new();
    let store = file.open();
    let pieces = [
        "\0",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "'; DROP TABLE jobs; --",
        "\"\\\"",
        "{{}}%s%n",
        "\u{202e}evil",
        "🦊👩‍👩‍👧",
        "\r\n\t",
        "ß ſ İ ı",
        "\u{fffd}\u{feff}",
        "%_*?",
        "\u{10ffff}",
        "</script>",
        "NULL",
        "é\u{301}",
        "\u{2028}",
    ];
    let mut jobs = Vec::new();
    for (number, seconds) in (0..200_usize).zip(0..) {
        let piece = pieces[number % pieces.len()];
        let length = [1, 7, 333, 5_000][number % 4];
        let mut prompt = piece.repeat(length);
        if number % 50 == 0 {
            prompt = piece.repeat((1 << 20) / piece.len());
        }
        let spec = Spec::new(format!("model {piece}"), prompt)
            .with(piece, piece)
            .with("seed", u64::MAX - number as u64)
            .with("float", 0.1 + number as f64 / 7.0)
            .with("small", 5e-324)
            .with("list", vec![piece; 3]);
        let name: String = format!("{number}{piece}").replace('/', "|");
        let mut job = Job::new(id(&name), spec, number % 2 == 0, at(seconds));
        job.tags = vec![piece.repeat(3), String::new()];
        jobs.push(job);
    }
    create(&store, jobs.clone()).await;
    drop(store);
    let store = file.open();
    for job in &jobs {
        let stored = store.get(&job.id).await.unwrap().unwrap();
        assert_eq!(&Job { revision: 0, ..stored.clone() }, job);
        assert_eq!(store.find(job.id.as_str(), 1).await.unwrap(), std::slice::from_ref(&job.id));
        let again = store.save(Save::new(&stored)).await.unwrap();
        let again = Job { revision: again, ..stored };
        assert_eq!(store.get(&job.id).await.unwrap(), Some(again));
    }
    let page = store.list_jobs(PageQuery { limit: 1_000, ..PageQuery::default() }).await.unwrap();
    assert_eq!(page.len(), jobs.len());
}

#[tokio::test]
async fn create_accepts_ten_thousand_jobs() {
    let file = File::new();
    let store = file.open();
    create(&store, (0..10_000).map(|number| queued(&format!("job-{number}"), number))).await;
    assert_eq!(store.counts().await.unwrap().total(), 10_000);
    assert_eq!(store.due(due(20_000)).await.unwrap().len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_of_two_processes_arrive() {
    let file = File::new();
    let stores = [file.open(), file.open()];
    let callers = (0..200).map(|number| {
        let store = Arc::clone(&stores[number % 2]);
        tokio::spawn(async move {
            let name = format!("job-{number}");
            create(&store, [queued(&name, 0)]).await;
            let mut job = read(&store, &name).await;
            for _ in 0..3 {
                save(&store, &mut job).await.unwrap();
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    for store in &stores {
        assert_eq!(store.counts().await.unwrap().total(), 200);
    }
    let sum: i64 = Connection::open(&file.path)
        .unwrap()
        .query_row("SELECT sum(revision) FROM jobs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 200 * 4, "no save is lost and none is done twice");
}

#[tokio::test]
async fn daily_counts_match_charges() {
    use super::fixture::{failure, finish, generating};
    use darkroom::jobs::{BillingStatus, FailureCode};
    let file = File::new();
    let store = file.open();
    create(&store, (0..30).map(|number| generating(&format!("job-{number}"), number * 7_200, Some("4")))).await;
    for number in 0..30 {
        let mut job = read(&store, &format!("job-{number}")).await;
        match number % 3 {
            0 => finish(&mut job, Some("3.5"), None, 9),
            1 => job.fail(failure(FailureCode::ProviderError, BillingStatus::Unknown, 9), None, at(9)).unwrap(),
            _ => job.attempts[0].charge = None,
        }
        save(&store, &mut job).await.unwrap();
    }
    let connection = Connection::open(&file.path).unwrap();
    let rows = |question: &str| -> Vec<(i64, String, i64)> {
        let mut statement = connection.prepare(question).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let kept = rows("SELECT day, amount, count FROM spent ORDER BY 1, 2");
    let counted = rows("SELECT day, amount, count(*) FROM charges GROUP BY 1, 2 ORDER BY 1, 2");
    assert_eq!(kept, counted);
    let key = "service || ' ' || basis || ' ' || model || ' ' || cause || ' ' || coalesce(amount, '')";
    let kept_daily = rows(&format!("SELECT day, {key}, count FROM daily ORDER BY 1, 2"));
    let counted_daily = rows(&format!("SELECT day, {key}, count(*) FROM charges GROUP BY 1, 2 ORDER BY 1, 2"));
    assert_eq!(kept_daily, counted_daily);
    assert_eq!(kept.iter().map(|(_, _, count)| count).sum::<i64>(), 20);
}
