//! A program that has never heard of darkroom, at Firestore's REST door: it writes and reads documents with their types.

use serde_json::{Value, json};

use super::firestore_emulator::Emulator;

/// A web page, a script, or somebody who means harm.
#[derive(Clone)]
pub struct Stranger {
    http: reqwest::Client,
    address: String,
    database: String,
}

impl Stranger {
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

    /// Writes documents, given by path and typed fields, in commits of a few hundred.
    pub async fn write(&self, documents: &[(String, Value)]) {
        for some in documents.chunks(100) {
            let writes: Vec<Value> = some
                .iter()
                .map(|(path, fields)| json!({"update": {"name": self.name(path), "fields": fields}}))
                .collect();
            let url = format!("{}/{}/documents:commit", self.address, self.database);
            let request = self.http.post(url).bearer_auth("owner").json(&json!({ "writes": writes }));
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
    }

    /// The documents of a collection as the server has them, by id: fields with their types, and the times.
    pub async fn all(&self, collection: &str) -> std::collections::BTreeMap<String, Value> {
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
