//! Another program on the same Firestore database: plain REST requests with typed fields, without any code of darkroom.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::firestore_emulator::Emulator;

/// A web page, a script, or a hostile writer.
#[derive(Clone)]
pub struct ExternalClient {
    http: reqwest::Client,
    address: String,
    database: String,
}

impl ExternalClient {
    /// In the default database of that project.
    pub fn new(emulator: &Emulator, project: &str) -> Self {
        Self::in_database(emulator, project, "(default)")
    }

    /// In that database of that project.
    pub fn in_database(emulator: &Emulator, project: &str, database: &str) -> Self {
        let address = format!("http://{}/v1", emulator.host());
        Self { http: reqwest::Client::new(), address, database: format!("projects/{project}/databases/{database}") }
    }

    fn name(&self, path: &str) -> String {
        format!("{}/documents/{path}", self.database)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{}", self.address, self.name(path))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let reply = request.bearer_auth("owner").send().await.unwrap();
        let (status, body) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Writes whole documents, given by path and typed fields, in commits of a hundred.
    pub async fn write(&self, documents: &[(String, Value)]) {
        for batch in documents.chunks(100) {
            let writes: Vec<Value> = batch
                .iter()
                .map(|(path, fields)| json!({"update": {"name": self.name(path), "fields": fields}}))
                .collect();
            let url = format!("{}/{}/documents:commit", self.address, self.database);
            self.send(self.http.post(url).json(&json!({ "writes": writes }))).await;
        }
    }

    /// Writes the fields of `mask`, or the whole document for an empty mask. `fields` is plain JSON, see [`typed_fields`].
    pub async fn patch(&self, path: &str, fields: Value, mask: &[&str]) {
        let mask: Vec<String> = mask.iter().map(|field| format!("updateMask.fieldPaths={field}")).collect();
        let url = format!("{}?{}", self.url(path), mask.join("&"));
        self.send(self.http.patch(url).json(&json!({ "fields": typed_fields(&fields) }))).await;
    }

    /// Requests an image as a web page does; the server assigns the document's id, which is returned.
    pub async fn request_image(&self, prompt: &str) -> String {
        let document = json!({"fields": {
            "status": {"stringValue": "pending_art_generation"},
            "prompt": {"stringValue": prompt},
            "createdAt": {"timestampValue": chrono::Utc::now()},
            "pageState": {"mapValue": {"fields": {"tab": {"integerValue": "3"}}}},
        }});
        id_of(&self.send(self.http.post(self.url("jobs")).json(&document)).await)
    }

    /// Deletes a document.
    pub async fn delete(&self, path: &str) {
        self.send(self.http.delete(self.url(path))).await;
    }

    /// The fields of a document as the server stores them, with their types.
    pub async fn fields(&self, path: &str) -> Value {
        self.send(self.http.get(self.url(path))).await["fields"].clone()
    }

    /// The documents of a collection by id: fields with their types, and the times.
    pub async fn list(&self, collection: &str) -> BTreeMap<String, Value> {
        let documents = self.run_query(json!({"from": [{"collectionId": collection}]})).await;
        documents.into_iter().map(|document| (id_of(&document), document)).collect()
    }

    /// The ids and fields of the documents that a structured query finds, in its order.
    pub async fn query(&self, query: Value) -> Vec<(String, Value)> {
        let documents = self.run_query(query).await;
        documents.into_iter().map(|mut document| (id_of(&document), document["fields"].take())).collect()
    }

    async fn run_query(&self, query: Value) -> Vec<Value> {
        let url = format!("{}/{}/documents:runQuery", self.address, self.database);
        let mut rows = self.send(self.http.post(url).json(&json!({"structuredQuery": query}))).await;
        let rows = rows.as_array_mut().expect("a list of rows");
        rows.iter_mut().filter_map(|row| row.get_mut("document").map(Value::take)).collect()
    }

    /// The sum of the charges of a service in dollars.
    pub async fn spent(&self, service: &str) -> Decimal {
        let entries = self.list("costs").await;
        assert!(!entries.is_empty(), "no charges");
        let of_service = entries.values().filter(|entry| entry["fields"]["service"]["stringValue"] == service);
        of_service.map(|entry| decimal(&entry["fields"]["cost_usd"])).sum()
    }
}

fn id_of(document: &Value) -> String {
    document["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// A typed number as the decimal that its text shows.
pub fn decimal(value: &Value) -> Decimal {
    match (&value["doubleValue"], value["integerValue"].as_str()) {
        (Value::Number(number), _) => number.to_string().parse().unwrap(),
        (_, Some(integer)) => integer.parse().unwrap(),
        _ => panic!("expected a number: {value}"),
    }
}

/// Firestore's typed form of a plain JSON object, see [`typed`].
pub fn typed_fields(fields: &Value) -> Map<String, Value> {
    fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), typed(name, value))).collect()
}

/// Firestore's typed form of a plain JSON value. Strings in fields `createdAt` and `timestamp` become timestamps.
pub fn typed(name: &str, value: &Value) -> Value {
    match value {
        Value::String(time) if matches!(name, "createdAt" | "timestamp") => json!({ "timestampValue": time }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(yes) => json!({ "booleanValue": yes }),
        Value::Number(number) if number.is_i64() => json!({ "integerValue": number.to_string() }),
        Value::Number(number) => json!({ "doubleValue": number }),
        Value::Null => json!({ "nullValue": null }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(|item| typed("", item)).collect::<Vec<_>>() } })
        }
        Value::Object(_) => json!({ "mapValue": { "fields": typed_fields(value) } }),
    }
}
