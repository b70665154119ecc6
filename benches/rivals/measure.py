"""One start of one server: load, processor time, memory, waits. Everything it starts is ended with it."""

import ctypes
import glob
import json
import mmap
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

from install import program
from names import ASKED, asked
from servers import NAMEWARD, Run, beside

TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = 0, 1
# Threads of Nameward that are the log's.
LOG_THREADS = ("log-", "search")
CLIENTS, OUTSTANDING = 16, 400
LATENCY_RATE = 20_000
# Of a core, that others may use while a run counts as undisturbed; and how long is waited for that.
OTHERS_MAX = 0.15
PATIENCE_SECONDS, TRIES = 600, 3
START_SECONDS_MAX = 120
# What is on its way to the log arrives within this.
SETTLE_SECONDS = 2
NOERROR, NXDOMAIN = 0, 3
DIE_WITH_PARENT = 1
LIBC = ctypes.CDLL(None)


class Cannot(Exception):
    """Why there is no figure."""


def started(words, core, output):
    """A child on one core, in a group of its own, that the kernel ends when we end."""

    def before():
        LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL)

    words = [program("taskset"), "-c", core, *words]
    with open(output, "wb") as file:
        return subprocess.Popen(
            list(map(str, words)), stdin=subprocess.DEVNULL, stdout=file, stderr=file, preexec_fn=before, start_new_session=True
        )


def ended(child):
    """Asks first, then kills, and leaves nothing of its group."""
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def free_ports(count):
    """Free for UDP and TCP alike, and all different."""
    held, ports = [], []
    while len(ports) < count:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        held += [udp, tcp]
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        try:
            tcp.bind(("127.0.0.1", port))
        except OSError:
            continue
        ports.append(port)
    for one in held:
        one.close()
    return ports


def rcode(port, name, patience=0.05):
    """What the server says to a question for an address; nothing if it is silent."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = os.urandom(2) + bytes.fromhex("01000001000000000000") + labels + bytes.fromhex("0000010001")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(patience)
        try:
            one.connect(("127.0.0.1", port))
            one.send(query)
            reply = one.recv(4096)
        except OSError:
            return None
    return reply[3] & 15 if len(reply) >= 12 and reply[:2] == query[:2] else None


def wait_for(wanted, port, names, child, output):
    """Asks until the code comes, another name each time; a server that gives up says why."""
    start, number = time.perf_counter(), 0
    while time.perf_counter() - start < START_SECONDS_MAX:
        if rcode(port, names[number % len(names)]) == wanted:
            return
        if child.poll() is not None:
            raise Cannot(f"ended with {child.returncode}: {last_line(output)}")
        number += 1
        time.sleep(0.005)
    raise Cannot(f"not ready in {START_SECONDS_MAX} s: {last_line(output)}")


def last_line(path):
    with open(path, errors="replace") as file:
        return "".join([line for line in file.read().splitlines() if line.strip()][-1:])[:120]


def fields(path):
    with open(path) as file:
        name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
    return name, rest.split()


def spent(pid):
    """User and system time so far in seconds, of threads that have ended too."""
    _, words = fields(f"/proc/{pid}/stat")
    return int(words[11]) / TICKS, int(words[12]) / TICKS


def spent_logging(pid):
    """The same of the log's threads."""
    user = system = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        name, words = fields(f"/proc/{pid}/task/{thread}/stat")
        if name.startswith(LOG_THREADS):
            user, system = user + int(words[11]), system + int(words[12])
    return user / TICKS, system / TICKS


def spent_by_all():
    """Of both cores, whoever it was, and stolen by other machines too."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, interrupts, soft, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / TICKS


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.MULTILINE).group(1)) / 1024


def loaded(run, words):
    """What a maker of load says, by way of a file, so that nobody has to read along."""
    output = run.path("load")
    child = started(words, LOAD_CORE, output)
    try:
        if child.wait() != 0:
            raise Cannot("no load: " + last_line(output))
    finally:
        ended(child)
    with open(output) as file:
        return file.read()


def perf(run, queries, *words):
    """What dnsperf found."""
    words = [program("dnsperf"), "-s", "127.0.0.1", "-p", run.port, "-d", queries, "-c", CLIENTS, "-e", *words]
    said = loaded(run, words)
    number = lambda pattern: float((re.search(pattern, said) or [0, 0])[1])
    found = {"answered": int(number(r"Queries completed:\s+(\d+)")), "lost": int(number(r"Queries lost:\s+(\d+)"))}
    found["per_s"] = number(r"Queries per second:\s+([0-9.]+)")
    found["wrong"] = found["answered"] - int(number(r"NOERROR (\d+)"))
    waits = sorted(float(wait) * 1e6 for wait in re.findall(r"^> \S+ \S+ \S+ ([0-9.]+)$", said, re.MULTILINE))
    for name, part in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)):
        found[name] = waits[min(int(len(waits) * part), len(waits) - 1)] if waits else None
    return found


def heaviest(run, queries, seconds, maker):
    """As fast as the maker of load goes."""
    if maker == "dnsperf":
        return perf(run, queries, "-l", seconds, "-q", OUTSTANDING)
    return json.loads(loaded(run, [sys.executable, beside("blast.py"), run.port, queries, seconds, CLIENTS, OUTSTANDING]))


def frames(path):
    """Messages in a file of Frame Streams: length and content; length 0 begins a control frame."""
    count = at = 0
    if not os.path.exists(path) or not os.path.getsize(path):
        return 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as block:
        while at + 4 <= len(block):
            length = int.from_bytes(block[at : at + 4], "big")
            at += 4
            if length == 0:
                at += 4 + int.from_bytes(block[at : at + 4], "big")
            else:
                at += length
                count += at <= len(block)
    return count


def messages(path):
    """Messages the recursor sent: two octets of length, and content."""
    count = 0
    for one in glob.glob(path + ".*"):
        at = 0
        if not os.path.getsize(one):
            continue
        with open(one, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as block:
            while at + 2 <= len(block):
                at += 2 + int.from_bytes(block[at : at + 2], "big")
                count += at <= len(block)
    return count


def lines(path):
    """Queries in the text log."""
    with open(path, "rb") as file:
        return sum(b" query[" in line for line in file)


def own(place):
    """What Nameward's log has, asked while it runs."""
    words = [NAMEWARD, "log", "status", "-c", os.path.join(place, "nameward.toml"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rows"]


COUNTS = {"dnstap": frames, "protobuf": messages, "text": lines}


def wait_for_quiet():
    """Until a second has passed in which hardly anything ran, or patience ends."""
    end = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < end:
        before = spent_by_all()
        time.sleep(1)
        if spent_by_all() - before <= OTHERS_MAX:
            return


def patiently(*words):
    """Measures while nothing else runs; again, a few times, when something did; the least disturbed counts."""
    best = None
    for _ in range(TRIES):
        wait_for_quiet()
        found = measure(*words)
        best = found if best is None or found["others"] < best["others"] else best
        if best["others"] <= OTHERS_MAX:
            break
    return best


def measure(server, full, place, upstream, blocked, queries, seconds, maker):
    """The figures of one start, in a folder of its own that goes with it."""
    os.makedirs(place)
    port, spare = free_ports(2)
    run = Run(place, port, upstream, full, blocked, spare)
    output, children = os.path.join(place, "output"), []
    try:
        words, reader = server.start(run), server.reader(run)
        if reader:
            children.append(started(reader, LOAD_CORE, os.path.join(place, "reader")))
            time.sleep(0.3)
        start = time.perf_counter()
        child = started(words, SERVER_CORE, output)
        children.insert(0, child)
        wait_for(NOERROR, port, [asked(number) for number in range(ASKED)], child, output)
        found = {"first_s": time.perf_counter() - start}
        if full and server.lists:
            wait_for(NXDOMAIN, port, blocked.probes, child, output)
            found["listed_s"] = time.perf_counter() - start
        if server.log_apart:
            move_log(child.pid)
        figures(server, run, child, children[1:], queries, seconds, maker, found)
        return found
    finally:
        for child in children:
            ended(child)
        shutil.rmtree(place, ignore_errors=True)


def move_log(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        if fields(f"/proc/{pid}/task/{thread}/stat")[0].startswith(LOG_THREADS):
            os.sched_setaffinity(int(thread), {LOAD_CORE})


class Bystanders:
    """Processor time of everything that has no part in the measurement: with much of it the figures are worth little."""

    def __init__(self, ours):
        self.ours = ours
        self.before = self.rest()

    def rest(self):
        made = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent_by_all() - made.ru_utime - made.ru_stime - sum(sum(spent(child.pid)) for child in self.ours)

    def used(self):
        return max(self.rest() - self.before, 0)


def figures(server, run, child, readers, queries, seconds, maker, found):
    """Warms, loads as fast as it goes, loads at a fixed rate; counts what the log kept of all that."""
    logs = server.always_logs or (run.full and bool(server.log))
    log_side = lambda: spent_logging(child.pid) if server.log == "own" else spent(readers[0].pid) if readers else (0, 0)
    asked_in_all = perf(run, queries, "-n", 1)["answered"]
    warm = perf(run, queries, "-n", 1)
    if warm["lost"] or warm["wrong"]:
        raise Cannot(f"{warm['lost']} lost and {warm['wrong']} wrong of {ASKED} when warm")
    before, log_before = spent(child.pid), log_side()
    bystanders, start = Bystanders([child, *readers]), time.perf_counter()
    load = heaviest(run, queries, seconds, maker)
    after, log_then = spent(child.pid), log_side()
    found["others"] = bystanders.used() / (time.perf_counter() - start)
    found["mib"] = resident_mib(child.pid)
    if logs:
        time.sleep(SETTLE_SECONDS)
    log_after = log_side()
    inside = [then - was if server.log == "own" else 0 for then, was in zip(log_then, log_before)]
    if not load["answered"]:
        raise Cannot("nothing answered under load")
    each = 1e6 / load["answered"]
    found["user_us"], found["system_us"] = ((now - was - log) * each for now, was, log in zip(after, before, inside))
    on_core = sum(after) - sum(before) - (sum(inside) if server.log_apart else 0)
    found["busy"] = on_core / (load["answered"] / load["per_s"])
    found["log_us"] = (sum(log_after) - sum(log_before)) * each if logs and server.log != "text" else None
    found |= {key: load[key] for key in ("answered", "per_s", "lost", "wrong")}
    calm = perf(run, queries, "-l", seconds, "-Q", LATENCY_RATE, "-v")
    found |= {key: calm[key] for key in ("p50_us", "p99_us", "p999_us")}
    found |= {"calm_lost": calm["lost"], "calm_wrong": calm["wrong"], "calm_per_s": calm["per_s"]}
    asked_in_all += warm["answered"] + load["answered"] + calm["answered"]
    if logs:
        time.sleep(SETTLE_SECONDS)
        kept = own(run.place) if server.log == "own" else None
        for one in (child, *readers):
            ended(one)
        found["kept"] = (COUNTS[server.log](run.kept) / server.messages_each if kept is None else kept) / asked_in_all
