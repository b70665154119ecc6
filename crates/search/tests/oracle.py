"""Another engine over the same segments: one JSON line in, one out.

First line: {"segments": <glob of Parquet files>}; reply: {"rows": <how many>}.
Then lines {"where": <condition>}; reply: {"seqs": [...]} in order, or {"error": <text>}.
"""

import ipaddress
import json
import re
import sys

import duckdb


def addresses(answer):
    for word in re.findall(r"(?:[^\W_]|[.:])+", answer):
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            continue
        yield address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def load(engine, segments):
    files = segments.replace("'", "''")
    engine.execute(
        f"CREATE VIEW events AS SELECT * FROM read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
    )
    engine.execute("CREATE TABLE addresses (answer VARCHAR, address BLOB)")
    for (answer,) in engine.execute("SELECT DISTINCT answer FROM events WHERE answer IS NOT NULL").fetchall():
        for address in addresses(answer):
            engine.execute("INSERT INTO addresses VALUES (?, ?)", [answer, address])
    return engine.execute("SELECT count(*) FROM events").fetchall()[0][0]


def reply(engine, asked):
    if "segments" in asked:
        return {"rows": load(engine, asked["segments"])}
    try:
        found = engine.execute(f"SELECT seq FROM events WHERE {asked['where']} ORDER BY seq").fetchall()
    except duckdb.Error as error:
        return {"error": str(error)}
    return {"seqs": [seq for (seq,) in found]}


def main():
    engine = duckdb.connect(config={"threads": 1})
    for line in sys.stdin:
        print(json.dumps(reply(engine, json.loads(line))), flush=True)


main()
