"""The names of a run: those asked, the zone they are in, and a million blocked ones in every form the servers read."""

import os
import random

ZONE = "bench.example"
ASKED = 1000
BLOCKED = 1_000_000
# Of the last ones of the list, so that they are in force only when all of it is.
PROBES = 500
SEED = 5
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ENDINGS = ("com", "net", "org", "info", "top", "xyz", "de", "co.uk", "com.br", "shop")
RPZ = "rpz.block"


def asked(number):
    return f"n{number % ASKED}.{ZONE}"


def zone(folder):
    """The file of the zone, for the authority."""
    path = os.path.join(folder, "zone")
    with open(path, "w") as file:
        file.write(f"$ORIGIN {ZONE}.\n$TTL 86400\n@ SOA ns1 host 1 3600 600 86400 3600\n@ NS ns1\nns1 A 192.0.2.1\n")
        file.writelines(f"n{number} A 192.0.2.2\n" for number in range(ASKED))
    return path


def queries(folder):
    """What dnsperf asks."""
    path = os.path.join(folder, "queries")
    with open(path, "w") as file:
        file.writelines(f"{asked(number)} A\n" for number in range(ASKED))
    return path


def domains():
    """The same names in every run; all different, none asked."""
    drawn, names = random.Random(SEED), {}
    while len(names) < BLOCKED:
        label = "".join(drawn.choices(LETTERS, k=drawn.randint(6, 14)))
        below = drawn.choice(("", "", "", "ads.", "cdn3.track."))
        names[f"{below}{label}.{drawn.choice(ENDINGS)}"] = True
    return list(names)


class Blocked:
    """The list as files: plain names, a response policy zone, settings of dnsmasq.

    All mean the name and everything below it, which takes a response policy zone two records.
    """

    def __init__(self, folder):
        names = domains()
        self.probes = names[-PROBES:]
        self.plain, self.zone, self.dnsmasq = (os.path.join(folder, f"blocked.{form}") for form in ("txt", "zone", "conf"))
        with open(self.plain, "w") as file:
            file.writelines(f"{name}\n" for name in names)
        with open(self.zone, "w") as file:
            file.write(f"$ORIGIN {RPZ}.\n$TTL 86400\n@ SOA localhost. host.{RPZ}. 1 3600 600 86400 3600\n@ NS localhost.\n")
            file.writelines(f"{name} CNAME .\n*.{name} CNAME .\n" for name in names)
        with open(self.dnsmasq, "w") as file:
            file.writelines(f"local=/{name}/\n" for name in names)
