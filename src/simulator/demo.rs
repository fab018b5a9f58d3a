//! A believable past for `darkroom demo`: the jobs of thirty days in every state, with their steps, charges and images. Pure: the
//! same moment gives the same jobs.

use bytes::Bytes;
use chrono::{DateTime, Duration, SubsecRound, Utc};
use rust_decimal::Decimal;
use url::Url;

use super::images::{self, Subject};
use super::rng::SeededRng;
use crate::catalog::Catalog;
use crate::costs::{Credits, Usd};
use crate::jobs::{
    BillingStatus, Claim, Failure, FailureCode, IllegalTransition, ImageFormat, Job, JobId, ObjectName, Receipt, Spec,
    StepName, StoredImage, Ticket, WorkerId, sha256_hex,
};

/// Pixels of an image, in both directions.
const SIZE: u32 = 512;

/// Days before today.
const DAYS: i64 = 29;

const PROMPTS: [&str; 24] = [
    "neon fox crossing a wet street at night",
    "paper boat on a rain puddle",
    "lighthouse on a cliff, storm, long exposure",
    "glass frog on a wet leaf, macro",
    "origami whale over a paper sea",
    "tiny red house in a snow field, seen from far above",
    "lemon still life, hard light",
    "library inside a whale",
    "clock tower in fog",
    "moth on a lamp, film grain",
    "winter market, warm lights, tilt shift",
    "portrait of a deep sea diver, oil on canvas",
    "desert highway at dusk, one car",
    "greenhouse on the moon",
    "owl in a birch forest, first snow",
    "ceramic teapot shaped like a cloud",
    "city skyline made of books",
    "a map of an island that does not exist, ink on old paper",
    "astronaut feeding pigeons in a park",
    "bicycle under cherry blossoms",
    "old harbour at dawn, pastel",
    "mountain cabin, aurora, reflection in a lake",
    "tango dancers, motion blur",
    "sunken garden with marble statues",
];

/// Models with how often each is used, of a hundred.
const MODELS: [(&str, u64); 5] =
    [("flux-2-pro", 52), ("flux-2-klein-4b", 18), ("flux-dev", 14), ("flux-2-max", 10), ("flux-kontext-pro", 6)];

const TAGS: [&str; 5] = ["cover", "campaign-winter", "moodboard", "draft", "shop"];

/// The images of the demo, one for each prompt.
#[derive(Debug)]
pub struct DemoImages(Vec<Bytes>);

impl DemoImages {
    /// Draws them. Keeps a processor busy for about half a second.
    pub fn draw() -> Self {
        let draw = |prompt: &&str| {
            let prompt = (*prompt).into();
            images::image(&Subject { prompt, seed: 42, width: SIZE, height: SIZE, format: ImageFormat::Jpeg })
        };
        Self(PROMPTS.iter().map(|prompt| draw(prompt).unwrap_or_default()).collect())
    }

    /// The file of one of them.
    pub fn bytes(&self, index: usize) -> Bytes {
        self.0.get(index).cloned().unwrap_or_default()
    }
}

/// A job of the demo.
#[derive(Debug)]
pub struct DemoJob {
    /// The job.
    pub job: Job,
    /// Which image is stored under the name that the job gives.
    pub image: Option<(ObjectName, usize)>,
}

/// Where the demo's objects and tasks are.
pub struct DemoPlaces<'a> {
    /// The address of an object.
    pub object: &'a dyn Fn(&ObjectName) -> String,
    /// The simulator's API; its tasks are one port further. It does not know the old tasks, as a provider forgets them.
    pub api: Url,
}

impl DemoPlaces<'_> {
    /// Where a task of that id is polled.
    fn task(&self, id: &str) -> String {
        let mut url = self.api.clone();
        // Both fail only for addresses that have no port.
        _ = url.set_port(url.port_or_known_default().and_then(|port| port.checked_add(1)));
        url.set_path("v1/get_result");
        url.query_pairs_mut().clear().append_pair("id", id);
        url.into()
    }
}

/// All jobs of the demo, oldest first.
///
/// # Errors
///
/// A job cannot have had such a past: a mistake here.
pub fn demo_jobs(
    now: DateTime<Utc>,
    images: &DemoImages,
    places: &DemoPlaces<'_>,
) -> Result<Vec<DemoJob>, IllegalTransition> {
    let mut rng = SeededRng::new(&[b"demo"]);
    let now = now.trunc_subsecs(3);
    let mut jobs = Vec::new();
    for day in (0..=DAYS).rev() {
        let count = if day == 0 { 70 } else { 4 + rng.below(9) };
        let begin = if day == 0 { Duration::hours(7) } else { Duration::days(day) + Duration::hours(6) };
        let span = if day == 0 { begin - Duration::minutes(1) } else { Duration::hours(10) };
        let mut offsets: Vec<f64> = (0..count).map(|_| rng.unit()).collect();
        offsets.sort_by(f64::total_cmp);
        for offset in offsets {
            let waited = Duration::milliseconds((span.num_milliseconds() as f64 * offset) as i64);
            let number = jobs.len();
            jobs.push(past_job(number, (now - begin + waited, now), &mut rng, images, places)?);
        }
    }
    // What the demo's own worker generates while it is watched.
    for _ in 0..9 {
        let number = jobs.len();
        jobs.push(DemoJob { job: request(number, now - Duration::seconds(2), &mut rng).0, image: None });
    }
    // A job for the real API never runs here: its hold says so.
    let number = jobs.len();
    let mut real = request(number, now - Duration::seconds(40), &mut rng).0;
    real.simulated = false;
    jobs.push(DemoJob { job: real, image: None });
    Ok(jobs)
}

/// A queued job, and the number of its prompt.
fn request(number: usize, at: DateTime<Utc>, rng: &mut SeededRng) -> (Job, usize) {
    let prompt = rng.below(PROMPTS.len());
    let mut share = rng.next_u64() % 100;
    let model = MODELS.iter().find(|(_, part)| {
        let is_it = share < *part;
        share = share.saturating_sub(*part);
        is_it
    });
    let model = model.map_or("flux-2-pro", |(name, _)| name);
    let mut spec = Spec::new(model, PROMPTS[prompt]).with("seed", rng.next_u64() % 1_000_000);
    // Models that edit images choose their size by themselves.
    if Catalog::builtin().model(model).is_some_and(|model| model.parameter("width").is_some()) {
        spec = spec.with("width", SIZE).with("height", SIZE);
    }
    let digits: [u8; 20] = std::array::from_fn(|index| if index < 4 { (number >> (index * 4)) as u8 } else { 0 });
    let random: [u8; 20] = std::array::from_fn(|index| digits[index] ^ (rng.next_u64() as u8 & 0x1f));
    let at = at + Duration::microseconds(i64::try_from(number).unwrap_or_default());
    let mut job = Job::new(JobId::from_random(random), spec, true, at);
    if rng.unit() < 0.6 {
        job.tags.push(TAGS[rng.below(TAGS.len())].to_owned());
    }
    (job, prompt)
}

/// A job that was requested at that time and ended, in one way or another, before the present.
fn past_job(
    number: usize,
    (at, now): (DateTime<Utc>, DateTime<Utc>),
    rng: &mut SeededRng,
    images: &DemoImages,
    places: &DemoPlaces<'_>,
) -> Result<DemoJob, IllegalTransition> {
    let (mut job, prompt) = request(number, at, rng);
    let fate = rng.next_u64() % 100;
    let seconds =
        |from: f32, to: f32, rng: &mut SeededRng| Duration::milliseconds((rng.between(from, to) * 1e3) as i64);
    let begun = at + seconds(0.2, 3.0, rng);
    if fate < 3 {
        job.cancel(begun)?;
        return Ok(DemoJob { job, image: None });
    }
    let price = Catalog::builtin().estimate(&job.spec).amount;
    job.begin_submit(Claim { worker: WorkerId::new("worker-demo"), until: begun }, price, begun)?;
    let accepted = begun + seconds(0.15, 0.6, rng);
    if fate < 4 {
        job.mark_submit_unknown("the connection was lost before the reply", accepted)?;
        return Ok(DemoJob { job, image: None });
    }
    if fate < 7 {
        let message = "the prompt was rejected by moderation";
        job.reject_by_provider(
            Failure::new(FailureCode::RequestModerated, message, BillingStatus::No, accepted),
            accepted,
        )?;
        return Ok(DemoJob { job, image: None });
    }
    job.accept(receipt(number, price, accepted, places), price, accepted)?;
    let ready = accepted + seconds(3.5, 16.0, rng);
    if fate < 11 {
        let given_up = accepted + Duration::minutes(20);
        let (code, message, ended) = match fate {
            7 => (FailureCode::ContentModerated, "the image was generated and withheld", ready),
            8 | 9 if given_up <= now => (FailureCode::TimedOut, "no image within 20 minutes", given_up),
            _ => (FailureCode::ProviderError, "the model failed", ready),
        };
        job.fail(Failure::new(code, message, BillingStatus::Unknown, ended), None, ended)?;
        return Ok(DemoJob { job, image: None });
    }
    let stored = ready + seconds(0.3, 1.2, rng);
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.finish(StepName::Generate, ready);
        for (step, from, to) in [
            (StepName::Download, ready, ready + (stored - ready) / 2),
            (StepName::Store, ready + (stored - ready) / 2, stored),
        ] {
            attempt.begin(step, from);
            attempt.finish(step, to);
        }
    }
    let object = ObjectName::for_attempt(&job.id, 1, ImageFormat::Jpeg);
    let bytes = images.bytes(prompt);
    let image = StoredImage {
        url: (places.object)(&object),
        object: object.clone(),
        format: ImageFormat::Jpeg,
        width: SIZE,
        height: SIZE,
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
    };
    job.complete(image, price.map(credits), None, stored)?;
    let approved = stored + Duration::minutes(3);
    if fate.is_multiple_of(4) && approved <= now {
        job.approve(approved)?;
    } else if fate.is_multiple_of(9) && approved <= now {
        job.reject_image(approved)?;
    }
    Ok(DemoJob { job, image: Some((object, prompt)) })
}

fn credits(amount: Usd) -> Credits {
    Credits::new(amount.decimal() * Decimal::ONE_HUNDRED)
}

fn receipt(number: usize, price: Option<Usd>, at: DateTime<Utc>, places: &DemoPlaces<'_>) -> Receipt {
    let id = format!("demo-{number:04}");
    Receipt {
        ticket: Ticket { polling_url: places.task(&id), id },
        cost: price.map(credits),
        input_megapixels: None,
        output_megapixels: None,
        accepted_at: at,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::jobs::StageName;

    #[test]
    fn demo_has_jobs_in_every_state_and_costs() {
        let now = "2026-11-22T15:00:00Z".parse().unwrap();
        let images = DemoImages(vec![Bytes::from_static(b"image"); PROMPTS.len()]);
        let object = |object: &ObjectName| format!("file:///{object}");
        let places = DemoPlaces { object: &object, api: "http://127.0.0.1:20000/".parse().unwrap() };
        let make = || demo_jobs(now, &images, &places).unwrap();
        let jobs = make();
        assert!(jobs.len() > 250, "{}", jobs.len());
        let ids: BTreeSet<&JobId> = jobs.iter().map(|demo| &demo.job.id).collect();
        assert_eq!(ids.len(), jobs.len(), "every id once");
        let stages: BTreeSet<StageName> = jobs.iter().map(|demo| demo.job.stage_name()).collect();
        for stage in [StageName::Queued, StageName::Done, StageName::Approved, StageName::Failed, StageName::Cancelled]
        {
            assert!(stages.contains(&stage), "{stage}");
        }
        let spent: Usd = jobs.iter().filter_map(|demo| demo.job.cost()).sum();
        assert!(spent > "5".parse().unwrap(), "{spent}");
        assert!(jobs.iter().all(|demo| demo.job.created_at <= now && demo.job.updated_at <= now));
        let tasks = jobs.iter().filter_map(|demo| demo.job.attempt()?.receipt.as_ref());
        let mut urls = tasks.map(|receipt| receipt.ticket.polling_url.as_str());
        assert!(urls.all(|url| url.starts_with("http://127.0.0.1:20001/v1/get_result?id=demo-")), "at the simulator");
        assert!(make().iter().zip(&jobs).all(|(again, demo)| again.job == demo.job), "the same moment, the same jobs");
    }
}
