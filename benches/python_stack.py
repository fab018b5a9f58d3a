#!/usr/bin/env python3
"""A Python backend and darkroom at the same work: jobs per second and jobs per CPU second, in one run.

    cargo build --release
    benches/python_stack.py --jobs 300 FOLDER 'python worker.py' 'python listener.py'

FOLDER is the Python stack; it is not a part of this repository, and each further argument is one of its processes, started in FOLDER.
The stack must speak the documents of docs/migration.md: it takes `jobs` with the status `pending_art_generation` and ends them with
`pending_review` or `error`. Its processes get the addresses of the servers in the environment (FIRESTORE_EMULATOR_HOST,
STORAGE_EMULATOR_HOST, GOOGLE_CLOUD_PROJECT, FIREBASE_STORAGE_BUCKET, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, BFL_API_URL, BFL_API_KEY);
`{simulator}` in a command stands for the address of the API, for a stack that takes it in another way. Without FOLDER only darkroom is
measured.

Both get fresh servers of `darkroom dev` (Firestore emulator, Cloud Storage server, Temporal) and an instant simulator of the API. The
CPU time is that of the backend's own processes, not of the servers; it includes their start. Linux only.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ENDED = ("pending_review", "approved", "error")
PATIENCE = 1_800.0


def cpu_seconds(roots):
    """CPU seconds of these processes and all of their descendants, the ones that have ended included."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            stats[int(name)] = (int(fields[1]), sum(int(field) for field in fields[11:15]))
    family = set(roots)
    while True:
        more = {pid for pid, (parent, _) in stats.items() if parent in family} - family
        if not more:
            break
        family |= more
    return sum(stats[pid][1] for pid in family if pid in stats) / os.sysconf("SC_CLK_TCK")


class Servers:
    """The servers of one measurement, all of them new, and the simulator."""

    def __init__(self, darkroom, folder):
        self.processes = []
        self.darkroom = darkroom
        dev = self.start([darkroom, "dev", "--headless", "--no-worker", "--json", "--data-dir", f"{folder}/data",
                          "--log-dir", f"{folder}/logs"])
        self.environment = document(dev)["environment"]
        missing = {"FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"} - self.environment.keys()
        if missing:
            sys.exit("servers are missing: run .ci/install-servers")
        simulator = self.start([darkroom, "simulate", "--json", "--port", "0", "--speed", "instant", "--data-dir",
                                f"{folder}/simulator", "--log-dir", f"{folder}/logs"])
        self.simulator = document(simulator)["api_url"].rstrip("/")
        self.environment |= {"DARKROOM_PROVIDER": "bfl", "BFL_API_URL": self.simulator, "BFL_API_KEY": "simulated",
                             "DARKROOM_LOG_DIR": f"{folder}/logs"}
        project = self.environment["GOOGLE_CLOUD_PROJECT"]
        self.documents = (f"http://{self.environment['FIRESTORE_EMULATOR_HOST']}/v1/projects/{project}"
                          "/databases/(default)/documents")

    def start(self, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   start_new_session=True)
        self.processes.append(process)
        return process

    def call(self, method, body):
        request = urllib.request.Request(f"{self.documents}:{method}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": "Bearer owner"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def queue(self, count):
        """Writes requests as the web page does."""
        root = self.documents.partition("/v1/")[2]
        fields = {"status": {"stringValue": "pending_art_generation"}, "model": {"stringValue": "flux-2-klein-4b"},
                  "aspectRatio": {"stringValue": "1:1"}}
        for first in range(0, count, 100):
            writes = [{"update": {"name": f"{root}/jobs/job-{number:05}", "fields": {
                **fields, "prompt": {"stringValue": f"job {number}"}}},
                "updateTransforms": [{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}]}
                for number in range(first, min(first + 100, count))]
            self.call("commit", {"writes": writes})

    def ended(self):
        """How many jobs have ended, and how many of those with an image."""
        statuses = {"arrayValue": {"values": [{"stringValue": status} for status in ENDED]}}
        rows = self.call("runQuery", {"structuredQuery": {
            "from": [{"collectionId": "jobs"}], "select": {"fields": [{"fieldPath": "status"}]},
            "where": {"fieldFilter": {"field": {"fieldPath": "status"}, "op": "IN", "value": statuses}}}})
        found = [row["document"]["fields"]["status"]["stringValue"] for row in rows if "document" in row]
        return len(found), len(found) - found.count("error")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def document(process):
    """The JSON document that a process prints when it is ready."""
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            return json.loads(text)
    sys.exit(f"{process.args[0]} {process.args[1]} did not start: run it by itself to see why")


def measure(name, darkroom, count, begin, prepare=lambda environment: None):
    """Runs `count` jobs with the processes that `begin` starts, and prints one line."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(darkroom, folder)
        backend = []
        try:
            servers.queue(count)
            environment = os.environ | servers.environment
            prepare(environment)
            begun = time.monotonic()
            backend = begin(servers, environment)
            while (found := servers.ended())[0] < count:
                if any(process.poll() not in (None, 0) for process in backend):
                    sys.exit(f"{name}: a process failed after {found[0]} jobs")
                if time.monotonic() - begun > PATIENCE:
                    sys.exit(f"{name}: {found[0]} of {count} jobs ended in {PATIENCE:.0f} s")
                time.sleep(0.25)
            seconds, cpu = time.monotonic() - begun, cpu_seconds([process.pid for process in backend])
        finally:
            for process in backend:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            servers.stop()
    print(f"{name:<34} {found[1]:>6} {seconds:>9.1f} {count / seconds:>8.1f} {cpu:>9.2f} {count / max(cpu, 0.01):>16.1f}",
          flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=300)
    arguments.add_argument("--darkroom", default="target/release/darkroom")
    arguments.add_argument("folder", nargs="?")
    arguments.add_argument("commands", nargs="*")
    options = arguments.parse_args()
    darkroom = os.path.abspath(options.darkroom)
    if options.folder and not options.commands:
        sys.exit("name the processes of the stack behind its folder, such as 'python worker.py'")
    print(f"{'':<34} {'images':>6} {'seconds':>9} {'jobs/s':>8} {'CPU s':>9} {'jobs per CPU s':>16}")

    def python(servers, environment):
        commands = [command.replace("{simulator}", servers.simulator) for command in options.commands]
        return [subprocess.Popen(shlex.split(command), cwd=options.folder, env=environment, start_new_session=True,
                                 stdout=subprocess.DEVNULL) for command in commands]

    def take_over(environment):
        # The documents are another program's: they are taken over as on the day of the migration.
        subprocess.run([darkroom, "takeover", "--yes", "--force", "--json"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)

    def worker(engine):
        def begin(_, environment):
            environment |= {"DARKROOM_ENGINE": engine}
            return [subprocess.Popen([darkroom, "worker"], env=environment, start_new_session=True,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        return begin

    if options.folder:
        measure("the Python stack", darkroom, options.jobs, python)
    measure("darkroom worker, Temporal", darkroom, options.jobs, worker("temporal"), take_over)
    measure("darkroom worker, local engine", darkroom, options.jobs, worker("local"), take_over)


if __name__ == "__main__":
    main()
