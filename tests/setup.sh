#!/usr/bin/env bash
# Install what some tests need: a real SLURM for tests/cluster/, Chromium for the report's looks, Ray (which is optional
# for users, and so not in requirements.lock) into the environment that `python` belongs to.
# Never fails: what cannot be installed is named with its reason, and the tests that need it skip with theirs.
# Quick (a few milliseconds) when everything is there. Set PAPER_ARCADE_NO_INSTALL=1 to install nothing.
set -uo pipefail

# True if every program is found; slurmctld and munged lie in sbin, which a user's PATH may lack.
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }
have_all() { local program; for program in "$@"; do have "$program" || return 1; done; }

updated=
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  [ -n "$updated" ] || apt-get update -qq || return 1
  updated=1
  # A test machine must not start the packages' own daemons: tests/cluster/cluster.sh starts private ones.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  # Another installation may be under way: wait for its lock.
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" </dev/null >/dev/null
}

# need <what for> <packages> <programs>
need() {
  local purpose=$1 packages=$2 programs=$3 reason
  # shellcheck disable=SC2086  # both lists are split on purpose
  have_all $programs && return
  if [ -n "${PAPER_ARCADE_NO_INSTALL:-}" ]; then reason="PAPER_ARCADE_NO_INSTALL is set"
  elif [ "$(id -u)" != 0 ]; then reason="only root can install them"
  elif ! have apt-get; then reason="this system has no apt-get"
  else
    echo "setup: installing $packages ($purpose)"
    # shellcheck disable=SC2086
    apt_install $packages && have_all $programs && return
    reason="apt-get could not install them"
  fi
  echo "setup: $purpose will be skipped: needs $packages, and $reason" >&2
}

need "tests on a SLURM cluster" "munge slurmctld slurmd slurm-client" "munged slurmctld slurmd sbatch squeue"
need "tests of the report in a browser" "chromium" "chromium"
if ! python -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('ray') is None)"; then
  if [ -n "${PAPER_ARCADE_NO_INSTALL:-}" ]; then echo "setup: tests of Ray actors will be skipped: Ray is missing" >&2
  else
    echo "setup: installing Ray (tests of actors on several nodes)"
    python -m pip install -q --disable-pip-version-check --constraint requirements.lock "ray==2.60.0" ||
      echo "setup: tests of Ray actors will be skipped: pip could not install Ray" >&2
  fi
fi
exit 0
