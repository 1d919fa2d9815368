#!/bin/sh
# A step of a CI job in a jail. README.md beside this file says how to use it.
#
#   step.sh run EVIDENCE COMMAND...   run COMMAND, and leave what happened in the directory EVIDENCE
#   step.sh finish EVIDENCE           show what happened; fail if it is not what `run` declared
#
# JAIL_POLICY  policies: presets or files, a line each (workspace)
# JAIL_MODE    enforce: deny what the policies do not allow
#              audit: let it through, except for what is guarded, and write what they lack
# JAIL_BIN     the jail binary (jail)
set -eu

: "${JAIL_POLICY:=workspace}" "${JAIL_MODE:=enforce}" "${JAIL_BIN:=jail}"

fail() {
  echo "jail step: $*" >&2
  exit 125
}

[ $# -ge 2 ] || fail "usage: step.sh run EVIDENCE COMMAND... | step.sh finish EVIDENCE"
action=$1
evidence=$2
shift 2
case $JAIL_MODE in enforce | audit) ;; *) fail "mode is \"$JAIL_MODE\"; it must be enforce or audit" ;; esac
jail=$(command -v "$JAIL_BIN") || fail "$JAIL_BIN is not found; install jail in an earlier step, or set JAIL_BIN"

# Without blanks around a policy, and without empty lines.
JAIL_POLICY=$(printf '%s\n' "$JAIL_POLICY" | sed 's/^[[:blank:]]*//; s/[[:blank:]]*$//; /^$/d')
[ -n "$JAIL_POLICY" ] || fail "JAIL_POLICY names no policy"

# Calls "$@" with each policy.
each_policy() {
  while IFS= read -r policy; do
    "$@" "$policy" || return
  done <<END
$JAIL_POLICY
END
}

# What may not change between `run` and `finish`: mode, policies with all that they extend, binary and this script.
declared() {
  echo "mode $JAIL_MODE"
  cksum "$jail" "$0"
  # Also tells, before the command is started, what this host cannot enforce.
  code=0
  with_policies --policy --quiet --report "$evidence/trial.json" -- true > /dev/null || code=$?
  [ "$code" -ne 125 ] || fail "the policy cannot be enforced here; nothing was run"
  digest "$evidence/trial.json"
}

# The report is one line of JSON (docs/report.md).
digest() {
  sed -n 's/.*"policy":{[^}]*"digest":"\([^"]*\)".*/policy \1/p' "$1"
}

# What the command could change could hide what it did.
out_of_reach() {
  policy=$1
  set -- "$evidence/log.jsonl" "$evidence/report.json" "$jail" "$0"
  # One verdict for each request, in their order.
  verdicts=$("$jail" explain "$policy" "write $1" "write $2" "write $3" "write $4" | sed -n 's/^verdict *//p')
  while IFS= read -r verdict; do
    case $verdict in denied*) shift ;; *) break ;; esac
  done <<END
$verdicts
END
  [ $# -eq 0 ] ||
    fail "policy $policy would let the command change $1; put it outside of what the policy opens for writing"
}

# GitHub takes lines of a step's output for commands to the runner: not those of the command.
stop_commands() {
  token=
  [ -z "${GITHUB_ACTIONS-}" ] || token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  [ -z "$token" ] || echo "::stop-commands::$token"
}

start_commands() {
  [ -z "$token" ] || echo "::$token::"
}

run() {
  [ $# -ge 1 ] || fail "there is no command"
  mkdir -p "$evidence"
  evidence=$(cd "$evidence" && pwd -P)
  rm -f "$evidence/report.json" "$evidence/log.jsonl" "$evidence/learned.toml"
  each_policy "$jail" check
  each_policy out_of_reach
  declared > "$evidence/declared"
  code=0
  stop_commands
  case $JAIL_MODE in
    enforce) enforce "$@" || code=$? ;;
    audit) audit "$@" || code=$? ;;
  esac
  start_commands
  echo "exit $code" > "$evidence/exit"
  [ -z "${GITHUB_OUTPUT-}" ] || echo "exit-code=$code" >> "$GITHUB_OUTPUT"
  exit "$code"
}

# The options are collected in front of the command.
enforce() {
  set -- --kill-on-exit --report "$evidence/report.json" --log "$evidence/log.jsonl" --log-accesses -- "$@"
  with_policies --policy "$@"
}

audit() {
  set -- -o "$evidence/learned.toml" -- "$@"
  with_policies --extends "$@"
}

with_policies() {
  option=$1
  shift
  while IFS= read -r policy; do
    set -- "$option" "$policy" "$@"
  done <<END
$(printf '%s\n' "$JAIL_POLICY" | sed -n '1!G;h;$p')
END
  [ "$option" = --policy ] || set -- learn "$@"
  "$jail" "$@"
}

# Of GitHub's job, or on stdout.
summary() {
  if [ -n "${GITHUB_STEP_SUMMARY-}" ]; then cat >> "$GITHUB_STEP_SUMMARY"; else cat; fi
}

finish() {
  [ -d "$evidence" ] || fail "there is no $evidence: the command was not run"
  evidence=$(cd "$evidence" && pwd -P)
  case $JAIL_MODE in
    enforce) show_run ;;
    audit) show_audit ;;
  esac
  [ -f "$evidence/exit" ] || fail "the step was ended before the command was"
  declared > "$evidence/declared.now"
  cmp -s "$evidence/declared" "$evidence/declared.now" ||
    fail "the mode, a policy, $jail or $0 changed after the command was started; what was enforced is not what is declared"
  [ "$JAIL_MODE" = audit ] || [ "$(digest "$evidence/report.json")" = "$(sed -n '/^policy /p' "$evidence/declared")" ] ||
    fail "the report is of another policy; what was enforced is not what is declared"
}

show_run() {
  [ -f "$evidence/report.json" ] || fail "there is no report: the command was not run under the policy"
  [ -f "$evidence/log.jsonl" ] || fail "there is no log: the command was not run under the policy"
  [ -z "${GITHUB_ACTIONS-}" ] || "$jail" report "$evidence/log.jsonl" --format github
  format=text
  [ -z "${GITHUB_STEP_SUMMARY-}" ] || format=markdown
  "$jail" report "$evidence/log.jsonl" --format "$format" | summary
  "$jail" report "$evidence/log.jsonl" -o "$evidence/run.html"
}

show_audit() {
  [ -f "$evidence/learned.toml" ] || fail "there is no learned policy: the command was not run in an audit"
  entries=$(sed '/^#/d; /^extends/d; /^[[:blank:]]*$/d' "$evidence/learned.toml")
  {
    echo "### jail: audit"
    echo
    if [ -z "$entries" ]; then
      echo "The policy allows all that the command did."
    else
      echo "This policy allows what the command did, and what its policy lacks:"
      echo
      # Four spaces make code of any text.
      sed 's/^/    /' "$evidence/learned.toml"
    fi
  } | summary
  if [ -n "${GITHUB_ACTIONS-}" ] && [ -n "$entries" ]; then
    echo "::warning title=jail%3A audit::the policy lacks what the command did; the summary has the entries"
  fi
}

case $action in
  run) run "$@" ;;
  finish) finish ;;
  *) fail "\"$action\" is neither run nor finish" ;;
esac
