#!/usr/bin/env python3
"""What a question costs that the cache cannot answer, while the upstream takes its time.

    cargo build --release -p nameward --bin nameward
    python3 benches/rivals/misses.py --seconds 8 --rounds 3

An upstream on core 1 answers every name after 100 ms. dnsperf, on core 1 too, asks names that were never asked before at a fixed rate; the
server, one worker thread, has core 0 to itself with all its threads (Nameward's log among them, which no other has here). Its processor time is
shared among the misses. Rates that the load could not hold are said. Medians count.
"""

import argparse
import collections
import os
import socket
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from attack import NO_LIST, with_line
from measure import LOAD_CORE, NOERROR, SERVER_CORE, Cannot, ended, free_ports, perf, resident_mib, spent, started, wait_for
from servers import Run, nameward, recursor, unbound

DELAY_SECONDS = 0.1
RECEIVE_BYTES = 8 << 20
# As many as may be under way at the rates asked, and twice that.
UNDER_WAY = 8_192
RECORD = bytes.fromhex("c00c00010001000002580004c0000201")
KINDS = {
    "Nameward": nameward,
    "Unbound": with_line(
        unbound, "unbound.conf", "  username:", f"  outgoing-range: {UNDER_WAY}\n  num-queries-per-thread: {UNDER_WAY // 2}\n"
    ),
    "PowerDNS Recursor": with_line(recursor, "recursor.conf", "daemon=no", f"max-mthreads={UNDER_WAY}\n"),
}


def upstream(port):
    """Answers every question with one address, 100 ms later."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        one.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BYTES)
    one.bind(("127.0.0.1", port))
    one.setblocking(False)
    waiting = collections.deque()
    while True:
        now = time.monotonic()
        try:
            for _ in range(256):
                query, peer = one.recvfrom(512)
                end = query.index(b"\0", 12) + 5
                reply = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + RECORD
                waiting.append((now + DELAY_SECONDS, reply, peer))
        except BlockingIOError:
            pass
        while waiting and waiting[0][0] <= now:
            _, reply, peer = waiting.popleft()
            try:
                one.sendto(reply, peer)
            except OSError:
                pass
        time.sleep(0.0005)


def measure(kind, place, seconds, rate):
    os.makedirs(place)
    port, behind, spare = free_ports(3)
    run = Run(place, port, behind, False, NO_LIST, spare)
    count = rate * (seconds + 1)
    asks = run.write("asks", "".join(f"m{number}.n{number % 977}.miss.example A\n" for number in range(count)))
    far = started([sys.executable, os.path.abspath(__file__), "--upstream", behind], LOAD_CORE, run.path("upstream.output"))
    output = run.path("output")
    child = started(KINDS[kind](run), SERVER_CORE, output)
    try:
        # An answer takes longer here than is waited for one: the second time it is in the cache.
        wait_for(NOERROR, port, ["first.miss.example"], child, output)
        before = sum(spent(child.pid))
        start = time.perf_counter()
        found = perf(run, asks, "-q", str(UNDER_WAY), "-Q", str(rate), "-n", "1", "-l", str(seconds), "-v")
        took = time.perf_counter() - start
        cost = (sum(spent(child.pid)) - before) / max(found["answered"], 1)
        asked = found["answered"] + found["lost"]
        return {
            "rate": asked / took, "answered": found["answered"] / max(asked, 1), "us": cost * 1e6, "mib": resident_mib(child.pid),
            "p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3, "wrong": found["wrong"],
        }
    finally:
        ended(child)
        ended(far)


def main():
    if sys.argv[1:2] == ["--upstream"]:
        upstream(int(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=20_000, help="misses a second")
    said = parser.parse_args()
    runs = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(said.rounds):
            for kind in KINDS:
                try:
                    runs[kind].append(measure(kind, os.path.join(folder, f"{number}-{kind}"), said.seconds, said.rate))
                except (Cannot, OSError) as error:
                    print(f"{kind}: {error}", file=sys.stderr)
    print("| server | misses/s | answered | µs a miss | p50 / p99 ms | MiB |\n|---|---|---|---|---|---|")
    for kind, found in runs.items():
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        print(
            "| {} | {rate:,.0f} | {answered:.1%} | {us:.1f} | {p50:.1f} / {p99:.1f} | {mib:,.0f} |".format(kind, **middle)
            + (f" {middle['wrong']} wrong" if middle["wrong"] else "")
        )


if __name__ == "__main__":
    main()
