"""The other side of tsig_dnspython.rs: one command a line in, one line out. All octets in hex."""

import sys
import time

import dns.message
import dns.rdatatype
import dns.tsig

NOW = 1_700_000_000
time.time = lambda: NOW

query = None  # last query of ours
stream = {}  # request MAC and digest under way of a stream


def key(algorithm, secret):
    return dns.tsig.Key("key.example", bytes.fromhex(secret), algorithm)


def ask(algorithm, secret):
    """Signs a query."""
    global query
    query = dns.message.make_query("www.example", "A", use_edns=0)
    query.use_tsig(key(algorithm, secret))
    wire = query.to_wire()
    stream.clear()
    stream["mac"] = query.mac
    return wire.hex()


def hear(algorithm, secret, wire):
    """Checks the next reply of a stream to the last query."""
    message = dns.message.from_wire(
        bytes.fromhex(wire),
        keyring=key(algorithm, secret),
        request_mac=stream["mac"],
        multi=True,
        tsig_ctx=stream.get("ctx"),
    )
    stream["ctx"] = message.tsig_ctx
    return f"{message.id == query.id} {message.had_tsig} {len(message.answer)}"


def answer(algorithm, secret, wire, shape):
    """Checks a query and answers it with a stream: a letter a message, s signed and u unsigned."""
    ring = key(algorithm, secret)
    asked = dns.message.from_wire(bytes.fromhex(wire), keyring=ring)
    wires, ctx = [], None
    for letter in shape:
        reply = dns.message.make_response(asked)
        if letter == "u":
            reply.tsig = None
            wires.append(reply.to_wire())
            ctx.update(wires[-1])
        else:
            wires.append(reply.to_wire(multi=len(shape) > 1, tsig_ctx=ctx))
            ctx = reply.tsig_ctx
    return " ".join(wire.hex() for wire in wires)


def covered(algorithm, secret, request_mac, wire):
    """Checks the MAC of a reply whose TSIG error keeps dnspython from looking at it."""
    seen = []
    validate, dns.tsig.validate = dns.tsig.validate, lambda *args: seen.append(args)
    try:
        dns.message.from_wire(bytes.fromhex(wire), keyring=key(algorithm, secret))
    finally:
        dns.tsig.validate = validate
    wire, ring, _, record, _, _, start = seen[0][:7]
    plain = wire[:10] + (int.from_bytes(wire[10:12], "big") - 1).to_bytes(2, "big") + wire[12:start]
    dns.tsig._digest(plain, ring, record, None, bytes.fromhex(request_mac)).verify(record.mac)
    return f"{record.time_signed} {int.from_bytes(record.other, 'big')}"


for line in sys.stdin:
    verb, *words = line.split()
    try:
        print({"ask": ask, "hear": hear, "answer": answer, "covered": covered}[verb](*words), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
