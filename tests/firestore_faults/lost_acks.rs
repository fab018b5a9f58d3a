//! The reply to a single write is lost: the caller gets the outcome all the same.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use darkroom::costs::{Budget, CostGrouping, Credits};
use darkroom::jobs::{
    Claim, ImageFormat, Job, JobId, ObjectName, Receipt, Spec, StageName, StoredImage, Ticket, WorkerId,
};
use darkroom::store::firestore::FirestoreStore;
use darkroom::store::schema::{Defaults, ImportOutcome, JobEntry, Record};
use darkroom::store::{CostQuery, Save, Store, StoreError};
use tokio::time::timeout;

use crate::support::chaos_proxy::ChaosProxy;
use crate::support::firestore_emulator::{fresh_project, options, shared, store};

const LIMIT: Duration = Duration::from_mins(1);

/// A store behind a chaos proxy, and one that is connected directly.
struct Both {
    proxy: ChaosProxy,
    behind: Arc<FirestoreStore>,
    beside: FirestoreStore,
}

async fn both() -> Both {
    let emulator = tokio::task::spawn_blocking(shared).await.unwrap();
    let project = fresh_project();
    let proxy = ChaosProxy::to(&emulator.host());
    let mut options = options(emulator, &project);
    options.emulator_host = Some(proxy.host());
    Both { proxy, behind: Arc::new(FirestoreStore::connect(options)), beside: store(emulator, &project) }
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

fn job(name: &str) -> Job {
    Job::new(JobId::new(name).unwrap(), Spec::new("flux-dev", "a fox"), true, now())
}

impl Both {
    /// Saves through the proxy, which carries the request and loses the answer.
    async fn save_unheard(&self, job: &mut Job) {
        self.proxy.drop_replies();
        let saving = tokio::spawn({
            let (store, save) = (Arc::clone(&self.behind), Save::new(job));
            async move { store.save(save).await }
        });
        let old = job.revision;
        let there = self.until_there(&job.id, |there| there.revision > old).await;
        self.proxy.cut();
        self.proxy.restore();
        let saved = timeout(LIMIT, saving).await.expect("it is found out").unwrap();
        assert_eq!(saved, Ok(there.revision), "the save is reported as applied");
        job.revision = there.revision;
        assert_eq!(there, *job);
    }

    async fn until_there(&self, id: &JobId, is_so: impl Fn(&Job) -> bool) -> Job {
        let found = async {
            loop {
                if let Some(job) = self.beside.get(id).await.unwrap().filter(|job| is_so(job)) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, found).await.expect("the request arrived")
    }
}

fn claim() -> Claim {
    Claim { worker: WorkerId::new("worker"), until: now() + TimeDelta::minutes(2) }
}

fn accept(job: &mut Job) {
    let receipt = Receipt {
        ticket: Ticket { id: "ticket".into(), polling_url: "https://api.example/v1/get_result?id=ticket".into() },
        cost: Some(Credits::new("2.5".parse().unwrap())),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: now(),
    };
    job.accept(receipt, None, now()).unwrap();
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn save_with_lost_reply_succeeds_once() {
    let both = both().await;
    // With and without an open listener.
    let watch = both.behind.watch().await.unwrap();
    let mut job = job("a");
    both.behind.create(vec![job.clone()]).await.unwrap();
    job = both.beside.get(&job.id).await.unwrap().unwrap();
    job.begin_submit(claim(), Some("0.03".parse().unwrap()), now()).unwrap();
    both.save_unheard(&mut job).await;
    drop(watch);
    accept(&mut job);
    both.save_unheard(&mut job).await;
    let object = ObjectName::for_attempt(&job.id, 1, ImageFormat::Png);
    let (url, sha256) = (format!("https://storage.example/{object}"), "00".repeat(32));
    let image = StoredImage { object, url, format: ImageFormat::Png, width: 16, height: 16, bytes: 99, sha256 };
    job.complete(image, Some(Credits::new("2.5".parse().unwrap())), None, now()).unwrap();
    both.save_unheard(&mut job).await;
    let (from, to) = (now() - TimeDelta::days(1), now() + TimeDelta::days(1));
    let query = CostQuery { from, to, simulated: true };
    let report = both.beside.costs(query).await.unwrap().report(CostGrouping::Cause);
    assert_eq!((report.count, report.total_usd.to_string().as_str()), (1, "0.025"));
    assert!(both.proxy.dropped_bytes() > 0);
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_with_lost_reply_reports_what_it_wrote() {
    let both = both().await;
    let defaults = Defaults { model: "flux-dev".to_owned(), now: now() };
    let fields = serde_json::json!({"status": "error", "prompt": "a fox", "createdAt": now()});
    // A read takes twice the delay; then the commit is on its way.
    for millis in (0..160).step_by(10) {
        both.proxy.set_delay(Duration::from_millis(20));
        let name = format!("job-{millis}");
        let entry = JobEntry::read(Some(&name), fields.as_object().unwrap().clone(), &defaults).unwrap();
        let importing = tokio::spawn({
            let store = Arc::clone(&both.behind);
            async move { store.import(vec![Record::Job(Box::new(entry))], false).await }
        });
        tokio::time::sleep(Duration::from_millis(millis)).await;
        both.proxy.drop_replies();
        tokio::time::sleep(Duration::from_millis(100)).await;
        both.proxy.cut();
        both.proxy.restore();
        match timeout(LIMIT, importing).await.expect("it is found out").unwrap() {
            // Its read was lost.
            Err(StoreError::Unavailable(_)) => {}
            imported => assert_eq!(imported, Ok(vec![ImportOutcome::Created]), "after {millis} ms"),
        }
    }
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_with_lost_reply_succeeds_once() {
    let both = both().await;
    let warm = both.behind.get(&JobId::new("absent").unwrap()).await;
    assert_eq!(warm, Ok(None), "the connection works");
    both.proxy.drop_replies();
    let creating = tokio::spawn({
        let store = Arc::clone(&both.behind);
        async move { store.create(vec![job("a"), job("b")]).await }
    });
    let mut first = both.until_there(&JobId::new("a").unwrap(), |_| true).await;
    // A worker takes one of them before the answer is asked for again.
    first.begin_submit(claim(), None, now()).unwrap();
    both.beside.save(Save::new(&first)).await.unwrap();
    both.proxy.cut();
    both.proxy.restore();
    assert_eq!(timeout(LIMIT, creating).await.expect("it is found out").unwrap(), Ok(()));
    let counts = both.beside.counts().await.unwrap();
    assert_eq!((counts.of(StageName::Submitting), counts.of(StageName::Queued)), (1, 1));
    // Other jobs of the same names are others.
    let other = Job::new(JobId::new("b").unwrap(), Spec::new("flux-dev", "a hare"), true, now());
    assert_eq!(both.behind.create(vec![other.clone()]).await, Err(StoreError::AlreadyExists(other.id)));
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_race_behind_a_lost_reply_is_a_conflict() {
    let both = both().await;
    both.behind.create(vec![job("a")]).await.unwrap();
    let id = JobId::new("a").unwrap();
    let (mut mine, mut theirs) =
        (both.behind.get(&id).await.unwrap().unwrap(), both.beside.get(&id).await.unwrap().unwrap());
    theirs.tags = vec!["theirs".into()];
    both.beside.save(Save::new(&theirs)).await.unwrap();
    mine.tags = vec!["mine".into()];
    both.proxy.drop_replies();
    let saving = tokio::spawn({
        let store = Arc::clone(&both.behind);
        async move { store.save(Save::new(&mine)).await }
    });
    timeout(LIMIT, async {
        while both.proxy.dropped_bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("an answer was lost");
    both.proxy.cut();
    both.proxy.restore();
    assert_eq!(timeout(LIMIT, saving).await.expect("it is found out").unwrap(), Err(StoreError::Conflict(id)));
}

/// Reserves money for each of the jobs, one after another, repeating unacknowledged saves; returns how many succeeded.
async fn reserve(store: &FirestoreStore, jobs: Vec<JobId>, cap: Budget) -> usize {
    let mut got = 0;
    for id in jobs {
        let mut job = loop {
            if let Ok(found) = store.get(&id).await {
                break found.unwrap();
            }
        };
        job.begin_submit(claim(), Some("0.03".parse().unwrap()), now()).unwrap();
        let save = Save { job: Arc::new(job), budget: Some(cap) };
        got += loop {
            match store.save(save.clone()).await {
                Ok(_) => break 1,
                Err(StoreError::BudgetExceeded(_)) => break 0,
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        };
    }
    got
}

#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cap_holds_to_the_cent_with_lost_replies() {
    let both = both().await;
    let names = |from: usize| (from..from + 10).map(|number| JobId::new(format!("job-{number}")).unwrap());
    let jobs = names(0).chain(names(10)).map(|id| job(id.as_str()));
    both.beside.create(jobs.collect()).await.unwrap();
    let cap = Budget { daily: Some("0.36".parse().unwrap()), monthly: None };
    let reserving = async {
        tokio::join!(reserve(&both.behind, names(0).collect(), cap), reserve(&both.beside, names(10).collect(), cap))
    };
    let trouble = async {
        loop {
            for pause in [90, 40, 130, 20, 60] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                both.proxy.drop_replies();
                tokio::time::sleep(Duration::from_millis(30)).await;
                both.proxy.cut();
                both.proxy.restore();
            }
        }
    };
    let (behind, beside) = tokio::select! {
        got = timeout(3 * LIMIT, reserving) => got.expect("every save gets its outcome"),
        () = trouble => unreachable!("it has no end"),
    };
    assert_eq!(behind + beside, 12, "as many as fit, and no more");
    assert_eq!(both.beside.counts().await.unwrap().of(StageName::Submitting), 12);
    assert!(both.proxy.dropped_bytes() > 0);
}
