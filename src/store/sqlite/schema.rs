//! The schema of the database file and its migrations.

use rusqlite::{Connection, TransactionBehavior, params};

use super::super::StoreError;
use super::row::FilterFields;
use crate::jobs::Job;
use crate::text::fold_for_search;

/// Marks the file as darkroom's (`PRAGMA application_id`): the letters `dkrm`.
pub(super) const APPLICATION_ID: u32 = 0x646b_726d;

/// One script for each version, oldest first: script 0 makes version 1 of an empty file, script 1 makes version 2 of that. A
/// script that has been released is never changed; a new one is added behind it.
pub(super) const MIGRATIONS: &[&str] = &[
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8, VERSION_9, VERSION_10,
    VERSION_11, VERSION_12, VERSION_13,
];

/// The version that this program reads and writes.
pub(super) fn version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Times are nanoseconds since 1970, money is decimal text.
///
/// `document` is the whole job; the columns before it only exist to be searched and sorted by, and stand before it so that
/// reading them does not walk through a long document. `reserved` is the money set aside for a job that is submitting (the
/// provider and the bucket) or generating (the bucket).
///
/// `spent` (for the caps) and `daily` (for the reports; an unknown amount is an empty text) count equal charges by day, so that
/// neither adds up a month of charges. The triggers keep them, so that no writer can forget it; and they are counts, because
/// those can be taken back exactly, which a running sum could not promise.
const VERSION_1: &str = "
PRAGMA application_id = 0x646b726d;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    revision INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    stage TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    not_before INTEGER,
    claim_until INTEGER,
    claim_worker TEXT,
    reserved TEXT,
    search TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_by_seq ON jobs(seq);
CREATE INDEX jobs_by_age ON jobs(created_at, id, stage, hidden);
CREATE INDEX jobs_by_stage ON jobs(hidden, stage);
CREATE INDEX jobs_queued ON jobs(simulated, created_at, id, not_before) WHERE stage = 'queued';
CREATE INDEX jobs_under_way ON jobs(simulated, created_at, id, not_before, claim_until)
    WHERE stage IN ('submitting', 'generating');
CREATE INDEX jobs_reserved ON jobs(simulated, reserved, id) WHERE reserved IS NOT NULL;

CREATE TABLE charges (
    job_id TEXT NOT NULL REFERENCES jobs(id),
    attempt INTEGER NOT NULL,
    service TEXT NOT NULL,
    amount TEXT,
    basis TEXT NOT NULL,
    model TEXT NOT NULL,
    at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (job_id, attempt, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX charges_by_time ON charges(simulated, at);

CREATE TABLE spent (
    simulated INTEGER NOT NULL,
    day INTEGER NOT NULL,
    amount TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (simulated, day, amount)
) STRICT, WITHOUT ROWID;
CREATE TABLE daily (
    simulated INTEGER NOT NULL,
    day INTEGER NOT NULL,
    service TEXT NOT NULL,
    basis TEXT NOT NULL,
    model TEXT NOT NULL,
    cause TEXT NOT NULL,
    amount TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (simulated, day, service, basis, model, cause, amount)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER charge_booked AFTER INSERT ON charges BEGIN
    INSERT INTO spent (simulated, day, amount, count)
        SELECT NEW.simulated, NEW.day, NEW.amount, 1 WHERE NEW.amount IS NOT NULL
        ON CONFLICT (simulated, day, amount) DO UPDATE SET count = count + 1;
    INSERT INTO daily (simulated, day, service, basis, model, cause, amount, count)
        VALUES (NEW.simulated, NEW.day, NEW.service, NEW.basis, NEW.model, NEW.cause, coalesce(NEW.amount, ''), 1)
        ON CONFLICT (simulated, day, service, basis, model, cause, amount) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER charge_taken_back AFTER DELETE ON charges BEGIN
    UPDATE spent SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND amount = OLD.amount;
    DELETE FROM spent
        WHERE simulated = OLD.simulated AND day = OLD.day AND amount = OLD.amount AND count = 0;
    UPDATE daily SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND service = OLD.service AND basis = OLD.basis
          AND model = OLD.model AND cause = OLD.cause AND amount = coalesce(OLD.amount, '');
    DELETE FROM daily
        WHERE simulated = OLD.simulated AND day = OLD.day AND service = OLD.service AND basis = OLD.basis
          AND model = OLD.model AND cause = OLD.cause AND amount = coalesce(OLD.amount, '') AND count = 0;
END;
CREATE TRIGGER charge_is_replaced_whole BEFORE UPDATE ON charges BEGIN
    SELECT RAISE(ABORT, 'a charge is deleted and inserted again, never updated');
END;
";

/// What was taken over from other programs (`darkroom import`): entries of their books, and the fields of jobs that a job here has
/// no word for. Such an entry has its own table because nothing here may change it and its job may be nowhere. `booked` is all
/// money.
const VERSION_2: &str = "
CREATE TABLE imported_costs (
    id TEXT PRIMARY KEY NOT NULL,
    job_id TEXT NOT NULL,
    service TEXT NOT NULL,
    amount TEXT NOT NULL,
    basis TEXT NOT NULL,
    model TEXT NOT NULL,
    at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    cause TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX imported_costs_by_time ON imported_costs(simulated, at);

CREATE TABLE imported_jobs (
    id TEXT PRIMARY KEY NOT NULL REFERENCES jobs(id),
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW booked AS
    SELECT simulated, at, day, service, basis, model, cause, amount FROM charges
    UNION ALL SELECT simulated, at, day, service, basis, model, cause, amount FROM imported_costs;

CREATE TRIGGER imported_cost_booked AFTER INSERT ON imported_costs BEGIN
    INSERT INTO spent (simulated, day, amount, count) VALUES (NEW.simulated, NEW.day, NEW.amount, 1)
        ON CONFLICT (simulated, day, amount) DO UPDATE SET count = count + 1;
    INSERT INTO daily (simulated, day, service, basis, model, cause, amount, count)
        VALUES (NEW.simulated, NEW.day, NEW.service, NEW.basis, NEW.model, NEW.cause, NEW.amount, 1)
        ON CONFLICT (simulated, day, service, basis, model, cause, amount) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER imported_cost_taken_back AFTER DELETE ON imported_costs BEGIN
    UPDATE spent SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND amount = OLD.amount;
    DELETE FROM spent
        WHERE simulated = OLD.simulated AND day = OLD.day AND amount = OLD.amount AND count = 0;
    UPDATE daily SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND service = OLD.service AND basis = OLD.basis
          AND model = OLD.model AND cause = OLD.cause AND amount = OLD.amount;
    DELETE FROM daily
        WHERE simulated = OLD.simulated AND day = OLD.day AND service = OLD.service AND basis = OLD.basis
          AND model = OLD.model AND cause = OLD.cause AND amount = OLD.amount AND count = 0;
END;
CREATE TRIGGER imported_cost_is_history BEFORE UPDATE ON imported_costs BEGIN
    SELECT RAISE(ABORT, 'an imported entry is never updated');
END;
";

/// Searches ignore accents: `search` is folded again by [`fold_searches`].
const VERSION_3: &str = "-- search is folded without accents";

/// The caps of this store: the newest row applies, the others are the record of who changed what.
const VERSION_4: &str = "
CREATE TABLE budget_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    change TEXT NOT NULL,
    settings TEXT NOT NULL
) STRICT;
";

/// What all processes of the store share (`SharedRecord`). `body` is JSON.
const VERSION_5: &str = "
CREATE TABLE shared_records (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX shared_records_by_time ON shared_records(kind, at, id);
";

/// Uncertain charges are few among many: found without reading the others.
const VERSION_6: &str = "
CREATE INDEX charges_uncertain ON charges(simulated, at) WHERE basis IN ('unknown', 'unconfirmed');
CREATE INDEX imported_costs_uncertain ON imported_costs(simulated, at) WHERE basis IN ('unknown', 'unconfirmed');
";

/// What filters compare, in one index, so that neither a list nor a count reads the documents of jobs that do not match. Filled by
/// [`fill_filter_fields`].
const VERSION_7: &str = "
ALTER TABLE jobs ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN failure TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_by_fields ON jobs(created_at, id, hidden, stage, held, attempts, cost, model, tags, failure);
";

/// Tags of charges, and what each job cost.
///
/// `tags` is a JSON list. `daily_tags` counts equal charges by day and tag; the empty tag counts each charge that has any. `job_costs`
/// adds up what a job cost in billionths of a dollar: only to find the most expensive ones, whose exact sums come from their charges.
const VERSION_8: &str = "
ALTER TABLE charges ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE imported_costs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX imported_costs_by_job ON imported_costs(job_id);

CREATE VIEW booked_jobs AS
    SELECT simulated, at, day, service, basis, model, cause, amount, job_id, tags FROM charges
    UNION ALL SELECT simulated, at, day, service, basis, model, cause, amount, job_id, tags FROM imported_costs;

CREATE TABLE daily_tags (
    simulated INTEGER NOT NULL,
    day INTEGER NOT NULL,
    tag TEXT NOT NULL,
    basis TEXT NOT NULL,
    amount TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (simulated, day, tag, basis, amount)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_costs (
    simulated INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    nano INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (simulated, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_costs_by_amount ON job_costs(simulated, nano);
INSERT INTO job_costs (simulated, job_id, nano, count)
    SELECT simulated, job_id, sum(CAST(round(amount * 1e9) AS INTEGER)), count(*) FROM booked_jobs
    WHERE amount IS NOT NULL AND basis IN ('estimated', 'quoted', 'settled') GROUP BY 1, 2;

CREATE TRIGGER charge_tagged AFTER INSERT ON charges WHEN NEW.tags <> '[]' BEGIN
    INSERT INTO daily_tags (simulated, day, tag, basis, amount, count)
        SELECT NEW.simulated, NEW.day, tag, NEW.basis, coalesce(NEW.amount, ''), 1
        FROM (SELECT '' AS tag UNION ALL SELECT value FROM json_each(NEW.tags)) WHERE TRUE
        ON CONFLICT (simulated, day, tag, basis, amount) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER charge_untagged AFTER DELETE ON charges WHEN OLD.tags <> '[]' BEGIN
    UPDATE daily_tags SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND basis = OLD.basis AND amount = coalesce(OLD.amount, '')
          AND (tag = '' OR tag IN (SELECT value FROM json_each(OLD.tags)));
    DELETE FROM daily_tags
        WHERE simulated = OLD.simulated AND day = OLD.day AND basis = OLD.basis AND amount = coalesce(OLD.amount, '')
          AND count = 0;
END;
CREATE TRIGGER charge_of_job AFTER INSERT ON charges
WHEN NEW.amount IS NOT NULL AND NEW.basis IN ('estimated', 'quoted', 'settled') BEGIN
    INSERT INTO job_costs (simulated, job_id, nano, count)
        VALUES (NEW.simulated, NEW.job_id, CAST(round(NEW.amount * 1e9) AS INTEGER), 1)
        ON CONFLICT (simulated, job_id) DO UPDATE SET nano = nano + excluded.nano, count = count + 1;
END;
CREATE TRIGGER charge_of_job_taken_back AFTER DELETE ON charges
WHEN OLD.amount IS NOT NULL AND OLD.basis IN ('estimated', 'quoted', 'settled') BEGIN
    UPDATE job_costs SET nano = nano - CAST(round(OLD.amount * 1e9) AS INTEGER), count = count - 1
        WHERE simulated = OLD.simulated AND job_id = OLD.job_id;
    DELETE FROM job_costs WHERE simulated = OLD.simulated AND job_id = OLD.job_id AND count = 0;
END;
CREATE TRIGGER imported_cost_tagged AFTER INSERT ON imported_costs WHEN NEW.tags <> '[]' BEGIN
    INSERT INTO daily_tags (simulated, day, tag, basis, amount, count)
        SELECT NEW.simulated, NEW.day, tag, NEW.basis, NEW.amount, 1
        FROM (SELECT '' AS tag UNION ALL SELECT value FROM json_each(NEW.tags)) WHERE TRUE
        ON CONFLICT (simulated, day, tag, basis, amount) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER imported_cost_untagged AFTER DELETE ON imported_costs WHEN OLD.tags <> '[]' BEGIN
    UPDATE daily_tags SET count = count - 1
        WHERE simulated = OLD.simulated AND day = OLD.day AND basis = OLD.basis AND amount = OLD.amount
          AND (tag = '' OR tag IN (SELECT value FROM json_each(OLD.tags)));
    DELETE FROM daily_tags
        WHERE simulated = OLD.simulated AND day = OLD.day AND basis = OLD.basis AND amount = OLD.amount AND count = 0;
END;
CREATE TRIGGER imported_cost_of_job AFTER INSERT ON imported_costs
WHEN NEW.basis IN ('estimated', 'quoted', 'settled') BEGIN
    INSERT INTO job_costs (simulated, job_id, nano, count)
        VALUES (NEW.simulated, NEW.job_id, CAST(round(NEW.amount * 1e9) AS INTEGER), 1)
        ON CONFLICT (simulated, job_id) DO UPDATE SET nano = nano + excluded.nano, count = count + 1;
END;
CREATE TRIGGER imported_cost_of_job_taken_back AFTER DELETE ON imported_costs
WHEN OLD.basis IN ('estimated', 'quoted', 'settled') BEGIN
    UPDATE job_costs SET nano = nano - CAST(round(OLD.amount * 1e9) AS INTEGER), count = count - 1
        WHERE simulated = OLD.simulated AND job_id = OLD.job_id;
    DELETE FROM job_costs WHERE simulated = OLD.simulated AND job_id = OLD.job_id AND count = 0;
END;
";

/// Reviewers can reject images; filters find them without reading documents.
const VERSION_9: &str = "
ALTER TABLE jobs ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0;
DROP INDEX jobs_by_fields;
CREATE INDEX jobs_by_fields
    ON jobs(created_at, id, hidden, stage, held, rejected, attempts, cost, model, tags, failure);
";

/// Jobs that were removed, in the sequence of all changes, so that watches report them and no number is given twice. `at` is in
/// seconds since 1970.
const VERSION_10: &str = "
CREATE TABLE removed_jobs (
    seq INTEGER PRIMARY KEY NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
";

/// What lists are sorted by beside the fields of filters, in the same index: a page reads only its own documents. `duration` is in
/// milliseconds; `prompt` is the folded beginning. Filled by [`fill_sort_fields`].
const VERSION_11: &str = "
ALTER TABLE jobs ADD COLUMN pixels INTEGER;
ALTER TABLE jobs ADD COLUMN duration INTEGER;
ALTER TABLE jobs ADD COLUMN prompt TEXT NOT NULL DEFAULT '';
DROP INDEX jobs_by_fields;
CREATE INDEX jobs_by_fields
    ON jobs(created_at, id, hidden, stage, held, rejected, attempts, cost, model, tags, failure, claim_worker, pixels, duration,
            prompt);
";

/// Entries for whose charges an imported job stands: the undo of that import puts them back, also those of another import or of a
/// removed job.
const VERSION_12: &str = "
CREATE TABLE replaced_costs (
    id TEXT PRIMARY KEY NOT NULL,
    job_id TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX replaced_costs_by_job ON replaced_costs(job_id);
";

/// `jobs_by_fields` begins with the columns of this index: one index less is written with each save.
const VERSION_13: &str = "
DROP INDEX jobs_by_age;
";

/// Brings the file to the last of `scripts`, each in one transaction of its own. Two processes may do this at once: the second
/// finds it done.
pub(super) fn migrate(connection: &mut Connection, scripts: &[&str]) -> Result<(), StoreError> {
    while user_version(connection)? < scripts.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = user_version(&transaction)?;
        if let Some(script) = scripts.get(version) {
            transaction.execute_batch(script)?;
            if *script == VERSION_3 {
                fold_searches(&transaction)?;
            }
            if *script == VERSION_7 {
                fill_filter_fields(&transaction)?;
            }
            if *script == VERSION_11 {
                fill_sort_fields(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Folds what earlier versions folded by case alone.
fn fold_searches(connection: &Connection) -> Result<(), StoreError> {
    let mut select = connection.prepare("SELECT rowid, search FROM jobs")?;
    let mut update = connection.prepare("UPDATE jobs SET search = ?2 WHERE rowid = ?1")?;
    let mut rows = select.query([])?;
    let mut changed: Vec<(i64, String)> = Vec::new();
    while let Some(row) = rows.next()? {
        let search: String = row.get(1)?;
        let folded = fold_for_search(&search);
        if folded != search {
            changed.push((row.get(0)?, folded));
        }
    }
    for (rowid, folded) in changed {
        update.execute((rowid, folded))?;
    }
    Ok(())
}

/// Fills the columns that filters compare from the documents.
fn fill_filter_fields(connection: &Connection) -> Result<(), StoreError> {
    let mut update = connection.prepare(
        "UPDATE jobs SET model = ?2, tags = ?3, failure = ?4, held = ?5, attempts = ?6, cost = ?7 WHERE rowid = ?1",
    )?;
    for_each_job(connection, |rowid, job| {
        let fields = FilterFields::of(job);
        let FilterFields { model, tags, failure, held, attempts, cost, .. } = fields;
        update.execute(params![rowid, model, tags, failure, held, attempts, cost])
    })
}

/// Fills the columns that lists are sorted by from the documents.
fn fill_sort_fields(connection: &Connection) -> Result<(), StoreError> {
    let mut update = connection.prepare("UPDATE jobs SET pixels = ?2, duration = ?3, prompt = ?4 WHERE rowid = ?1")?;
    for_each_job(connection, |rowid, job| {
        let fields = FilterFields::of(job);
        update.execute(params![rowid, fields.pixels, fields.duration, fields.prompt])
    })
}

/// Reads the documents, a few hundred at a time. The row of one that cannot be read keeps its defaults.
fn for_each_job(
    connection: &Connection,
    mut change: impl FnMut(i64, &Job) -> rusqlite::Result<usize>,
) -> Result<(), StoreError> {
    let mut select =
        connection.prepare("SELECT rowid, document FROM jobs WHERE rowid > ?1 ORDER BY rowid LIMIT 500")?;
    let mut last = i64::MIN;
    loop {
        let rows = select.query_map([last], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let Some((newest, _)) = rows.last() else { return Ok(()) };
        last = *newest;
        for (rowid, document) in rows {
            if let Ok(job) = serde_json::from_str::<Job>(&document) {
                change(rowid, &job)?;
            }
        }
    }
}

/// How many scripts the file has been through.
fn user_version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migration_keeps_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection.execute("INSERT INTO spent VALUES (1, 2, '0.04', 3)", []).unwrap();
        let mut scripts = MIGRATIONS.to_vec();
        scripts.push("ALTER TABLE spent ADD COLUMN note TEXT NOT NULL DEFAULT 'old';");
        migrate(&mut connection, &scripts).unwrap();
        migrate(&mut connection, &scripts).unwrap();
        let row: (String, i64, String) = connection
            .query_row("SELECT amount, count, note FROM spent", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        assert_eq!(row, ("0.04".into(), 3, "old".into()));
        assert_eq!(user_version(&connection).unwrap(), scripts.len());
    }

    #[test]
    fn older_searches_are_folded_again() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..2]).unwrap();
        let insert = "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, search, document)
                      VALUES (?1, 1, ?2, 'queued', 1, 0, 1, ?3, '{}')";
        connection.execute(insert, ("a", 1, "a\u{1f}stra\u{df}e caf\u{e9}")).unwrap();
        connection.execute(insert, ("b", 2, "b\u{1f}fox")).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let search = |id: &str| -> String {
            connection.query_row("SELECT search FROM jobs WHERE id = ?1", [id], |row| row.get(0)).unwrap()
        };
        assert_eq!((search("a").as_str(), search("b").as_str()), ("a\u{1f}strasse cafe", "b\u{1f}fox"));
    }

    #[test]
    fn older_rows_get_their_filter_fields() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..4]).unwrap();
        let id = crate::jobs::JobId::new("a").unwrap();
        let mut job = Job::new(id, crate::jobs::Spec::new("Flux-Dev", "a fox"), true, chrono::DateTime::UNIX_EPOCH);
        job.tags = vec!["Caf\u{e9}".to_owned()];
        let insert = "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, search, document)
                      VALUES (?1, 1, ?2, 'queued', 1, 0, 1, '', ?3)";
        connection.execute(insert, ("a", 1, serde_json::to_string(&job).unwrap())).unwrap();
        connection.execute(insert, ("damaged", 2, "{")).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let fields = |id: &str| -> (String, String, i64) {
            let sql = "SELECT model, tags, attempts FROM jobs WHERE id = ?1";
            connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
        };
        assert_eq!(fields("a"), ("flux-dev".to_owned(), "cafe".to_owned(), 1));
        assert_eq!(fields("damaged"), (String::new(), String::new(), 1));
    }

    #[test]
    fn older_rows_get_what_they_are_sorted_by() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..10]).unwrap();
        let at = chrono::DateTime::UNIX_EPOCH;
        let spec = crate::jobs::Spec::new("flux-dev", "A F\u{f3}x").with("width", 640).with("height", 480);
        let mut job = Job::new(crate::jobs::JobId::new("a").unwrap(), spec, true, at);
        let claim = crate::jobs::Claim { worker: crate::jobs::WorkerId::new("w"), until: at };
        job.begin_submit(claim, None, at).unwrap();
        let why =
            crate::jobs::Failure::new(crate::jobs::FailureCode::ProviderError, "x", crate::jobs::BillingStatus::No, at);
        job.reject_by_provider(why, at + chrono::Duration::seconds(3)).unwrap();
        let insert = "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, search, document)
                      VALUES (?1, 1, ?2, 'failed', 1, 0, 1, '', ?3)";
        connection.execute(insert, ("a", 1, serde_json::to_string(&job).unwrap())).unwrap();
        connection.execute(insert, ("damaged", 2, "{")).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let fields = |id: &str| -> (Option<i64>, Option<i64>, String) {
            let sql = "SELECT pixels, duration, prompt FROM jobs WHERE id = ?1";
            connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
        };
        let milliseconds = job.duration().map(|duration| duration.num_milliseconds());
        assert_eq!(fields("a"), (Some(307_200), milliseconds, "a fox".to_owned()));
        assert_eq!(fields("damaged"), (None, None, String::new()));
    }

    #[test]
    fn older_file_keeps_its_charges() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..5]).unwrap();
        let insert = "INSERT INTO jobs (id, revision, seq, stage, simulated, hidden, created_at, search, document)
                      VALUES ('a', 1, 7, 'done', 1, 0, 1, '', '{}')";
        connection.execute(insert, []).unwrap();
        let insert = "INSERT INTO charges (job_id, attempt, service, amount, basis, model, at, day, simulated, cause)
                      VALUES ('a', 1, 'bfl_api', '0.04', 'settled', 'flux-dev', 1, 0, 1, 'cancelled')";
        connection.execute(insert, []).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let charge = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let kept = connection.query_row("SELECT amount, tags FROM charges", [], charge).unwrap();
        assert_eq!(kept, ("0.04".to_owned(), "[]".to_owned()));
        assert_eq!(super::super::save::last_number(&connection).unwrap(), 7);
        connection.execute("INSERT INTO removed_jobs (seq, id, at) VALUES (9, 'b', 0)", []).unwrap();
        assert_eq!(super::super::save::last_number(&connection).unwrap(), 9);
    }

    #[test]
    fn failed_migration_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let mut scripts = MIGRATIONS.to_vec();
        scripts.push("CREATE TABLE half (a TEXT); SELECT nonsense FROM nowhere;");
        assert!(migrate(&mut connection, &scripts).is_err());
        assert_eq!(user_version(&connection).unwrap(), MIGRATIONS.len());
        let half: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(half, 0);
    }

    #[test]
    fn application_id_is_set() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let mark: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
        assert_eq!(mark, i64::from(APPLICATION_ID));
    }
}
