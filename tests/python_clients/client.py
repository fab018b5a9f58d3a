"""A web page, a reviewer and a script of the team, with nothing but Google's own clients: what darkroom must not make them notice.

Prints one line when it listens, and at its end one JSON document of what it saw. Must not know anything of darkroom.
"""

import hashlib
import json
import os
import sys
import threading
import time
from urllib.parse import unquote, urlsplit

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore, storage
from google.cloud.firestore_v1.base_query import FieldFilter

# Only says that something that must come did not.
TEST_TIMEOUT = 120


class ReviewPage:
    """Listens to `status == pending_review`, as the page does, and remembers every version of a document that it was shown."""

    def __init__(self, jobs):
        self.seen = {}
        self.changed = threading.Condition()
        self.opened = False
        self.watch = jobs.where(filter=FieldFilter("status", "==", "pending_review")).on_snapshot(self.on_snapshot)

    def on_snapshot(self, documents, changes, read_time):
        with self.changed:
            self.opened = True
            for document in documents:
                self.seen.setdefault(document.id, {})[document.get("generationCount")] = document.to_dict()
            self.changed.notify_all()

    def wait_for(self, what, ready):
        with self.changed:
            if not self.changed.wait_for(ready, timeout=TEST_TIMEOUT):
                sys.exit(f"the listener never saw {what}; it saw {json.dumps(self.seen, default=str)}")

    def wait_for_image(self, job, generation):
        self.wait_for(f"image {generation} of {job}", lambda: generation in self.seen.get(job, {}))
        return self.seen[job][generation]


def read_back(bucket, url):
    """The image behind a URL, by the storage client: its object's name ends the URL."""
    path = unquote(urlsplit(url).path)
    blob = bucket.get_blob(path[path.index("generated-art/"):])
    image = blob.download_as_bytes(checksum="crc32c")
    return {"url": url, "sha256": hashlib.sha256(image).hexdigest(), "bytes": len(image), "type": blob.content_type}


def spent(costs):
    """The report: sums by service of what was charged in the last seven days."""
    week = time.time() - 7 * 24 * 3600
    sums = {}
    for entry in costs.order_by("timestamp", direction=firestore.Query.DESCENDING).stream():
        if entry.get("timestamp").timestamp() >= week:
            service = entry.get("service")
            sums[service] = sums.get(service, 0) + entry.get("cost_usd")
    return {service: round(total, 9) for service, total in sums.items()}


def main():
    database = firestore.Client()
    bucket = storage.Client(credentials=AnonymousCredentials()).bucket(os.environ["FIREBASE_STORAGE_BUCKET"])
    jobs, costs = database.collection("jobs"), database.collection("costs")
    page = ReviewPage(jobs)
    page.wait_for("its first answer", lambda: page.opened)
    print("listening", flush=True)

    request = {"status": "pending_art_generation", "createdAt": firestore.SERVER_TIMESTAMP}
    everything = {
        "model": "flux-dev", "aspectRatio": "16:9", "steps": 28, "guidance": 3.0, "seed": 7, "promptUpsampling": False,
        "safetyTolerance": 2, "generationCount": 0, "page": {"tab": [1, "two", None], "zoom": 1.5},
    }
    _, plain = jobs.add({**request, "prompt": "a lighthouse"})
    _, full = jobs.add({**request, **everything, "prompt": "a fox in the snow"})
    _, doubles = jobs.add({**request, "prompt": "a bowl of plums", "steps": 28.0, "guidance": 3, "seed": 42.0})
    first = {job.id: page.wait_for_image(job.id, 1) for job in (plain, full, doubles)}

    # A reviewer: one is good, one shall be made once more with another seed.
    plain.update({"status": "approved"})
    full.update({"status": "pending_art_generation", "seed": 8})
    again = page.wait_for_image(full.id, 2)
    newest = jobs.order_by("createdAt", direction=firestore.Query.DESCENDING).limit(3).get()
    page.watch.unsubscribe()

    def result(job):
        return {key: job[key] for key in ("bfl_cost_usd", "bfl_model", "image_size_bytes")}

    print(json.dumps({
        "images": {job: {**read_back(bucket, seen["generatedImageUrl"]), **result(seen)} for job, seen in first.items()},
        "again": {"job": full.id, **read_back(bucket, again["generatedImageUrl"]), **result(again)},
        "page": full.get().get("page"),
        "statuses": {job.id: job.get("status") for job in newest},
        "approved": plain.id,
        "spent": spent(costs),
    }))


main()
