//! Documents that no web page would write: every field with every kind of value, strange ids, texts that steer terminals, the
//! `darkroom` map damaged in every place.

use serde_json::{Map, Value, json};

/// A document by its path and its typed fields.
pub type Written = (String, Value);

/// The contract's fields, in the order of its tables.
const FIELDS: [&str; 19] = [
    "status",
    "prompt",
    "createdAt",
    "model",
    "aspectRatio",
    "steps",
    "guidance",
    "seed",
    "promptUpsampling",
    "safetyTolerance",
    "generationCount",
    "originalJobId",
    "generatedImageUrl",
    "errorMessage",
    "bfl_cost_usd",
    "bfl_model",
    "bfl_steps",
    "storage_cost_usd",
    "image_size_bytes",
];

/// One value of every kind that a document can hold, and the odd ones of each kind.
fn values() -> Vec<Value> {
    let mut deep = json!({"stringValue": "bottom"});
    for _ in 0..18 {
        deep = json!({"mapValue": {"fields": {"m": deep}}});
    }
    vec![
        json!({"nullValue": null}),
        json!({"booleanValue": true}),
        json!({"integerValue": "-1"}),
        json!({"integerValue": i64::MAX.to_string()}),
        json!({"doubleValue": 0.5}),
        json!({"doubleValue": "NaN"}),
        json!({"doubleValue": "-Infinity"}),
        json!({"doubleValue": -1e308}),
        json!({"timestampValue": "0001-01-01T00:00:00Z"}),
        json!({"timestampValue": "9999-12-31T23:59:59.999999Z"}),
        json!({"stringValue": ""}),
        json!({"stringValue": "nul \u{0}, escape \u{1b}[2J\u{1b}]0;title\u{7}, bidi \u{202e}txt.exe\u{2066}, zero \u{200b}\u{feff}"}),
        json!({"bytesValue": "AAECAw=="}),
        json!({"referenceValue": "projects/p/databases/(default)/documents/jobs/other"}),
        json!({"geoPointValue": {"latitude": 90, "longitude": -180}}),
        json!({"arrayValue": {"values": [{"integerValue": "1"}, {"nullValue": null}]}}),
        json!({"arrayValue": {}}),
        json!({"mapValue": {}}),
        deep,
    ]
}

/// A request without an image: if a worker submits it, its task is moderated at once.
pub fn request() -> Map<String, Value> {
    let fields = json!({
        "status": {"stringValue": "pending_art_generation"},
        "prompt": {"stringValue": "harm [sim:moderated]"},
        "createdAt": {"timestampValue": "2026-11-22T11:00:00Z"},
    });
    fields.as_object().unwrap().clone()
}

fn text(text: impl Into<String>) -> Value {
    json!({"stringValue": text.into()})
}

/// What stands in `darkroom` of a job that darkroom wrote.
fn ours(job: &str) -> Value {
    json!({
        "job": text(job), "stage": text("queued"), "simulated": {"booleanValue": true}, "hidden": {"booleanValue": false},
        "request": text(""), "previous": {"integerValue": "0"},
    })
}

fn with_ours(ours: &Value) -> Value {
    let mut fields = request();
    fields.insert("darkroom".to_owned(), json!({"mapValue": {"fields": ours}}));
    Value::Object(fields)
}

/// The documents; `job` makes the text of a good job of ours for an id.
pub fn documents(job: impl Fn(&str) -> Value) -> Vec<Written> {
    let mut all: Vec<Written> = Vec::new();
    let mut add = |name: String, fields: Value| all.push((format!("jobs/{name}"), fields));
    for status in ["pending_art_generation", "pending_review", "approved", "error"] {
        for field in FIELDS {
            for (number, value) in values().into_iter().enumerate() {
                // Result fields matter only where the status needs them.
                let is_request = FIELDS.iter().position(|name| *name == field).unwrap() < 12;
                if !is_request && status == "pending_art_generation" {
                    continue;
                }
                let mut fields = request();
                fields.insert("status".to_owned(), text(status));
                fields.insert("generatedImageUrl".to_owned(), text("https://storage.example/generated-art/a-1.png"));
                fields.insert(field.to_owned(), value);
                add(format!("{status}-{field}-{number:02}"), Value::Object(fields));
            }
        }
    }
    for (number, id) in strange_ids().into_iter().enumerate() {
        let mut fields = request();
        // Every second one can be read: it must run under its strange id.
        let prompt = if number % 2 == 0 { json!({"integerValue": "1"}) } else { text("strange id [sim:moderated]") };
        fields.insert("prompt".to_owned(), prompt);
        add(id, Value::Object(fields));
    }
    for (number, value) in odd_requests().into_iter().enumerate() {
        let mut fields = request();
        fields.extend(value.as_object().unwrap().clone());
        add(format!("odd-{number:02}"), Value::Object(fields));
    }
    for (number, value) in values().into_iter().enumerate() {
        let mut fields = request();
        fields.insert("darkroom".to_owned(), value.clone());
        add(format!("ours-{number:02}"), Value::Object(fields));
        // The text of the job is what counts; of the rest, one field for each kind of harm is enough.
        let names = ["stage", "simulated", "hidden", "reserved", "claim_until", "not_before", "request", "previous"];
        for name in ["job", names[number % names.len()]] {
            let id = format!("ours-{name}-{number:02}");
            let mut ours = ours(&job(&id).to_string());
            ours[name] = value.clone();
            add(id, with_ours(&ours));
        }
    }
    for (number, damage) in damages(&job("damaged-00")).into_iter().enumerate() {
        let id = format!("damaged-{number:03}");
        let mut fields = with_ours(&ours(&damage.replace("damaged-00", &id)));
        if number % 3 != 0 {
            fields["status"] = text("error");
        }
        add(id.clone(), fields);
    }
    all
}

fn strange_ids() -> Vec<String> {
    [
        "with space", "  ", "..a", "-rf", "--help", "quote'\"`", "tab\tand\nline", "escape\u{1b}[2J", "bidi\u{202e}exe",
        "zero\u{200b}width", "e\u{301}", "\u{e9}", "🦊", "percent%2F%00", "back\\slash", "{}", "$(id)", "NUL", "con.png", "a*b?c",
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([format!("long-{}", "x".repeat(1_400)), format!("wide-{}", "界".repeat(450))])
    .collect()
}

fn odd_requests() -> Vec<Value> {
    let mut odd = Vec::new();
    for ratio in [
        "0:0",
        "16:0",
        "-16:9",
        "1e9:1",
        "16:9:1",
        "99999999999999999999:1",
        "16/9",
        "∞:1",
        "NaN:1",
        " 16:9 ",
        "1:1000",
    ] {
        odd.push(json!({"aspectRatio": text(ratio)}));
    }
    for number in ["0", "-28", "1000000", "9223372036854775807", "-9223372036854775808"] {
        for field in ["steps", "seed", "guidance", "safetyTolerance", "generationCount"] {
            odd.push(json!({field: {"integerValue": number}}));
        }
    }
    for number in ["28 ", "twenty", "1e3", "0x1c", "28,5", "٢٨"] {
        odd.push(json!({"steps": text(number)}));
    }
    for model in
        ["flux_dev", "FLUX-DEV", "flux-dev\u{0}", "../../etc/passwd", "no-such-model", "🦊", &"m".repeat(2_000)]
    {
        odd.push(json!({"model": text(model)}));
    }
    for time in [
        "2026-11-22T11:00:00Z",
        "2026-11-22 11:00:00.5",
        "22.11.2026",
        "yesterday",
        "2026-13-45T99:99:99Z",
        "9".repeat(300).as_str(),
    ] {
        odd.push(json!({"createdAt": text(time)}));
    }
    for status in ["PENDING_ART_GENERATION", "pending_art_generation ", "done", "deleted", "\u{1b}[31mred"] {
        odd.push(json!({"status": text(status)}));
    }
    odd.push(json!({"darkroom.job": text("a field with a point in its name"), "`": text("tick"), " ": text("blank")}));
    odd
}

/// A good job's text, damaged: cut off, of another id, and with every leaf replaced by what does not belong there.
fn damages(job: &Value) -> Vec<String> {
    let whole = job.to_string();
    let mut texts: Vec<String> = (0..10).map(|part| whole[..whole.len() * part / 10].to_owned()).collect();
    texts.extend(["null", "[]", "{}", "7", "\"text\"", "{\"id\":\"another\"}"].map(str::to_owned));
    texts.push("[".repeat(2_000));
    let mut leaves = Vec::new();
    find_leaves(job, String::new(), &mut leaves);
    for leaf in leaves.iter().filter(|leaf| *leaf != "/id") {
        for value in [json!(null), json!("79228162514264337593543950335"), json!(-1), json!([]), json!(u64::MAX)] {
            let mut damaged = job.clone();
            *damaged.pointer_mut(leaf).unwrap() = value;
            texts.push(damaged.to_string());
        }
    }
    texts
}

fn find_leaves(value: &Value, path: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                find_leaves(value, format!("{path}/{name}"), leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, value) in items.iter().enumerate() {
                find_leaves(value, format!("{path}/{number}"), leaves);
            }
        }
        _ => leaves.push(path),
    }
}
