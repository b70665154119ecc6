#!/usr/bin/env python3
"""Who still gets an answer while one network asks more than a server can answer.

    cargo build --release -p nameward -p sys --bin nameward --example echo
    python3 benches/rivals/attack.py --seconds 5

Each server answers a thousand names from its cache with one worker thread on core 0, as in `run.py`'s `plain`. From core 1 come a flood from
the 254 addresses of 127.0.1.0/24, sent whether it is answered or not, and dnsperf from 127.0.2.1 with a thousand queries a second. The flood is
given as times what the server answers when nothing else is asked (`blast.py`); what really was sent is said. With and without the limits each
server has: Nameward's shares are on unless turned off, Unbound's `ip-ratelimit` is by address and off unless turned on.
"""

import argparse
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True

from blast import UDP_SEGMENT, datagrams
from measure import LOAD_CORE, NOERROR, SERVER_CORE, ended, free_ports, heaviest, perf, started, wait_for
from names import ASKED, asked, queries, zone
from servers import SERVERS, Run, nameward, nsd, unbound

SEGMENTS = 48
# Configurations name a list even where they have none.
NO_LIST = types.SimpleNamespace(plain="", zone="", dnsmasq="")
GUEST_RATE = 1_000
IP_RATE = 2_000


def with_line(start, file, marker, line):
    """The server with one more line in its configuration."""

    def changed(run):
        words = start(run)
        path = run.path(file)
        with open(path) as kept:
            text = kept.read()
        with open(path, "w") as kept:
            kept.write(text.replace(marker, line + marker, 1))
        return words

    return changed


KINDS = {
    "Nameward": nameward,
    "Nameward, fair = false": with_line(nameward, "nameward.toml", "[log]", "[limits]\nfair = false\n"),
    "Unbound": unbound,
    f"Unbound, ip-ratelimit {IP_RATE}": with_line(unbound, "unbound.conf", "  username:", f"  ip-ratelimit: {IP_RATE}\n"),
}


def flood(port, path, seconds, rate):
    """Sends at this rate; replies are not read. Says how many a second were sent."""
    asks = datagrams(path)
    chunks = [b"".join(asks[at : at + SEGMENTS]) for at in range(0, len(asks) - SEGMENTS + 1, SEGMENTS)]
    senders = []
    for host in range(1, 255):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        one.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(asks[0]))
        one.bind((f"127.0.1.{host}", 0))
        one.connect(("127.0.0.1", port))
        one.setblocking(False)
        senders.append(one)
    start, sent = time.perf_counter(), 0
    turns = zip(itertools.cycle(senders), itertools.cycle(chunks))
    while (now := time.perf_counter()) - start < seconds:
        while sent < (now - start) * rate:
            sender, chunk = next(turns)
            try:
                sender.send(chunk)
            except OSError:
                pass
            sent += SEGMENTS
            if sent % (SEGMENTS * 64) == 0:
                break
        else:
            time.sleep(0.0005)
    return sent / (time.perf_counter() - start)


def guests(run, asks, seconds, times, capacity):
    """What the quiet network gets beside a flood of so many times the capacity."""
    attack = None
    if times:
        words = ["taskset", "-c", str(LOAD_CORE), sys.executable, os.path.abspath(__file__)]
        attack = subprocess.Popen(
            [*words, "--flood", str(run.port), asks, str(seconds + 2), str(capacity * times)], stdout=subprocess.PIPE, text=True
        )
        time.sleep(1)
    found = perf(run, asks, "-a", "127.0.2.1", "-c", "8", "-q", "1000", "-Q", str(GUEST_RATE), "-t", "1", "-l", str(seconds))
    sent = float(attack.communicate()[0]) if attack else 0
    return found, sent


def measure(name, place, upstream, asks, seconds, capacity):
    """Prints a row; gives what the server answers when nothing else is asked, unless it is told by who has no limits."""
    os.makedirs(place)
    port, spare = free_ports(2)
    run = Run(place, port, upstream, False, NO_LIST, spare)
    output = run.path("output")
    child = started(KINDS[name](run), SERVER_CORE, output)
    try:
        names = [asked(number) for number in range(ASKED)]
        wait_for(NOERROR, port, names, child, output)
        heaviest(run, asks, 1, "blast")
        capacity = capacity or heaviest(run, asks, 2, "blast")["per_s"]
        cells = [f"{capacity:,.0f}"]
        for times in (0, 1, 2):
            found, sent = guests(run, asks, seconds, times, capacity)
            share = found["answered"] / max(found["answered"] + found["lost"], 1)
            cells.append(f"{share:.1%}" + (f" ({sent / capacity:.1f})" if times else ""))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        return capacity
    finally:
        ended(child)


def main():
    if sys.argv[1:2] == ["--flood"]:
        print(flood(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--only", help="one of them: " + "; ".join(KINDS))
    said = parser.parse_args()
    print("| server | answers/s | guest answered, no flood | flood of 1 × (sent) | flood of 2 × (sent) |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asks, (upstream,) = queries(folder), free_ports(1)
        output = os.path.join(folder, "nsd.output")
        authority = started(nsd(folder, upstream, zone(folder)), LOAD_CORE, output)
        try:
            wait_for(NOERROR, upstream, [asked(0)], authority, output)
            capacities = {}
            for number, name in enumerate([said.only] if said.only else KINDS):
                program = name.split(",")[0]
                place = os.path.join(folder, str(number))
                capacities[program] = measure(name, place, upstream, asks, said.seconds, capacities.get(program))
        finally:
            ended(authority)


if __name__ == "__main__":
    main()
