"""The programs a run needs from Debian: which are missing, and how they are installed without starting their services."""

import os
import shutil
import subprocess

# Package, and a program that tells that it is there.
PACKAGES = {
    "unbound": "unbound",
    "knot-resolver": "kresd",
    "pdns-recursor": "pdns_recursor",
    "dnsdist": "dnsdist",
    "bind9": "named",
    "dnsmasq-base": "dnsmasq",
    "nsd": "nsd",
    "dnsperf": "dnsperf",
    "fstrm-bin": "fstrm_capture",
}
SERVICES = {
    "unbound": "unbound",
    "knot-resolver": "kresd.target",
    "pdns-recursor": "pdns-recursor",
    "dnsdist": "dnsdist",
    "bind9": "named",
    "nsd": "nsd",
}
# Where servers are, which not everyone's path has.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
POLICY = "/usr/sbin/policy-rc.d"
ASIDE = POLICY + ".aside"


def program(name):
    return shutil.which(name, path=SEARCHED)


def missing():
    return [package for package, name in PACKAGES.items() if not program(name)]


def install():
    """Installs what is missing; nothing that was not running runs afterwards, nor after the next start of the machine."""
    wanted = missing()
    if not wanted:
        return
    had = os.path.lexists(POLICY)
    if had:
        os.rename(POLICY, ASIDE)
    try:
        with open(POLICY, "w") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(POLICY, 0o755)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], env=quiet, check=True)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *wanted], env=quiet, check=True)
        if os.path.isdir("/run/systemd/system"):
            units = [SERVICES[package] for package in wanted if package in SERVICES]
            subprocess.run(["systemctl", "disable", *units], check=False)
    finally:
        os.remove(POLICY)
        if had:
            os.rename(ASIDE, POLICY)
