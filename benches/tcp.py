#!/usr/bin/env python3
"""Pipelined queries over TCP: Nameward beside PowerDNS Recursor, and what an idle connection holds.

    cargo build --release -p nameward
    python3 benches/rivals/run.py --install      # once, as root
    python3 benches/tcp.py --seconds 5 --rounds 5
    python3 benches/tcp.py --idle 1000

Both forward to NSD, have the names of `benches/rivals` in their caches, and one thread on core 0; dnsperf is on core 1, as two processes
with addresses of their own, so that connections per client meet no limit. A round starts each server once, in an order that is turned from
round to round. Medians count, and of them processor time per answer: it bears noise better than rates. The ratio is the Recursor's
time in the same round to that of the server. Nameward keeps its log; its threads are counted apart.

`--bench-server target/release/examples/bench_server` measures the listeners alone (crates/front/examples), without a log; given twice,
one beside the other. Only there can limits be raised: `--idle 10000` wants it. Idle connections have asked one question each. Memory of
the kernel is that of both ends.
"""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "rivals"))

from install import program
from measure import LOAD_CORE, NOERROR, SERVER_CORE, Bystanders, Cannot, ended, free_ports, last_line, spent, spent_logging
from measure import started, wait_for
from names import ASKED, asked, queries, zone
from servers import Run, nameward, nsd, recursor

LOADERS = 2
# Of one address, in the idle mode: below the limit for one client.
IDLE_PER_ADDRESS = 100
NO_LIST = types.SimpleNamespace(plain="", zone="")
HEADS = ["server", "outstanding", "answers/s", "busy", "user µs", "system µs", "sum µs", "log µs", "ratio", "lost", "others"]
# Room for more than are opened.
CONNECTIONS_MAX = 20_000
MEMORY = {"resident": ("VmRSS", "/proc/{}/status"), "kernel slabs": ("Slab", "/proc/meminfo")}


def recursor_for_tcp(run):
    """As many connections and queries of one as come."""
    words = recursor(run)
    with open(run.path("recursor.conf"), "a") as file:
        file.write("max-tcp-clients=4096\nmax-concurrent-requests-per-tcp-connection=1000\n")
    return words


def bench_server(path):
    return lambda run: [path, f"127.0.0.1:{run.port}", 1, ASKED, CONNECTIONS_MAX]


def servers(said):
    own = {path: bench_server(path) for path in said.bench_server} or {"nameward": nameward}
    return {"recursor": recursor_for_tcp, **own}


class Started:
    """A server at work in a folder of its own; both go together."""

    def __init__(self, start, folder, upstream):
        self.place = tempfile.mkdtemp(dir=folder)
        port, spare = free_ports(2)
        self.run = Run(self.place, port, upstream, False, NO_LIST, spare)
        self.output = os.path.join(self.place, "output")
        self.child = started(start(self.run), SERVER_CORE, self.output)

    def __enter__(self):
        wait_for(NOERROR, self.run.port, [asked(number) for number in range(ASKED)], self.child, self.output)
        return self

    def __exit__(self, *_):
        ended(self.child)
        shutil.rmtree(self.place, ignore_errors=True)


def load(server, asks, connections, outstanding, *words):
    """What the loaders found together."""
    children = []
    for number in range(LOADERS):
        output = server.run.path(f"load{number}")
        each = ["-m", "tcp", "-c", connections // LOADERS, "-q", outstanding // LOADERS, "-a", f"127.0.0.{number + 1}"]
        words_all = [program("dnsperf"), "-s", "127.0.0.1", "-p", server.run.port, "-d", asks, "-e", *each, *words]
        children.append((started(words_all, LOAD_CORE, output), output))
    found = {"answered": 0, "lost": 0, "per_s": 0.0}
    try:
        for child, output in children:
            if child.wait() != 0:
                raise Cannot("no load: " + last_line(output))
            with open(output) as file:
                said = file.read()
            number = lambda pattern: float((re.search(pattern, said) or [0, 0])[1])
            found["answered"] += int(number(r"NOERROR (\d+)"))
            found["lost"] += int(number(r"Queries lost:\s+(\d+)"))
            found["per_s"] += number(r"Queries per second:\s+([0-9.]+)")
    finally:
        for child, _ in children:
            ended(child)
    return found


def measure(start, folder, upstream, asks, said, outstanding):
    with Started(start, folder, upstream) as server:
        pid = server.child.pid
        load(server, asks, said.connections, outstanding, "-n", 1)
        before, log_before, bystanders, began = spent(pid), spent_logging(pid), Bystanders([server.child]), time.perf_counter()
        found = load(server, asks, said.connections, outstanding, "-l", said.seconds)
        after, log_after, took = spent(pid), spent_logging(pid), time.perf_counter() - began
        found["others"] = bystanders.used() / took
    if not found["answered"]:
        raise Cannot("nothing answered")
    logging = [now - was for now, was in zip(log_after, log_before)]
    each = 1e6 / found["answered"]
    found["user_us"], found["system_us"] = ((now - was - log) * each for now, was, log in zip(after, before, logging))
    found["sum_us"], found["log_us"] = found["user_us"] + found["system_us"], sum(logging) * each
    found["busy"] = (sum(after) - sum(before)) / (found["answered"] / found["per_s"])
    return found


def compare(said, folder, upstream, asks):
    runs, jobs = [], [(name, outstanding) for outstanding in said.outstanding for name in servers(said)]
    for number in range(said.rounds):
        turn = number * len(jobs) // said.rounds
        for name, outstanding in jobs[turn:] + jobs[:turn]:
            one = {"server": name, "outstanding": outstanding, "round": number}
            try:
                one |= measure(servers(said)[name], folder, upstream, asks, said, outstanding)
            except (Cannot, OSError, subprocess.SubprocessError) as error:
                one["cannot"] = str(error)
            runs.append(one)
            print(json.dumps(one), file=sys.stderr, flush=True)
    rivals = {(one["round"], one["outstanding"]): one["sum_us"] for one in runs if one["server"] == "recursor" and "sum_us" in one}
    print("| " + " | ".join(HEADS) + " |\n|" + "---|" * len(HEADS))
    for name, outstanding in jobs:
        mine = [one for one in runs if (one["server"], one["outstanding"]) == (name, outstanding) and "sum_us" in one]
        if not mine:
            print(f"| {name} | {outstanding} | cannot |")
            continue
        middle = lambda key: statistics.median(one[key] for one in mine)
        ratios = [rivals[one["round"], outstanding] / one["sum_us"] for one in mine if (one["round"], outstanding) in rivals]
        cells = [
            os.path.basename(name), outstanding, f"{middle('per_s'):,.0f}", f"{middle('busy'):.0%}", f"{middle('user_us'):.2f}",
            f"{middle('system_us'):.2f}", f"{middle('sum_us'):.2f}", f"{middle('log_us'):.2f}",
            f"{statistics.median(ratios):.2f}" if ratios else "–", sum(one["lost"] for one in mine), f"{middle('others'):.2f}",
        ]
        print("| " + " | ".join(map(str, cells)) + " |")


def memory(pid):
    """KiB of the process, of the kernel's small objects, and of what lies in TCP sockets."""
    found = {}
    for name, (key, path) in MEMORY.items():
        with open(path.format(pid)) as file:
            found[name] = int(re.search(rf"^{key}:\s+(\d+)", file.read(), re.MULTILINE).group(1))
    with open("/proc/net/sockstat") as file:
        found["in sockets"] = int(re.search(r"^TCP:.* mem (\d+)", file.read(), re.MULTILINE).group(1)) * os.sysconf("SC_PAGE_SIZE") // 1024
    return found


def question(number):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in asked(number).split("."))
    message = number.to_bytes(2, "big") + bytes.fromhex("01000001000000000000") + labels + bytes.fromhex("0000010001")
    return len(message).to_bytes(2, "big") + message


def idle(said, folder, upstream):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("| server | connections | " + " | ".join(f"{name} KiB each" for name in [*MEMORY, "in sockets"]) + " |\n|---|---|---|---|---|")
    for name, start in servers(said).items():
        if name == "recursor":
            continue
        with Started(start, folder, upstream) as server:
            before, connections = memory(server.child.pid), []
            for number in range(said.idle):
                one = socket.socket()
                connections.append(one)
                one.settimeout(10)
                at = 2 + number // IDLE_PER_ADDRESS
                one.bind((f"127.0.{at // 250}.{at % 250 + 1}", 0))
                one.connect(("127.0.0.1", server.run.port))
                one.sendall(question(number))
                if len(one.recv(4096)) < 2:
                    raise SystemExit(f"{name}: connection {number} was closed")
            after = memory(server.child.pid)
            each = [(after[key] - before[key]) / said.idle for key in after]
            print(f"| {os.path.basename(name)} | {said.idle} | " + " | ".join(f"{kib:.2f}" for kib in each) + " |", flush=True)
            for one in connections:
                one.close()


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=int, default=5)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--connections", type=int, default=200)
    words.add_argument("--outstanding", type=lambda text: [int(part) for part in text.split(",")], default=[400, 4000])
    words.add_argument("--bench-server", action="append", default=[], metavar="PATH")
    words.add_argument("--idle", type=int, metavar="CONNECTIONS", help="what idle connections hold, instead of speed")
    said = words.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="tcp") as folder:
        (upstream,) = free_ports(1)
        output = os.path.join(folder, "nsd.output")
        authority = started(nsd(folder, upstream, zone(folder)), LOAD_CORE, output)
        try:
            wait_for(NOERROR, upstream, [asked(0)], authority, output)
            if said.idle:
                idle(said, folder, upstream)
            else:
                compare(said, folder, upstream, queries(folder))
        finally:
            ended(authority)


if __name__ == "__main__":
    main()
