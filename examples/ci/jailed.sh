#!/bin/sh
# What a CI job runs: sh jailed.sh POLICY EVIDENCE COMMAND...
#
# Checks the policy, runs the command under it in the current directory, and leaves the report and a log
# in the directory EVIDENCE. Ends as the command does; what jail ended, or could not start, is told apart
# in a last line. Needs no privileges: no root, no capability, no namespace.
#
# POLICY, EVIDENCE, this script and jail itself must lie where the policy lets the command write nothing:
# outside of the checkout. The script refuses to run otherwise.
#
# JAIL_CACHE may name a directory in which package managers keep what they have fetched. Jails share it:
# one that may reach a registry fills it, one without a network reads it. Use it for nothing else.
set -eu

[ $# -ge 3 ] || { echo "usage: jailed.sh POLICY EVIDENCE COMMAND..." >&2; exit 2; }
policy=$1 evidence=$2
shift 2
mkdir -p "$evidence"
evidence=$(cd "$evidence" && pwd -P)

# The resolver that a policy with names may ask: $JAIL_RESOLVER.
: "${JAIL_RESOLVER:=$(sed -n 's/^nameserver *\([0-9.]*\)$/\1/p' /etc/resolv.conf | head -n 1)}"
export JAIL_RESOLVER

jail check "$policy"
jail test "$policy"

program=$(command -v jail)
for own in "$evidence/log.jsonl" "$evidence/report.json" "$policy" "$0" "$program"; do
  # A built-in policy has no file.
  case $own in */* | *.toml) ;; *) continue ;; esac
  if ! jail explain "$policy" "write $own" | grep -q '^verdict *denied'; then
    echo "jailed.sh: the command could change $own; put it outside of what $policy lets it write" >&2
    exit 2
  fi
done

if [ -n "${JAIL_CACHE-}" ]; then
  mkdir -p "$JAIL_CACHE"
  set -- env "CARGO_HOME=$JAIL_CACHE/cargo" "GOMODCACHE=$JAIL_CACHE/go/mod" "GOCACHE=$JAIL_CACHE/go/build" \
    "npm_config_cache=$JAIL_CACHE/npm" "PIP_CACHE_DIR=$JAIL_CACHE/pip" "$@"
fi

# What this host cannot enforce is an error here, not a hole later.
jail --policy "$policy" -- true

# GitHub takes lines of the output for commands to the runner: not those of the jail.
stop=
if [ -n "${GITHUB_ACTIONS-}" ]; then
  stop=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "::stop-commands::$stop"
fi
code=0
jail --kill-on-exit --policy "$policy" --report "$evidence/report.json" --log "$evidence/log.jsonl" \
  -- "$@" || code=$?
[ -z "$stop" ] || echo "::$stop::"

# The report is one line of JSON. Its fields: docs/report.md.
ending=$(sed -n 's/.*"ending":"\([a-z-]*\)".*/\1/p' "$evidence/report.json" | head -n 1)
echo "jailed.sh: ending $ending, exit code $code"
exit "$code"
