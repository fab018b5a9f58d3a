//! Damaged stored documents: valid jobs finish, damaged ones are named and stay unchanged, byte for byte.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use crate::support::{TestEnv, ledger_check, text};

/// Changes one part of a document; the path is a JSON pointer.
fn put(path: &str, value: Value) -> impl Fn(&Value) -> Vec<u8> {
    let path = path.to_owned();
    move |document| {
        let mut document = document.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            parent => parent[name] = value.clone(),
        }
        document.to_string().into_bytes()
    }
}

fn without(name: &'static str) -> impl Fn(&Value) -> Vec<u8> {
    move |document| {
        let mut document = document.clone();
        document.as_object_mut().unwrap().remove(name).unwrap();
        document.to_string().into_bytes()
    }
}

fn cut(part: usize) -> impl Fn(&Value) -> Vec<u8> {
    move |document| {
        let text = document.to_string().into_bytes();
        text[..text.len() * part / 10].to_vec()
    }
}

fn raw(bytes: &[u8]) -> impl Fn(&Value) -> Vec<u8> + use<> {
    let bytes = bytes.to_vec();
    move |_| bytes.clone()
}

type Damage = Box<dyn Fn(&Value) -> Vec<u8>>;

fn damages() -> Vec<Damage> {
    let mut damages: Vec<Damage> = Vec::new();
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for bytes in [
        &b""[..],
        b" ",
        b"null",
        b"true",
        b"7",
        b"[]",
        b"{}",
        b"\"text\"",
        b"not json",
        b"\x1b[2J\x1b]0;x\x07",
        b"\0",
        b"{\xff\xfe}",
        b"\xff\xfe\xfd",
        b"<html>",
        b"{\"id\": \"\x1b[31m\"}",
        deep.as_bytes(),
    ] {
        damages.push(Box::new(raw(bytes)));
    }
    for part in 1..10 {
        damages.push(Box::new(cut(part)));
    }
    for name in ["id", "spec", "stage", "attempts", "created_at", "updated_at", "simulated"] {
        damages.push(Box::new(without(name)));
    }
    for (path, value) in [
        ("/id", json!("another")),
        ("/id", json!(7)),
        ("/id", json!("")),
        ("/id", json!("../../etc/passwd")),
        ("/spec", json!([])),
        ("/spec", json!("flux")),
        ("/spec/model", json!(7)),
        ("/spec/prompt", json!({"a": 1})),
        ("/spec/parameters", json!([1, 2])),
        ("/stage", json!("queued")),
        ("/stage", json!({})),
        ("/stage/name", json!("exploded")),
        ("/stage/name", json!("done")),
        ("/stage/name", json!("cancelled")),
        ("/stage/name", json!("submitting")),
        ("/stage/name", json!("\u{1b}[2J")),
        ("/stage/name", json!(null)),
        ("/attempts", json!([])),
        ("/attempts", json!({})),
        ("/attempts", json!([{}])),
        ("/attempts/0/number", json!(-1)),
        ("/attempts/0/number", json!(1e300)),
        ("/attempts/0/steps", json!("none")),
        ("/attempts/0/reserved", json!("a lot")),
        ("/attempts/0/charge", json!({"amount": "free"})),
        ("/attempts/0/receipt", json!("yes")),
        ("/created_at", json!("yesterday")),
        ("/created_at", json!(0)),
        ("/updated_at", json!("9999999-01-01T00:00:00Z")),
        ("/simulated", json!("no")),
        ("/simulated", json!(false)),
        ("/hidden", json!("no")),
        ("/tags", json!("one")),
        ("/claim", json!({"worker": 7})),
        ("/not_before", json!("soon")),
    ] {
        damages.push(Box::new(put(path, value)));
    }
    damages.push(Box::new(|document| {
        // Two attempts of one number: their charges would be one.
        let mut document = document.clone();
        let first = document["attempts"][0].clone();
        document["attempts"].as_array_mut().unwrap().push(first);
        document.to_string().into_bytes()
    }));
    damages.push(Box::new(|document| format!("{document}{}", "x".repeat(3 << 20)).into_bytes()));
    damages
}

fn rows(database: &Connection) -> BTreeMap<String, Vec<Cell>> {
    let mut query = database.prepare("SELECT * FROM jobs").unwrap();
    let names: Vec<String> = query.column_names().map(str::to_owned).collect();
    let rows = query.query_map([], |row| {
        let document: Vec<u8> = row.get_ref("document")?.as_bytes().unwrap().to_vec();
        let others = names.iter().filter(|name| *name != "document").map(|name| row.get(name.as_str()));
        let others = others.collect::<Result<Vec<Cell>, _>>()?;
        Ok((row.get(0)?, others.into_iter().chain([Cell::Blob(document)]).collect()))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn damaged_documents_stay_and_valid_jobs_finish() {
    let env = TestEnv::new();
    let damages = damages();
    assert!(damages.len() >= 60, "{}", damages.len());
    let ids = env.queue(damages.len() + 5);
    let (bad, good) = ids.split_at(damages.len());
    let database = Connection::open(env.data().join("darkroom.db")).unwrap();
    for (id, damage) in bad.iter().zip(&damages) {
        let document: String =
            database.query_row("SELECT document FROM jobs WHERE id = ?", [id], |row| row.get(0)).unwrap();
        let changed_document = damage(&serde_json::from_str(&document).unwrap());
        // A cast keeps the bytes, whatever they are.
        let changed = database
            .execute("UPDATE jobs SET document = CAST(?1 AS TEXT) WHERE id = ?2", (changed_document, id))
            .unwrap();
        assert_eq!(changed, 1);
    }
    let before = rows(&database);

    let output = env.run(&["worker", "--until-idle"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("panicked"));
    let output = env.run(&["jobs", "list", "--json", "--limit", "100000"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed_rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let (unreadable, readable): (Vec<Value>, Vec<Value>) =
        printed_rows.into_iter().partition(|row| row["status"] == "unreadable");
    assert_eq!(unreadable.len(), bad.len(), "each damaged document is a row");
    let listed = Value::from(readable);
    let mut expected = good.to_vec();
    expected.reverse();
    assert_eq!(crate::support::ids(&listed), expected);
    assert!(listed.as_array().unwrap().iter().all(|job| job["status"] == "done"), "{listed}");
    // The table has jobs only: standard error names the documents.
    let output = env.run(&["jobs", "list", "--limit", "100000"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stderr);
    assert!(printed.matches("cannot be read: ").count() >= 20, "{printed}");
    assert!(printed.contains(&format!("{} more jobs cannot be read", bad.len() - 20)), "{printed}");
    assert!(!printed.chars().any(|character| character.is_control() && character != '\n'), "{printed:?}");

    // Each command names what is wrong with the document, and changes nothing.
    for id in [&bad[0], &bad[20], &bad[40], &bad[60]] {
        for command in [&["jobs", "show"][..], &["jobs", "retry"], &["jobs", "cancel"], &["jobs", "approve"]] {
            let printed = env.fails(1, &[command, &[id.as_str()]].concat());
            assert!(printed.contains("cannot be read") && printed.contains(id.as_str()), "{command:?}: {printed}");
        }
    }
    let after = rows(&database);
    for id in bad {
        assert_eq!(before[id], after[id], "{id} was touched");
    }
    // None of them was submitted.
    let bill = ledger_check::bill(&env);
    assert_eq!(bill.len(), good.len());
    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), ledger_check::total(&bill));
}
