#!/usr/bin/env python3
"""How long clients wait for answers while the log is idle, and while a heavy search reads all of it.

    cargo build --release -p nameward -p search --bin nameward --example log_bench
    python3 benches/log/latency.py --folder FOLDER

FOLDER is a log as `benches/log/run.py` fills it. Its files are linked, not changed. One server, its zone of a thousand names,
dnsperf at a fixed rate; rounds with the log idle and rounds with a search in a loop take turns. Needs dnsperf. At this rate a
segment is sealed every half minute or so: each round has about one.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from served import SERVER, served

ROUNDS = 3
WARM_SECONDS = 5
# On x86-64; elsewhere dnsperf has turns like all others.
SCHED_SETATTR = 314 if os.uname().machine == "x86_64" else -1
# What the command line ends with.
FOUND, NOTHING_FOUND = 0, 3
SEARCHES = {
    "regular expression over all names": ["domain:/x[0-9]+q.*z/", "--since", "2026-10-01", "--until", "2026-10-02", "--top", "domain"],
    "SQL over all rows": ["--sql", "SELECT reg_domain, count(*) n, max(latency) FROM events GROUP BY 1 ORDER BY n DESC LIMIT 5", "--since", "2026-10-01", "--until", "2026-10-02"],
}


def short_turns():
    """As the server's threads have them: the searches' threads are on the same cores, and what counts is not how long dnsperf waits
    for one of these (sched_setattr: size, policy, flags, nice, priority, slice; kernels from 6.12)."""
    wanted = struct.pack("IIQiIQQQ", 48, 0, 0, 0, 0, 100_000, 0, 0)
    ctypes.CDLL(None).syscall(SCHED_SETATTR, 0, wanted, 0)


def perf(server, rate, seconds):
    """Waits of one run in microseconds, sorted; queries lost."""
    words = ["dnsperf", "-s", "127.0.0.1", "-p", server.dns, "-d", server.queries, "-l", seconds, "-c", 16, "-Q", rate, "-e", "-v"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, preexec_fn=short_turns)
    waits = sorted(float(wait) * 1e6 for wait in re.findall(r"^> \S+ \S+ \S+ ([0-9.]+)$", done.stdout, re.MULTILINE))
    lost = re.search(r"Queries lost:\s+(\d+)", done.stdout)
    return waits, int(lost.group(1)) if lost else -1


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", required=True)
    words.add_argument("--rate", type=int, default=40_000)
    words.add_argument("--seconds", type=int, default=25)
    words.add_argument("--rounds", type=int, default=ROUNDS)
    said = words.parse_args()
    beside = os.path.dirname(os.path.abspath(said.folder))
    with tempfile.TemporaryDirectory(dir=beside) as place:
        shutil.copytree(said.folder, os.path.join(place, "log"), copy_function=os.link)
        # What is written in place must not be shared.
        for name in ("manifest", "lock"):
            os.remove(os.path.join(place, "log", name))
            shutil.copy(os.path.join(said.folder, name), os.path.join(place, "log", name))
        with served(place) as server:
            perf(server, said.rate, WARM_SECONDS)
            found = {}
            for _ in range(said.rounds):
                for name in ["idle", *SEARCHES]:
                    done = threading.Event()
                    taken, failed = [], []

                    def loop():
                        while not done.is_set():
                            start = time.perf_counter()
                            word = [SERVER, "search", "-c", server.config, *SEARCHES[name]]
                            asked = subprocess.Popen(word, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                            while asked.poll() is None and not done.is_set():
                                time.sleep(0.05)
                            if asked.poll() is None:
                                asked.terminate()
                                asked.wait()
                            elif asked.returncode in (FOUND, NOTHING_FOUND):
                                taken.append(time.perf_counter() - start)
                            else:
                                failed.append(word)
                                return

                    searching = threading.Thread(target=loop)
                    if name != "idle":
                        searching.start()
                    waits, lost = perf(server, said.rate, said.seconds)
                    done.set()
                    if name != "idle":
                        searching.join()
                    if failed:
                        sys.exit(f"a search failed: {failed[0]}")
                    part = lambda part: waits[min(int(len(waits) * part), len(waits) - 1)] if waits else 0.0
                    one = {"log": name, "answers": len(waits), "lost": lost, "searches": len(taken)}
                    one |= {"p50_us": part(0.5), "p99_us": part(0.99), "p999_us": part(0.999), "max_us": part(1.0)}
                    print(json.dumps(one), flush=True)
                    found.setdefault(name, []).append(one)
            print("| log | p50, µs | p99, µs | p99.9, µs | lost | searches done |\n|---|---|---|---|---|---|")
            for name, all_of in found.items():
                middle = lambda key: sorted(one[key] for one in all_of)[len(all_of) // 2]
                print(
                    f"| {name} | {middle('p50_us'):.0f} | {middle('p99_us'):.0f} | {middle('p999_us'):.0f} "
                    f"| {sum(one['lost'] for one in all_of)} | {sum(one['searches'] for one in all_of)} |"
                )


if __name__ == "__main__":
    main()
