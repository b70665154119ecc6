"""How each server is started: one worker thread, everything forwarded to the authority, answers from its cache.

`plain` is the fastest sensible configuration: no log, no list, no validation, a receive buffer that holds what is outstanding (dnsmasq
has no setting for that: with the system's default it loses some). `full` is the same with the server's usual query log
(answers only, where it can be said) and the list of a million names: each and everything below it is NXDOMAIN. Nameward has no mode
without its log: in `plain` it keeps it all the same, and has no list.
"""

import dataclasses
import os
import re
import subprocess
import sys

from install import program
from names import RPZ, ZONE

ECHO = os.environ.get("ECHO", "target/release/examples/echo")
NAMEWARD = os.environ.get("NAMEWARD", "target/release/nameward")
# Enough to ride out a pause of the thread, and what the echo and Nameward take.
RECEIVE_BYTES = 4 << 20
# The most that fstrm allows: less, and messages are dropped before the socket is full.
TAP_QUEUE = 16_384


def beside(name):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


@dataclasses.dataclass
class Run:
    """What one start of a server is given."""

    place: str
    port: int
    upstream: int
    full: bool
    blocked: object
    # A port for whatever else the server needs one for.
    spare: int

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    @property
    def tap(self):
        return self.path("tap")

    @property
    def kept(self):
        return self.path("kept")

    def when_full(self, text):
        return text if self.full else ""


@dataclasses.dataclass
class Server:
    """`start` writes the configuration and gives the command; `reader` is who keeps the log."""

    start: object
    name: str
    version: object
    log: str = ""
    lists: bool = True
    # In `plain` too.
    always_logs: bool = False
    # Whether the log's threads run where the readers of the others run.
    log_apart: bool = False
    # Messages of one query in the log, where it cannot be told to send the answer alone.
    messages_each: int = 1

    def reader(self, run):
        """The command that keeps the log, when it is not the server itself."""
        if not run.full:
            return None
        if self.log == "dnstap":
            return [program("fstrm_capture"), "-t", "protobuf:dnstap.Dnstap", "-u", run.tap, "-w", run.kept]
        if self.log == "protobuf":
            return [sys.executable, beside("sink.py"), run.spare, run.kept]
        return None


def nsd(place, port, zone):
    """The authority behind all of them."""
    path = os.path.join(place, "nsd.conf")
    with open(path, "w") as file:
        file.write(f"""server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{place}"
  database: ""
  zonelistfile: "{place}/zones"
  xfrdfile: "{place}/xfrd"
  xfrdir: "{place}"
  pidfile: "{place}/nsd.pid"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {ZONE}
  zonefile: "{zone}"
""")
    return [program("nsd"), "-d", "-c", path]


def echo(run):
    return [ECHO, f"127.0.0.1:{run.port}", 1]


def nameward(run):
    listed = f'[[list]]\nname = "bench"\nsource = "{run.blocked.plain}"\n' if run.full else ""
    path = run.write("nameward.toml", f"""state = "{run.place}/state"
[listen]
dns = ["127.0.0.1:{run.port}"]
threads = 1
[log]
keep_bytes = "0"
keep_age = "0"
[web]
listen = "127.0.0.1:{run.spare}"
[[upstream]]
servers = ["127.0.0.1:{run.upstream}"]
{listed}""")
    return [NAMEWARD, "serve", "-c", path]


def unbound(run):
    logged = f"""dnstap:
  dnstap-enable: yes
  dnstap-bidirectional: yes
  dnstap-socket-path: "{run.tap}"
  dnstap-send-identity: no
  dnstap-send-version: no
  dnstap-log-client-response-messages: yes
"""
    listed = f"""rpz:
  name: {RPZ}.
  zonefile: "{run.blocked.zone}"
"""
    path = run.write("unbound.conf", f"""server:
  interface: 127.0.0.1
  port: {run.port}
  num-threads: 1
  module-config: "{run.when_full('respip ')}iterator"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  minimal-responses: yes
  rrset-roundrobin: no
  so-rcvbuf: {RECEIVE_BYTES}
  msg-cache-size: 64m
  rrset-cache-size: 128m
  username: ""
  chroot: ""
  directory: "{run.place}"
  pidfile: "{run.place}/pid"
  use-syslog: no
  verbosity: 0
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{run.upstream}
{run.when_full(logged)}{run.when_full(listed)}""")
    return [program("unbound"), "-d", "-c", path]


def dnsdist(run):
    logged = f"""tap = newFrameStreamUnixLogger("{run.tap}", {{inputQueueSize={TAP_QUEUE}}})
addResponseAction(AllRule(), DnstapLogResponseAction("bench", tap))
addCacheHitResponseAction(AllRule(), DnstapLogResponseAction("bench", tap))
addSelfAnsweredResponseAction(AllRule(), DnstapLogResponseAction("bench", tap))
"""
    listed = f"""blocked = newSuffixMatchNode()
for name in io.lines("{run.blocked.plain}") do blocked:add(newDNSName(name)) end
addAction(SuffixMatchNodeRule(blocked, true), RCodeAction(DNSRCode.NXDOMAIN))
"""
    path = run.write("dnsdist.conf", f"""setSecurityPollSuffix("")
setLocal("127.0.0.1:{run.port}")
setACL("127.0.0.0/8")
setUDPMultipleMessagesVectorSize(64)
setUDPSocketBufferSizes({RECEIVE_BYTES}, {RECEIVE_BYTES})
newServer({{address="127.0.0.1:{run.upstream}", checkName="{ZONE}.", checkType="SOA"}})
getPool(""):setCache(newPacketCache(100000, {{maxTTL=86400}}))
{run.when_full(logged)}{run.when_full(listed)}""")
    return [program("dnsdist"), "-C", path, "--supervised", "--disable-syslog"]


def recursor(run):
    lua = run.write("full.lua", f"""protobufServer("127.0.0.1:{run.spare}", {{logQueries=false, logResponses=true}})
rpzFile("{run.blocked.zone}", {{policyName="bench"}})
""")
    run.write("recursor.conf", f"""local-address=127.0.0.1
local-port={run.port}
threads=1
pdns-distributes-queries=no
reuseport=no
forward-zones={ZONE}=127.0.0.1:{run.upstream},.=127.0.0.1:{run.upstream}
dont-query=
dnssec=off
packetcache-ttl=86400
socket-dir={run.place}
write-pid=no
daemon=no
disable-syslog=yes
quiet=yes
loglevel=3
security-poll-suffix=
webserver=no
{run.when_full(f"lua-config-file={lua}")}
""")
    return [program("pdns_recursor"), f"--config-dir={run.place}"]


def kresd(run):
    logged = f"""modules = {{ dnstap = {{ socket_path = '{run.tap}', client = {{ log_queries = false, log_responses = true }} }} }}
"""
    listed = f"policy.add(policy.rpz(policy.DENY, '{run.blocked.zone}', false))\n"
    path = run.write("kresd.conf", f"""net.ipv6 = false
cache.open(100 * MB, 'lmdb://{run.place}/cache')
trust_anchors.remove('.')
for _, name in ipairs({{ 'ta_update', 'ta_signal_query', 'ta_sentinel', 'priming', 'detect_time_skew', 'detect_time_jump' }}) do
  modules.unload(name)
end
{run.when_full(logged)}{run.when_full(listed)}policy.add(policy.all(policy.STUB('127.0.0.1@{run.upstream}')))
""")
    # It has no setting for the size of its socket's buffer.
    bound = [sys.executable, beside("bound.py"), run.port, RECEIVE_BYTES]
    return [*bound, program("kresd"), "-n", "-S", "{fd}", "-c", path, run.place]


def named(run):
    logged = f"""dnstap {{ client response; }};
  dnstap-output unix "{run.tap}";
  dnstap-identity none;
  dnstap-version none;
  fstrm-set-input-queue-size {TAP_QUEUE};
"""
    listed = f"""response-policy {{ zone "{RPZ}"; }} qname-wait-recurse no;
"""
    zone = f"""zone "{RPZ}" {{ type primary; file "{run.blocked.zone}"; allow-query {{ none; }}; notify no; }};
"""
    path = run.write("named.conf", f"""options {{
  directory "{run.place}";
  listen-on port {run.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  managed-keys-directory "{run.place}";
  recursion yes;
  forwarders {{ 127.0.0.1 port {run.upstream}; }};
  forward only;
  dnssec-validation no;
  minimal-responses yes;
  querylog no;
  udp-receive-buffer {RECEIVE_BYTES};
  {run.when_full(logged)}{run.when_full(listed)}}};
controls {{ }};
logging {{ category default {{ null; }}; }};
{run.when_full(zone)}""")
    return [program("named"), "-f", "-n", 1, "-U", 1, "-c", path]


def dnsmasq(run):
    logged = f"log-queries\nlog-facility={run.kept}\n"
    user = "user=root\ngroup=root\n" if os.geteuid() == 0 else ""
    path = run.write("dnsmasq.conf", f"""port={run.port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-poll
pid-file
server=127.0.0.1#{run.upstream}
cache-size=10000
{user}{run.when_full(logged)}{run.when_full(f"conf-file={run.blocked.dnsmasq}")}
""")
    return [program("dnsmasq"), "-k", "-C", path]


SERVERS = {
    "echo": Server(echo, "echo: recvmmsg, sendmmsg", None, lists=False),
    "nameward": Server(nameward, "Nameward", [NAMEWARD, "--version"], "own", always_logs=True),
    "nameward-apart": Server(
        nameward, "Nameward, its log on the readers' core", [NAMEWARD, "--version"], "own", always_logs=True, log_apart=True
    ),
    "unbound": Server(unbound, "Unbound", ["unbound", "-V"], "dnstap"),
    "dnsdist": Server(dnsdist, "dnsdist", ["dnsdist", "--version"], "dnstap"),
    "recursor": Server(recursor, "PowerDNS Recursor", ["pdns_recursor", "--version"], "protobuf"),
    "kresd": Server(kresd, "Knot Resolver", ["kresd", "-V"], "dnstap", messages_each=2),
    "named": Server(named, "BIND", ["named", "-v"], "dnstap"),
    "dnsmasq": Server(dnsmasq, "dnsmasq", ["dnsmasq", "--version"], "text"),
}


def version(server):
    """What the program says it is."""
    if not server.version:
        return ""
    words = [program(server.version[0]) or server.version[0], *server.version[1:]]
    done = subprocess.run(words, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return found.group(0) if found else "?"
