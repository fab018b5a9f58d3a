//! The image pane as people meet it, with the real decoding thread.

use std::io::Cursor;

use chrono::Duration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, done, job, noon, screen, text_of};
use crate::jobs::{BillingStatus, Claim, Failure, FailureCode, Hold, Receipt, Stage, StepName, Ticket, WorkerId};

/// A PNG file of that size, red at the left and blue at the right.
pub(super) fn png(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 { image::Rgb([255, 0, 0]) } else { image::Rgb([0, 0, 255]) }
    });
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

fn pane(mode: ImagesMode) -> (ImagePane, mpsc::UnboundedReceiver<ImageMessage>) {
    ImagePane::new(Picker::halfblocks(), mode)
}

fn view<'a>(job: Option<&'a Job>, progress: Option<&'a Progress>, focused: bool, theme: &'a Theme) -> ImageView<'a> {
    ImageView { job, progress, now: noon(), focused, keys: KeyMap::default(), theme }
}

fn shown(pane: &mut ImagePane, job: Option<&Job>, width: u16, height: u16) -> String {
    screen(width, height, |frame| pane.draw(frame, frame.area(), &view(job, None, false, &Theme::dark())))
}

fn bytes(width: u32, height: u32) -> Bytes {
    Bytes::from(png(width, height))
}

fn generating() -> Job {
    let mut job = job("fox", "neon fox");
    let at = noon() - Duration::milliseconds(11_800);
    let claim = Claim { worker: WorkerId::new("w"), until: noon() };
    let ticket = Ticket { id: "7f3a".into(), polling_url: "https://api.example.org/v1/get_result".into() };
    let receipt = Receipt { ticket, cost: None, input_megapixels: None, output_megapixels: None, accepted_at: at };
    job.begin_submit(claim, None, at).unwrap();
    job.accept(receipt, None, at).unwrap();
    job
}

fn failed(code: FailureCode, message: &str, billed: BillingStatus) -> Job {
    let mut job = generating();
    job.fail(Failure::new(code, message, billed, noon()), None, noon()).unwrap();
    job
}

#[test]
fn image_is_requested_once() {
    let (mut pane, _messages) = pane(ImagesMode::Auto);
    let fox = done("fox", 64, 64);
    assert_eq!(pane.next_request(None), None);
    assert_eq!(pane.next_request(Some(&job("whale", "x"))), None, "there is none yet");
    assert_eq!(pane.next_request(Some(&fox)), Some(Command::LoadImage(fox.id.clone())));
    assert_eq!(pane.next_request(Some(&fox)), None, "under way");
    pane.on_bytes(&fox.id, 1, Ok(bytes(8, 8)));
    assert_eq!(pane.next_request(Some(&fox)), None, "here");
    let boat = done("boat", 64, 64);
    assert!(pane.next_request(Some(&boat)).is_some());
    assert_eq!(pane.next_request(Some(&fox)), None, "still here");
}

#[test]
fn failed_load_reselected_is_requested_again() {
    let (mut pane, _messages) = pane(ImagesMode::Auto);
    let (fox, boat) = (done("fox", 64, 64), done("boat", 64, 64));
    pane.next_request(Some(&fox));
    pane.on_bytes(&fox.id, 1, Err("the bucket\nis \u{1b}[31maway".to_owned()));
    assert_eq!(pane.next_request(Some(&fox)), None);
    insta::assert_snapshot!(shown(&mut pane, Some(&fox), 50, 6), @r#"
    ╭ Image ── 64×64 png · 1.4 MB · neon fox crossi… ╮
    │                                                │
    │  Cannot show the image: the bucket is [31maway │
    │         o opens it in the system viewer        │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
    pane.next_request(Some(&boat));
    assert!(pane.next_request(Some(&fox)).is_some());
}

#[test]
fn reply_for_other_attempt_ends_the_request() {
    for answer in [Ok(bytes(8, 8)), Err("the engine is busy".to_owned())] {
        let (mut pane, _messages) = pane(ImagesMode::Auto);
        let fox = done("fox", 64, 64);
        assert!(pane.next_request(Some(&fox)).is_some());
        pane.on_bytes(&fox.id, 7, answer);
        assert_eq!(pane.next_request(Some(&fox)), None, "not again and again");
        assert!(shown(&mut pane, Some(&fox), 60, 6).contains("Cannot show the image"));
    }
}

#[test]
fn image_is_centred_with_its_ratio() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let fox = done("fox", 64, 64);
    pane.next_request(Some(&fox));
    assert!(shown(&mut pane, Some(&fox), 42, 12).contains("Loading the image"));
    pane.on_bytes(&fox.id, 1, Ok(bytes(64, 64)));
    shown(&mut pane, Some(&fox), 42, 12);
    let message = messages.blocking_recv().unwrap();
    assert!(pane.on_message(message));

    let mut terminal = Terminal::new(TestBackend::new(42, 12)).unwrap();
    let theme = Theme::dark();
    terminal.draw(|frame| pane.draw(frame, frame.area(), &view(Some(&fox), None, true, &theme))).unwrap();
    let text = text_of(terminal.backend());
    assert!(text.starts_with("╭ Image ── 64×64 png · 1.4 MB · neon"), "{text}");
    let buffer = terminal.backend().buffer();
    let coloured = |x: u16| (1..11).filter(|y| buffer[(x, *y)].bg != ratatui::style::Color::Reset).count();
    let columns: Vec<u16> = (0..42).filter(|x| coloured(*x) == 10).collect();
    assert_eq!((columns.first(), columns.last()), (Some(&11), Some(&30)), "20 cells wide, 10 high, in the middle");
}

#[test]
fn selection_burst_shows_the_last_image() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let jobs: Vec<Job> = (0..50).map(|number| done(&format!("job{number}"), 64, 64)).collect();
    let file = bytes(64, 64);
    for job in &jobs {
        pane.next_request(Some(job));
        pane.on_bytes(&job.id, 1, Ok(file.clone()));
        shown(&mut pane, Some(job), 40, 20);
    }
    let last = jobs.last().unwrap();
    while !pane.on_message(messages.blocking_recv().unwrap()) {}
    assert!(!shown(&mut pane, Some(last), 40, 20).contains("Loading"));
}

#[test]
fn another_size_is_made_from_the_decoded_image() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let fox = done("fox", 64, 64);
    pane.next_request(Some(&fox));
    pane.on_bytes(&fox.id, 1, Ok(bytes(64, 64)));
    shown(&mut pane, Some(&fox), 60, 20);
    pane.on_message(messages.blocking_recv().unwrap());
    assert!(shown(&mut pane, Some(&fox), 20, 8).contains("Loading"), "too large until it is encoded again");
    let message = messages.blocking_recv().unwrap();
    assert_eq!(message.room, Size::new(18, 6));
    assert!(pane.on_message(message));
    assert!(!shown(&mut pane, Some(&fox), 20, 8).contains("Loading"));
    pane.invalidate();
    shown(&mut pane, Some(&fox), 20, 8);
    assert!(pane.on_message(messages.blocking_recv().unwrap()), "sent again after the screen was given away");
}

#[test]
fn cached_image_survives_later_replies() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let fox = done("fox", 64, 64);
    pane.next_request(Some(&fox));
    pane.on_bytes(&fox.id, 1, Ok(bytes(64, 64)));
    pane.on_bytes(&fox.id, 1, Err("could not be saved".to_owned()));
    shown(&mut pane, Some(&fox), 40, 10);
    assert!(pane.on_message(messages.blocking_recv().unwrap()));
    pane.on_bytes(&fox.id, 1, Err("could not be saved".to_owned()));
    let text = shown(&mut pane, Some(&fox), 40, 10);
    assert!(!text.contains("Cannot show") && !text.contains("Loading"), "{text}");
}

#[test]
fn a_broken_file_is_one_line() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let fox = done("fox", 64, 64);
    pane.next_request(Some(&fox));
    pane.on_bytes(&fox.id, 1, Ok(Bytes::from_static(b"<html>not an image</html>")));
    shown(&mut pane, Some(&fox), 60, 8);
    assert!(pane.on_message(messages.blocking_recv().unwrap()));
    let text = shown(&mut pane, Some(&fox), 60, 8);
    assert!(text.contains("Cannot show the image"), "{text}");
    assert_eq!(pane.next_request(Some(&fox)), None, "asking again would not help");
}

#[test]
fn images_off_shows_url_and_loads_nothing() {
    let (mut pane, _messages) = pane(ImagesMode::Off);
    let fox = done("fox", 1024, 768);
    assert_eq!(pane.next_request(Some(&fox)), None);
    insta::assert_snapshot!(shown(&mut pane, Some(&fox), 64, 7), @r#"
    ╭ Image ── 1024×768 png · 1.4 MB · neon fox crossing a wet st… ╮
    │                                                              │
    │         Image stored; image display is off (--images)        │
    │      https://images.example.org/generated-art/fox-1.png      │
    │                 o opens it · y copies its URL                │
    │                                                              │
    ╰──────────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn image_pane_without_job() {
    let (mut pane, _messages) = pane(ImagesMode::Auto);
    insta::assert_snapshot!(shown(&mut pane, None, 40, 6), @r#"
    ╭ Image ───────────────────────────────╮
    │                                      │
    │            No job selected           │
    │      Press n to create an image      │
    │                                      │
    ╰──────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(&mut pane, Some(&job("fox", "x")), 44, 6), @r#"
    ╭ Image ── queued ─────────────────────────╮
    │                                          │
    │                 ◌ queued                 │
    │  The image appears here when it is done  │
    │                                          │
    ╰──────────────────────────────────────────╯
    "#);
    let mut cached = job("fox", "x");
    let over = Hold::Budget { period: "day".into(), model: None, over: Some("0.02".parse().unwrap()) };
    cached.set_hold(Some(over), Some(noon() + Duration::hours(3)), noon()).unwrap();
    insta::assert_snapshot!(shown(&mut pane, Some(&cached), 44, 6), @r#"
    ╭ Image ── queued ─────────────────────────╮
    │                  ‖ held                  │
    │  needs up to $0.075, more than the daily │
    │              budget has left             │
    │            next attempt in 3h            │
    ╰──────────────────────────────────────────╯
    "#);
}

#[test]
fn image_pane_while_generating() {
    let (mut pane, _messages) = pane(ImagesMode::Auto);
    let job = generating();
    let progress = Progress {
        id: job.id.clone(),
        attempt: 1,
        step: StepName::Generate,
        fraction: Some(0.6),
        status: "Pending".into(),
    };
    let draw = |pane: &mut ImagePane, progress: Option<&Progress>| {
        screen(44, 8, |frame| {
            pane.draw(frame, frame.area(), &view(Some(&job), progress, true, &Theme::dark()));
        })
    };
    insta::assert_snapshot!(draw(&mut pane, Some(&progress)), @r#"
    ╭ Image ── generating ─────────────────────╮
    │                                          │
    │               ▶ generating               │
    │    ━━━━━━━━━━━━━━━━━━────────────  60%   │
    │       11.8s so far, usually 12–14 s      │
    │                  Pending                 │
    │                                          │
    ╰──────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(draw(&mut pane, None), @r#"
    ╭ Image ── generating ─────────────────────╮
    │                                          │
    │                                          │
    │               ▶ generating               │
    │       11.8s so far, usually 12–14 s      │
    │                                          │
    │                                          │
    ╰──────────────────────────────────────────╯
    "#);
    let unknown = Progress { fraction: Some(f32::NAN), step: StepName::Store, status: String::new(), ..progress };
    assert!(draw(&mut pane, Some(&unknown)).contains("storing the image"));
}

#[test]
fn a_failure_says_why_and_which_key_helps() {
    let (mut pane, _messages) = pane(ImagesMode::Auto);
    let moderated =
        failed(FailureCode::ContentModerated, "the image was withheld: Content Moderated", BillingStatus::Unknown);
    insta::assert_snapshot!(shown(&mut pane, Some(&moderated), 50, 8), @r#"
    ╭ Image ── failed ───────────────────────────────╮
    │                    ✗ failed                    │
    │    the image was withheld: Content Moderated   │
    │                  May be billed                 │
    │   Press C to clone and edit: the same request  │
    │                would fail again                │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
    let timed_out = failed(FailureCode::TimedOut, "no image within 10 minutes", BillingStatus::Yes);
    insta::assert_snapshot!(shown(&mut pane, Some(&timed_out), 50, 8), @r#"
    ╭ Image ── failed ───────────────────────────────╮
    │                                                │
    │                    ✗ failed                    │
    │           no image within 10 minutes           │
    │                     Billed                     │
    │ Press r to check its task again, free of charge│
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn earlier_attempt_image_is_labelled() {
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let mut fox = done("fox", 64, 64);
    fox.resubmit_with(fox.spec.clone(), noon()).unwrap();
    assert!(matches!(fox.stage, Stage::Queued { .. }));
    assert!(pane.next_request(Some(&fox)).is_some());
    pane.on_bytes(&fox.id, 1, Ok(bytes(64, 64)));
    shown(&mut pane, Some(&fox), 60, 10);
    assert!(pane.on_message(messages.blocking_recv().unwrap()));
    let text = shown(&mut pane, Some(&fox), 60, 10);
    assert!(text.contains("queued: image of attempt 1"), "{text}");
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in SIZES {
        let (mut pane, _messages) = pane(ImagesMode::HalfBlocks);
        let fox = done("fox", 64, 64);
        pane.next_request(Some(&fox));
        pane.on_bytes(&fox.id, 1, Ok(bytes(64, 64)));
        let long = failed(FailureCode::ProviderError, &"漢字\u{202e} \u{1b}[2J".repeat(90), BillingStatus::Yes);
        for job in [None, Some(&fox), Some(&generating()), Some(&long)] {
            let text = shown(&mut pane, job, width, height);
            if width >= 3 && height >= 3 {
                assert_whole_border(&text, height);
            }
        }
    }
}

#[test]
fn ascii_means_ascii_but_for_the_pixels() {
    let theme = Theme { ascii: true, ..Theme::dark() };
    let (mut pane, mut messages) = pane(ImagesMode::HalfBlocks);
    let moderated = failed(FailureCode::TimedOut, "no image", BillingStatus::Yes);
    for job in [None, Some(&generating()), Some(&moderated)] {
        let text = screen(60, 9, |frame| pane.draw(frame, frame.area(), &view(job, None, true, &theme)));
        assert!(text.is_ascii(), "{text}");
    }
    let fox = done("fox", 64, 64);
    pane.next_request(Some(&fox));
    pane.on_bytes(&fox.id, 1, Ok(bytes(63, 64)));
    let draw = |pane: &mut ImagePane| {
        screen(60, 9, |frame| pane.draw(frame, frame.area(), &view(Some(&fox), None, true, &theme)))
    };
    assert!(draw(&mut pane).is_ascii());
    pane.on_message(messages.blocking_recv().unwrap());
    let text = draw(&mut pane);
    assert!(text.lines().next().unwrap().is_ascii() && text.lines().last().unwrap().is_ascii(), "{text}");
    assert!(!text.contains('#'), "a pixel is not replaced by a letter: {text}");
}
