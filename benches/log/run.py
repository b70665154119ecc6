#!/usr/bin/env python3
"""The log's figures beside DuckDB's and chdb's, in one run over the same rows.

    cargo build --release -p nameward -p search --bin nameward --example log_bench
    python3 -m venv target/oracles && target/oracles/bin/pip install duckdb chdb
    target/oracles/bin/python benches/log/run.py --events 50000000 --folder FOLDER

The log is filled first, unless the folder has one, and merged as house-keeping would merge it. Then each engine answers each
question: once cold (its own process just started; the files may be in the system's cache) and twice more, of which the better
counts. Two threads and 4 GiB for all. Then how soon an event is found, and what a log of many segments costs. Prints a table and,
with --json FILE, the raw figures; --steps names the steps wanted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

OURS = os.environ.get("LOG_BENCH", "target/release/examples/log_bench")
MORNING = 1_790_812_800_000_000
DAY = 86_400_000_000
NOON = MORNING + DAY // 2
HOUR = DAY // 24
ROUNDS = 3
STEPS = ["fill", "settle", "ask", "rivals", "visible", "many"]
# A log of many segments: as many as 500 million events have, of so few events each that it is soon made.
SEGMENTS, SEGMENT_EVENTS = 500, 5_000

# Codes as the log stores them; the client is 16 bytes, as it is written in hexadecimal.
QUESTIONS = {
    "series_by_code": "SELECT minute(time) m, code, count(*) FROM events GROUP BY 1, 2",
    "top_nxdomain_names": "SELECT domain, count(*) n FROM events WHERE code = 3 GROUP BY 1 ORDER BY n DESC, domain LIMIT 20",
    "top_refused_clients": "SELECT client, count(*) n FROM events WHERE code = 5 GROUP BY 1 ORDER BY n DESC, client LIMIT 20",
    "suffix_newest_100": "SELECT * FROM events WHERE domain_rev >= 'br.com.' AND domain_rev < 'br.com/' ORDER BY time DESC, seq DESC LIMIT 100",
    "client_code_range": "SELECT * FROM events WHERE client = {client} AND code = 3 AND {hour} ORDER BY time DESC, seq DESC LIMIT 100",
    "names_per_client": "SELECT client, {distinct}(domain) n FROM events GROUP BY 1 ORDER BY n DESC LIMIT 20",
    "distinct_names": "SELECT {distinct}(domain) FROM events",
    "tenant_hour_top_names": "SELECT domain, count(*) n FROM events WHERE tenant = 'tenant-017' AND {hour} GROUP BY 1 ORDER BY n DESC, domain LIMIT 20",
}


def address_hex(client):
    return "00" * 10 + "ffff" + "".join(f"{int(part):02x}" for part in client.split("."))


def timed(run):
    """Cold, the better of the others, and the least processor time, in milliseconds; what went wrong, if it did."""
    taken, worked = [], []
    for _ in range(ROUNDS):
        start, cpu = time.perf_counter(), time.process_time()
        try:
            run()
        except Exception as error:
            return "memory" if "emory" in str(error) else f"cannot: {str(error).splitlines()[0][:80]}"
        taken.append((time.perf_counter() - start) * 1e3)
        worked.append((time.process_time() - cpu) * 1e3)
    return taken[0], min(taken[1:]), min(worked)


def duckdb_figures(folder, client, native):
    import duckdb

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        db = duckdb.connect(os.path.join(scratch, "log.duckdb") if native else ":memory:")
        db.execute("SET threads = 2; SET memory_limit = '4GB'")
        source = f"read_parquet('{folder}/segments/**/*.parquet', hive_partitioning = false)"
        load, size = 0.0, ""
        if native:
            start = time.perf_counter()
            db.execute(f"CREATE TABLE events AS SELECT * FROM {source}")
            db.execute("CHECKPOINT")
            load = time.perf_counter() - start
            size = os.path.getsize(os.path.join(scratch, "log.duckdb")) / db.execute("SELECT count(*) FROM events").fetchone()[0]
        else:
            db.execute(f"CREATE VIEW events AS SELECT * FROM {source}")
        hour = f"time >= to_timestamp({NOON // 1_000_000}) AND time < to_timestamp({(NOON + HOUR) // 1_000_000})"
        found = {"load_s": load, "bytes_per_event": size}
        for name, sql in QUESTIONS.items():
            sql = sql.replace("minute(time)", "date_trunc('minute', time)").format(
                client=f"from_hex('{address_hex(client)}')", hour=hour, distinct="approx_count_distinct"
            ) if "{" in sql else sql.replace("minute(time)", "date_trunc('minute', time)")
            found[name] = timed(lambda: db.execute(sql).fetchall())
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return found


def chdb_figures(folder, client):
    from chdb import session

    db = session.Session()
    db.query("SET max_threads = 2")
    db.query("SET max_memory_usage = 4294967296")
    source = f"file('{folder}/segments/**/*.parquet', Parquet)"
    hour = f"time >= toDateTime64({NOON // 1_000_000}, 6, 'UTC') AND time < toDateTime64({(NOON + HOUR) // 1_000_000}, 6, 'UTC')"
    found = {}
    for name, sql in QUESTIONS.items():
        sql = sql.replace("minute(time)", "toStartOfMinute(time)").replace("FROM events", f"FROM {source}")
        sql = sql.replace("{client}", f"unhex('{address_hex(client)}')").replace("{hour}", hour).replace("{distinct}", "uniq")
        found[name] = timed(lambda: db.query(sql + " SETTINGS max_threads = 2", "TabSeparated").bytes())
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def bench(*words):
    """What our program says, one object a line."""
    done = subprocess.run([OURS, *map(str, words)], capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        sys.exit(f"{words[0]} failed")
    sys.stderr.write(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def ours(folder):
    said, notes = bench("ask", folder, ROUNDS)
    client = next(line.split()[1] for line in notes.splitlines() if line.startswith("client "))
    rounds, worked, peak = {}, {}, 0
    for one in said:
        if "name" in one:
            rounds.setdefault(one["name"], []).append(one["ms"])
            worked.setdefault(one["name"], []).append(one["cpu_ms"])
            peak = max(peak, one["peak_mib"])
    found = {name: (ms[0], min(ms[1:]), min(worked[name])) for name, ms in rounds.items()}
    found["peak_mib"] = peak
    return found, client


def in_child(arguments, folder, client):
    """Each engine in a process of its own, so that peaks of memory are its own, and at the priority of our searches."""
    word = ["nice", "-n", "10", sys.executable, __file__, "--folder", folder, "--client", client, "--engine", arguments]
    done = subprocess.run(word, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        return {"error": "failed: " + "".join(done.stderr.strip().splitlines()[-1:])[:80]}
    return json.loads(done.stdout.splitlines()[-1])


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--events", type=int, default=50_000_000)
    words.add_argument("--folder", required=True)
    words.add_argument("--json")
    words.add_argument("--steps", default=",".join(STEPS), help="of " + ",".join(STEPS))
    words.add_argument("--engine", help=argparse.SUPPRESS)
    words.add_argument("--client", help=argparse.SUPPRESS)
    said = words.parse_args()
    folder, steps = os.path.abspath(said.folder), said.steps.split(",")
    engines = {
        "DuckDB, Parquet": lambda: duckdb_figures(folder, said.client, False),
        "DuckDB, native": lambda: duckdb_figures(folder, said.client, True),
        "chdb, Parquet": lambda: chdb_figures(folder, said.client),
    }
    if said.engine:
        print(json.dumps(engines[said.engine]()))
        return
    figures = {}

    def keep(name, found):
        figures[name] = found
        if said.json:
            with open(said.json, "w") as file:
                json.dump(figures, file, indent=1)

    if "fill" in steps and not os.path.exists(os.path.join(folder, "manifest")):
        os.makedirs(folder, exist_ok=True)
        keep("fill", bench("fill", folder, said.events)[0])
    if "settle" in steps:
        keep("settle", bench("settle", folder)[0])
    if "ask" in steps or "rivals" in steps:
        mine, client = ours(folder)
        table = {"Nameward": mine}
        keep("questions", table)
        for engine in engines if "rivals" in steps else []:
            table[engine] = in_child(engine, folder, client)
            keep("questions", table)
        print("| question, ms: cold / warm / processor time | " + " | ".join(table) + " |")
        print("|---|" + "---|" * len(table))
        for name in [*QUESTIONS, "load_s", "bytes_per_event", "peak_mib"]:
            cells = []
            for engine in table.values():
                value = engine.get(name, engine.get("error", ""))
                cells.append(" / ".join(f"{part:.0f}" for part in value) if isinstance(value, (list, tuple)) else str(value))
            print(f"| {name} | " + " | ".join(cells) + " |")
    if "visible" in steps:
        keep("visible", bench("visible", folder)[0])
    if "many" in steps:
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as many:
            found = bench("many", many, SEGMENTS, SEGMENT_EVENTS)[0]
            for _ in range(ROUNDS):
                found += bench("open", many)[0]
            keep("many", found + bench("drop", many)[0])


if __name__ == "__main__":
    main()
