#!/usr/bin/env python3
"""What the log keeps, and what it costs, while the resolver answers as fast as it can.

    cargo build --release -p nameward
    python3 benches/log/load.py --folder FOLDER

One server with a zone of a thousand names, and dnsperf as fast as it goes, for as long as is said. Says how many queries were
answered, how many events the log kept and how many it lost, and the server's processor time for each, that of the log apart. The
log is made in a folder beneath FOLDER and removed. Needs dnsperf.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time

from served import SERVER, served

# Threads of the server that are the log's.
LOG_THREADS = ("log-", "search")
TICKS = os.sysconf("SC_CLK_TCK")


def spent(pid):
    """Processor time so far in seconds: of the log's threads, and of all."""
    log, all_of = 0, 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat") as file:
            name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
        ticks = sum(map(int, fields.split()[11:13]))
        all_of += ticks
        log += ticks if name.startswith(LOG_THREADS) else 0
    return log / TICKS, all_of / TICKS


def status(config):
    done = subprocess.run([SERVER, "log", "status", "-c", config, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", required=True)
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--rate", type=int, help="queries a second; as fast as it goes when not said")
    said = words.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as place, served(place) as server:
        before, log_before, start = status(server.config), spent(server.process.pid), time.perf_counter()
        load = ["dnsperf", "-s", "127.0.0.1", "-p", server.dns, "-d", server.queries, "-l", said.seconds, "-c", 16, "-e"]
        load += ["-Q", said.rate] if said.rate else []
        done = subprocess.run(list(map(str, load)), capture_output=True, text=True, check=True)
        took = time.perf_counter() - start
        log, all_of = (after - before for after, before in zip(spent(server.process.pid), log_before))
        sent, completed = (int(re.search(rf"Queries {what}:\s+(\d+)", done.stdout).group(1)) for what in ("sent", "completed"))
        # What is on its way to the log arrives within its bound of a second.
        time.sleep(2)
        after = status(server.config)
        kept = after["rows"] - before["rows"]
        one = {"answered": completed, "per_s": completed / took, "unanswered": sent - completed, "kept": kept}
        one |= {"lost": after["dropped"] - before["dropped"], "segments": after["segments"], "live": after["live_rows"]}
        one |= {"cpu_us": (all_of - log) * 1e6 / completed, "log_cpu_us": log * 1e6 / completed}
        print(json.dumps(one))


if __name__ == "__main__":
    main()
