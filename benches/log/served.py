"""A server to measure: a zone of a thousand names, and its log in the folder `log` beside its configuration."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import time

SERVER = os.environ.get("NAMEWARD", "target/release/nameward")
# A question for one of the names.
PROBE = bytes.fromhex("00010000000100000000000002" "6e31" "05" "62656e6368" "07" "6578616d706c65" "00" "00010001")


@dataclasses.dataclass
class Served:
    config: str
    # Its port, and what dnsperf asks there.
    dns: int
    queries: str
    process: subprocess.Popen


@contextlib.contextmanager
def served(place):
    """Starts it, waits until it answers, and ends it."""
    dns, web = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    config = configuration(place, dns, web)
    queries = os.path.join(place, "queries.txt")
    with open(queries, "w") as file:
        file.writelines(f"n{number}.bench.example A\n" for number in range(1000))
    process = subprocess.Popen([SERVER, "serve", "-c", config], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        while not answers(dns):
            if process.poll() is not None:
                raise SystemExit(f"{SERVER} ended with {process.returncode}")
            time.sleep(0.05)
        yield Served(config, dns, queries, process)
    finally:
        process.terminate()
        process.wait()


def answers(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(0.2)
        try:
            one.connect(("127.0.0.1", port))
            one.send(PROBE)
            return bool(one.recv(512))
        except OSError:
            return False


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration(place, dns, web):
    records = ['"@ 60 SOA ns1 host 1 3600 600 86400 60"', '"@ 60 NS ns1"', '"ns1 60 A 192.0.2.1"']
    records += [f'"n{number} 60 A 192.0.2.2"' for number in range(1000)]
    path = os.path.join(place, "nameward.toml")
    with open(path, "w") as file:
        file.write(f"""state = "{place}"
[listen]
dns = ["127.0.0.1:{dns}"]
[log]
folder = "{place}/log"
keep_bytes = "0"
keep_age = "0"
[web]
listen = "127.0.0.1:{web}"
[[upstream]]
servers = ["127.0.0.1:9"]
[[zone]]
name = "bench.example"
records = [{", ".join(records)}]
""")
    return path
