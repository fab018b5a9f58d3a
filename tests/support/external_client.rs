//! A program of the team that knows nothing of darkroom: it writes and reads documents through Firestore's REST API.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::firestore_emulator::Emulator;

/// A web page, a script, or a program with hostile documents.
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

    /// Sets whole documents, given by path and typed fields, in commits of a hundred.
    pub async fn set_all(&self, documents: &[(String, Value)]) {
        for batch in documents.chunks(100) {
            let writes: Vec<Value> = batch
                .iter()
                .map(|(path, fields)| json!({"update": {"name": self.name(path), "fields": fields}}))
                .collect();
            let url = format!("{}/{}/documents:commit", self.address, self.database);
            let request = self.http.post(url).bearer_auth("owner").json(&json!({ "writes": writes }));
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
    }

    /// Writes plain JSON fields: those of `mask`, or the whole document where the mask is empty.
    pub async fn patch(&self, path: &str, fields: Value, mask: &[&str]) {
        let mask: Vec<String> = mask.iter().map(|field| format!("updateMask.fieldPaths={field}")).collect();
        let body = json!({ "fields": typed_fields(&fields) });
        let request = self.http.patch(format!("{}?{}", self.url(path), mask.join("&"))).bearer_auth("owner");
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Requests an image as the web page does; the server chooses the document's id.
    pub async fn request_image(&self, prompt: &str) -> String {
        let document = json!({"fields": {
            "status": {"stringValue": "pending_art_generation"},
            "prompt": {"stringValue": prompt},
            "createdAt": {"timestampValue": chrono::Utc::now()},
            "pageState": {"mapValue": {"fields": {"tab": {"integerValue": "3"}}}},
        }});
        let request = self.http.post(self.url("jobs")).bearer_auth("owner").json(&document);
        let created = request.send().await.unwrap().error_for_status().unwrap().json::<Value>().await.unwrap();
        id_of(&created)
    }

    /// The fields of a document as the server has them, with their types; null where there is no such document.
    pub async fn fields(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).bearer_auth("owner").send().await.unwrap();
        answer.json::<Value>().await.unwrap()["fields"].clone()
    }

    /// Deletes a document.
    pub async fn delete(&self, path: &str) {
        let answer = self.http.delete(self.url(path)).bearer_auth("owner").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The documents of a collection as the server has them, by id: fields with their types, and the times.
    pub async fn all(&self, collection: &str) -> BTreeMap<String, Value> {
        let url = format!("{}/{}/documents:runQuery", self.address, self.database);
        let query = json!({"structuredQuery": {"from": [{"collectionId": collection}]}});
        let answer = self.http.post(url).bearer_auth("owner").json(&query).send().await.unwrap();
        let found = answer.error_for_status().unwrap().json::<Vec<Value>>().await.unwrap();
        let documents = found.into_iter().filter_map(|mut line| line.get_mut("document").map(Value::take));
        documents.map(|document| (id_of(&document), document)).collect()
    }
}

fn id_of(document: &Value) -> String {
    document["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn typed_fields(fields: &Value) -> Map<String, Value> {
    fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), typed(name, value))).collect()
}

/// A plain value with Firestore's types; texts in `createdAt` and `timestamp` become timestamps.
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
