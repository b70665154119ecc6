#!/usr/bin/env python3
"""Nameward's answers beside those of other servers, and beside a bare echo, in one run.

    cargo build --release -p nameward -p sys --bin nameward --example echo
    python3 benches/rivals/run.py --install      # once, as root: Debian's packages, no service is started
    python3 benches/rivals/run.py --seconds 10 --rounds 5 --json FILE

NSD serves a zone of a thousand names. Each server forwards to it and answers them from its cache: one worker thread, the process on
core 0, dnsperf and the readers of logs on core 1, all on loopback and in a folder that is removed. A round starts every server
once in each mode, in an order that is turned from round to round: warms it, loads it as fast as dnsperf goes, then at 20,000 a
second for the waits. Medians count.

`plain` is each server's fastest sensible configuration, `full` has its usual query log and a list of a million names, blocked with
everything below; `servers.py` has them. The server's time is that of its whole process, with the threads that hand its log on. The
log side is who keeps it: fstrm_capture, a small reader for the recursor, and for Nameward its threads `log-` and `search`, whose time is
then not in the server's; dnsmasq writes its own. Nameward has no mode without its log. It runs on core 0 with all its threads, and once more
with those of the log on core 1, where the readers of the others are. Logged is what the log kept of all that was answered.

Busy is how much of its core the server used: below about 90 % it was the load that was slow, and the times say more than the rates.
`--load blast` takes `blast.py` instead of dnsperf, which costs less. Others is what programs that have no part in it took of the
machine: with much of that the figures are worth little, and `--patient` waits and repeats. ECHO and NAMEWARD name other binaries.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from install import PACKAGES, install, missing, program
from measure import CLIENTS, LATENCY_RATE, LOAD_CORE, NOERROR, OUTSTANDING, SERVER_CORE
from measure import Cannot, ended, free_ports, measure, patiently, started, wait_for
from names import ASKED, BLOCKED, Blocked, asked, queries, zone
from servers import ECHO, NAMEWARD, SERVERS, nsd, version

MODES = ("plain", "full")
HEADS = [
    "server", "version", "answers/s", "of echo", "busy", "user µs", "system µs", "log side µs", "logged", "MiB", "load s", "lost",
    "p50 / p99 / p99.9 µs",
]


def rounds_of(jobs, rounds):
    """The jobs of each round, begun at another one each time."""
    for number in range(rounds):
        turn = number * len(jobs) // rounds
        yield number, jobs[turn:] + jobs[:turn]


def with_ratios(runs):
    """To the echo's of the same round and mode."""
    echoes = {(one["round"], one["mode"]): one["per_s"] for one in runs if one["server"] == "echo" and "per_s" in one}
    for one in runs:
        echo = echoes.get((one["round"], one["mode"]))
        one["of_echo"] = one["per_s"] / echo if echo and "per_s" in one else None


def row(name, version, runs):
    """The medians of one server in one mode, or why there are none."""
    good = [one for one in runs if "per_s" in one]
    failed = [one["cannot"] for one in runs if "cannot" in one]
    label = SERVERS[name].name
    if not good:
        return [label, version, "cannot: " + failed[0].replace("|", "/"), *[""] * (len(HEADS) - 3)]

    def middle(key, form="{:.2f}"):
        values = [one[key] for one in good if one.get(key) is not None]
        return form.format(statistics.median(values)) if values else "–"

    lost = sum(one["lost"] + one["calm_lost"] for one in good)
    wrong = sum(one["wrong"] + one["calm_wrong"] for one in good)
    lost = f"{lost}" + (f", {wrong} wrong" if wrong else "") + (f", {len(failed)} runs failed" if failed else "")
    load = " / ".join(middle(key) for key in ("first_s", "listed_s") if any(key in one for one in good))
    waits = " / ".join(middle(key, "{:.0f}") for key in ("p50_us", "p99_us", "p999_us"))
    return [
        label, version, middle("per_s", "{:,.0f}"), middle("of_echo"), middle("busy", "{:.0%}"), middle("user_us"),
        middle("system_us"), middle("log_us"), middle("kept", "{:.1%}"), middle("mib", "{:,.0f}"), load, lost, waits,
    ]


def settings(said):
    """What the figures hang on."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {model}, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB",
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
        "seconds": said.seconds,
        "rounds": said.rounds,
        "authority": "NSD " + version_of_nsd(),
        "load": f"{said.load} for {said.seconds} s, {CLIENTS} clients, {OUTSTANDING} outstanding, EDNS",
        "waits": f"dnsperf at {LATENCY_RATE} a second",
        "names": ASKED,
        "blocked": BLOCKED,
        "cores": f"server {SERVER_CORE}, dnsperf and readers of logs {LOAD_CORE}",
    }


def version_of_nsd():
    done = subprocess.run([program("nsd"), "-v"], capture_output=True, text=True)
    return (done.stdout + done.stderr).split()[2].rstrip(".")


def tables(runs, versions, modes, names):
    for mode in modes:
        print(f"\n`{mode}`\n\n| " + " | ".join(HEADS) + " |\n|" + "---|" * len(HEADS))
        for name in names:
            mine = [one for one in runs if one["server"] == name and one["mode"] == mode]
            if mine:
                print("| " + " | ".join(row(name, versions[name], mine)) + " |")


def run(said, folder):
    names, modes = said.only.split(","), said.mode.split(",")
    figures = {"settings": settings(said), "versions": {name: version(SERVERS[name]) for name in names}, "runs": []}
    print("names and lists ...", file=sys.stderr, flush=True)
    asks, blocked = queries(folder), Blocked(folder)
    (upstream,) = free_ports(1)
    output = os.path.join(folder, "nsd.output")
    authority = started(nsd(folder, upstream, zone(folder)), LOAD_CORE, output)
    try:
        wait_for(NOERROR, upstream, [asked(0)], authority, output)
        jobs = [(name, mode) for mode in modes for name in names]
        for number, turned in rounds_of(jobs, said.rounds):
            for name, mode in turned:
                one = {"server": name, "mode": mode, "round": number}
                try:
                    place = os.path.join(folder, f"{name}-{mode}-{number}")
                    how = patiently if said.patient else measure
                    one |= how(SERVERS[name], mode == "full", place, upstream, blocked, asks, said.seconds, said.load)
                except (Cannot, OSError, subprocess.SubprocessError) as error:
                    one["cannot"] = str(error)
                figures["runs"].append(one)
                with_ratios(figures["runs"])
                print(json.dumps(one), file=sys.stderr, flush=True)
                if said.json:
                    with open(said.json, "w") as file:
                        json.dump(figures, file, indent=1)
    finally:
        ended(authority)
        tables(figures["runs"], figures["versions"], modes, names)
    others = max((one["others"] for one in figures["runs"] if "others" in one), default=0)
    figures["settings"]["others"] = f"used up to {others:.2f} cores meanwhile"
    print("\n" + "; ".join(f"{key} {value}" for key, value in figures["settings"].items()))


def listed(known):
    def names(text):
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: not one of {','.join(known)}")
        return text

    return names


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=int, default=10)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--only", type=listed(SERVERS), default=",".join(SERVERS), help="of " + ",".join(SERVERS))
    words.add_argument("--mode", type=listed(MODES), default=",".join(MODES), help="of " + ",".join(MODES))
    words.add_argument("--load", choices=("dnsperf", "blast"), default="dnsperf", help="what makes the heaviest load")
    words.add_argument("--patient", action="store_true", help="wait until nothing else runs, and repeat what was disturbed")
    words.add_argument("--json", help="file for the raw figures")
    words.add_argument("--install", action="store_true", help="install what is missing of " + ", ".join(PACKAGES))
    said = words.parse_args()
    if said.install:
        install()
        return
    if lacking := missing():
        sys.exit(f"missing: {' '.join(lacking)}. As root: python3 benches/rivals/run.py --install")
    for path in (ECHO, NAMEWARD):
        if not os.path.exists(path):
            sys.exit(f"{path} is missing: cargo build --release -p nameward -p sys --bin nameward --example echo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="rivals") as folder:
        run(said, folder)


if __name__ == "__main__":
    main()
