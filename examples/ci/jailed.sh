#!/bin/sh
# What a CI job runs: sh jailed.sh POLICY REPORTS COMMAND...
#
# Checks the policy, runs the command under it, and leaves the report and a log in the directory
# REPORTS. Ends as the command does; what jail ended, or could not start, is told apart in a last line.
# Needs no privileges: no root, no capability, no namespace.
set -eu

[ $# -ge 3 ] || { echo "usage: jailed.sh POLICY REPORTS COMMAND..." >&2; exit 2; }
policy=$1 reports=$2
shift 2

jail check "$policy"
jail test "$policy"
# What this host cannot enforce is an error here, not a hole later.
jail --policy "$policy" -- true

mkdir -p "$reports"
code=0
jail --kill-on-exit --policy "$policy" --report "$reports/report.json" --log "$reports/log.jsonl" \
  -- "$@" || code=$?

# The report is one line of JSON. Its fields: docs/report.md.
ending=$(sed -n 's/.*"ending":"\([a-z-]*\)".*/\1/p' "$reports/report.json" | head -n 1)
echo "jailed.sh: ending $ending, exit code $code"
exit "$code"
