use chrono::Utc;

use super::*;
use crate::costs::Usd;
use crate::jobs::{Job, JobId, Receipt, Spec, Ticket};

const STORE: &str = "sqlite";

fn job(id: &str) -> Job {
    Job::new(JobId::new(id).unwrap(), Spec::new("flux-2-klein-4b", "a fox"), true, Utc::now())
}

fn key(id: &str) -> SubmitKey {
    SubmitKey::of(&job(id))
}

fn accepted(id: &str) -> AcceptedJob {
    let mut job = job(id);
    let ticket = Ticket { id: format!("ticket of {id}"), polling_url: "http://127.0.0.1/".to_owned() };
    let receipt =
        Receipt { ticket, cost: None, input_megapixels: None, output_megapixels: None, accepted_at: Utc::now() };
    job.attempts[0].receipt = Some(receipt);
    AcceptedJob { job, revision: 7, estimate: Some(Usd::ZERO) }
}

/// A journal of a worker that then dies: the file stays, its lock does not.
struct Died {
    data: tempfile::TempDir,
    worker: WorkerId,
}

impl Died {
    fn after(steps: impl FnOnce(&SubmitJournal)) -> Self {
        let died = Self { data: tempfile::tempdir().unwrap(), worker: WorkerId::new("worker-1-dead") };
        let journal = died.journal("worker-1-dead", STORE);
        steps(&journal);
        let mut state = journal.state();
        state.file = None;
        drop(state);
        died
    }

    fn journal(&self, worker: &str, store: &str) -> SubmitJournal {
        SubmitJournal::new(self.data.path(), &WorkerId::new(worker), store)
    }

    fn path(&self) -> PathBuf {
        self.data.path().join("worker-1-dead.journal")
    }

    /// What the next worker concludes.
    fn verdict(&self, id: &str) -> SubmitVerdict {
        self.journal("worker-2-next", STORE).dead.verdict(&self.worker, &key(id))
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path()).unwrap();
        edit(&mut bytes);
        // In place: a new file would be a copy.
        let mut file = File::options().write(true).truncate(true).open(self.path()).unwrap();
        file.write_all(&bytes).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn each_line_decides_what_is_known() {
    let died = Died::after(|journal| {
        for id in ["begun", "posted", "accepted", "rejected", "settled"] {
            journal.begin(&key(id)).unwrap();
        }
        for id in ["posted", "accepted", "rejected", "settled"] {
            journal.post(&key(id)).unwrap();
        }
        journal.accepted(accepted("accepted"));
        journal.not_accepted(key("rejected"));
        journal.settled(&key("settled"));
    });
    assert_eq!(died.verdict("begun"), SubmitVerdict::NotAccepted);
    assert_eq!(died.verdict("posted"), SubmitVerdict::Unknown);
    assert!(matches!(died.verdict("accepted"), SubmitVerdict::Accepted(known) if known.revision == 7));
    assert_eq!(died.verdict("rejected"), SubmitVerdict::NotAccepted);
    assert_eq!(died.verdict("never begun"), SubmitVerdict::Unknown);
    let left = LeftoverJournal::list(died.data.path().parent().unwrap(), STORE);
    assert_eq!(left, [], "another folder");
}

#[cfg(target_os = "linux")]
#[test]
fn restart_leaves_only_receipts_usable() {
    let died = Died::after(|journal| {
        for id in ["begun", "accepted", "rejected"] {
            journal.begin(&key(id)).unwrap();
        }
        journal.accepted(accepted("accepted"));
        journal.not_accepted(key("rejected"));
    });
    died.edit(|bytes| {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let first = std::str::from_utf8(&bytes[..end]).unwrap().replace(boot.trim(), "an earlier start");
        let record: Record = serde_json::from_str(&first[first.find('{').unwrap()..]).unwrap();
        bytes.splice(..=end, record.encode().unwrap());
    });
    for id in ["begun", "rejected", "never begun"] {
        assert_eq!(died.verdict(id), SubmitVerdict::Unknown, "{id}");
    }
    assert!(matches!(died.verdict("accepted"), SubmitVerdict::Accepted(_)));
}

#[cfg(target_os = "linux")]
#[test]
fn unfinished_last_line_had_not_happened() {
    let died = Died::after(|journal| {
        journal.begin(&key("a")).unwrap();
        journal.post(&key("a")).unwrap();
    });
    assert_eq!(died.verdict("a"), SubmitVerdict::Unknown);
    died.edit(|bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(died.verdict("a"), SubmitVerdict::NotAccepted);
}

#[test]
fn damaged_line_leaves_only_receipts_usable() {
    let died = Died::after(|journal| {
        journal.begin(&key("first")).unwrap();
        journal.begin(&key("a")).unwrap();
        journal.begin(&key("b")).unwrap();
        journal.accepted(accepted("b"));
    });
    died.edit(|bytes| {
        let middle = bytes.windows(7).position(|part| part == b"\"first\"").unwrap();
        bytes[middle + 1] = b'F';
    });
    assert_eq!(died.verdict("a"), SubmitVerdict::Unknown);
    assert_eq!(died.verdict("never begun"), SubmitVerdict::Unknown);
    assert!(matches!(died.verdict("b"), SubmitVerdict::Accepted(_)));
}

#[cfg(unix)]
#[test]
fn journal_of_another_place_proves_nothing() {
    let died = Died::after(|journal| {
        journal.begin(&key("a")).unwrap();
    });
    let other_store = died.journal("worker-2-next", "firestore:p/(default)");
    assert_eq!(other_store.dead.verdict(&died.worker, &key("a")), SubmitVerdict::Unknown);
    assert_eq!(other_store.dead.verdict(&WorkerId::new("../worker-1-dead"), &key("a")), SubmitVerdict::Unknown);
    assert_eq!(other_store.dead.verdict(&WorkerId::new("worker-9-none"), &key("a")), SubmitVerdict::Unknown);
    // A copy has another inode.
    let copy = died.data.path().join("copy");
    std::fs::copy(died.path(), &copy).unwrap();
    std::fs::rename(&copy, died.path()).unwrap();
    assert_eq!(died.verdict("a"), SubmitVerdict::Unknown);
}

#[test]
fn live_journal_is_not_read_by_others() {
    let data = tempfile::tempdir().unwrap();
    let live = SubmitJournal::new(data.path(), &WorkerId::new("worker-1-live"), STORE);
    live.begin(&key("a")).unwrap();
    let other = SubmitJournal::new(data.path(), &WorkerId::new("worker-2-other"), STORE);
    assert_eq!(other.dead.verdict(&WorkerId::new("worker-1-live"), &key("a")), SubmitVerdict::Unknown);
    assert!(other.dead.unrecovered().is_empty());
    live.settled(&key("a"));
    drop(live);
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing is left of a worker that shut down");
}

#[cfg(target_os = "linux")]
#[test]
fn journal_stays_small_and_keeps_open_submits() {
    let died = Died::after(|journal| {
        journal.begin(&key("begun")).unwrap();
        journal.begin(&key("posted")).unwrap();
        journal.post(&key("posted")).unwrap();
        let mut largest = 0;
        for number in 0..3_000 {
            let id = format!("job-{number}");
            journal.begin(&key(&id)).unwrap();
            journal.post(&key(&id)).unwrap();
            journal.accepted(accepted(&id));
            journal.settled(&key(&id));
            largest = largest.max(std::fs::metadata(&journal.path).unwrap().len());
        }
        assert!((MAX_BYTES / 2..MAX_BYTES + 10_000).contains(&largest), "{largest} bytes");
    });
    assert_eq!(died.verdict("begun"), SubmitVerdict::NotAccepted);
    assert_eq!(died.verdict("posted"), SubmitVerdict::Unknown);
    let next = died.journal("worker-2-next", STORE);
    let left = next.dead.unrecovered();
    assert_eq!(left[0].open.len(), 2);
    next.dead.mark_recovered(&died.worker);
    assert!(next.dead.unrecovered().is_empty());
    assert!(died.path().exists(), "a record on its way to the store may still arrive");
    let file = File::options().write(true).open(died.path()).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(2)).unwrap();
    next.dead.mark_recovered(&died.worker);
    assert!(!died.path().exists());
}

#[cfg(unix)]
#[test]
fn journal_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let died = Died::after(|journal| {
        journal.begin(&key("a")).unwrap();
    });
    assert_eq!(died.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn deleted_journal_is_written_again() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("workers");
    let journal = SubmitJournal::new(&folder, &WorkerId::new("worker-1-a"), STORE);
    journal.begin(&key("a")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    journal.begin(&key("b")).unwrap();
    let text = std::fs::read_to_string(folder.join("worker-1-a.journal")).unwrap();
    assert!(text.contains("\"job\":\"a\"") && text.contains("\"job\":\"b\""), "{text}");
}

#[cfg(unix)]
fn open_file(file: File) -> OpenFile {
    OpenFile { file: Arc::new(file), length: 0, max_length: MAX_BYTES, is_damaged: false }
}

#[cfg(unix)]
#[test]
fn damaged_journal_stays_that_of_a_live_worker() {
    let data = tempfile::tempdir().unwrap();
    let worker = WorkerId::new("worker-1-a");
    let journal = SubmitJournal::new(data.path(), &worker, STORE);
    journal.begin(&key("a")).unwrap();
    // The file can be neither written nor cut, as on a disk that fails.
    let failing = File::open(&journal.path).unwrap();
    journal.state().file = None;
    failing.lock().unwrap();
    journal.state().file = Some(open_file(failing));
    journal.post(&key("b")).unwrap_err();
    let other = SubmitJournal::new(data.path(), &WorkerId::new("worker-2-other"), STORE);
    assert_eq!(other.dead.verdict(&worker, &key("a")), SubmitVerdict::Unknown, "it may be sent yet");
    journal.post(&key("a")).unwrap_err();
    // The next submit begins a new file, and the first one may be sent.
    journal.begin(&key("b")).unwrap();
    journal.post(&key("a")).unwrap();
    assert_eq!(other.dead.verdict(&worker, &key("a")), SubmitVerdict::Unknown);
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_before_the_post() {
    let data = tempfile::tempdir().unwrap();
    let journal = SubmitJournal::new(data.path(), &WorkerId::new("worker-1-a"), STORE);
    journal.begin(&key("a")).unwrap();
    // Every write to this device fails as on a full disk.
    let full = File::options().write(true).open("/dev/full").unwrap();
    journal.state().file = Some(open_file(full));
    let error = journal.begin(&key("b")).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(journal.progress(&key("b")), None);
    journal.post(&key("a")).unwrap_err();
    assert_eq!(journal.progress(&key("a")), Some(SubmitProgress::Begun));
    // With space again the next submit begins a new file.
    journal.begin(&key("b")).unwrap();
    journal.post(&key("b")).unwrap();
}
