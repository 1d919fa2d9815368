#!/bin/sh
# Runs a command once for each input file, each in a jail of its own:
#
#   run.sh POLICY OUT COMMAND... < LIST
#
# LIST has the path of an input file on each line; a run has it as stdin, and leaves NAME.out, NAME.err
# and NAME.json (the report) in the directory OUT. What has a report is not run again. Where jail could not
# start the command there is none, and run.sh fails at the end of the list.
#
# OUT and POLICY must lie where the policy lets a run write nothing: run.sh refuses to start otherwise. A
# run could put a symbolic link in the place of another's output.
#
# JOBS is how many run at the same time. HOSTS may name a file for GNU parallel's --sshloginfile, to
# spread them over machines that share this directory and have jail.
set -eu

if [ "${1-}" = --one ]; then
  policy=$2 out=$3 input=$4
  shift 4
  name=$(basename "$input")
  [ -e "$out/$name.json" ] && exit 0
  # The report, not the exit code, says how it ended.
  jail --quiet --kill-on-exit --policy "$policy" --report "$out/$name.json" -- "$@" \
    < "$input" > "$out/$name.out" 2> "$out/$name.err" || true
  # Says nothing of the input: told, and tried again next time.
  if ! [ -e "$out/$name.json" ] ||
    grep -qE '"ending":"(failed|not-started)"' "$out/$name.json"; then
    cat "$out/$name.err" >&2
    rm -f "$out/$name.json"
    exit 1
  fi
  exit 0
fi

[ $# -ge 3 ] || { echo "usage: run.sh POLICY OUT COMMAND... < LIST" >&2; exit 2; }
policy=$1 out=$2
shift 2
mkdir -p "$out"
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
for own in "$out/x" "$policy" "$self"; do
  # A built-in policy has no file.
  case $own in */* | *.toml) ;; *) continue ;; esac
  if ! jail explain "$policy" "write $own" | grep -q '^verdict *denied'; then
    echo "run.sh: a run could change $own; put it outside of what $policy lets it write" >&2
    exit 2
  fi
done
jobs=${JOBS:-$(nproc)}

if [ -n "${HOSTS-}" ]; then
  parallel --quote --jobs "$jobs" --sshloginfile "$HOSTS" --workdir "$PWD" \
    sh "$self" --one "$policy" "$out" {} "$@"
elif command -v parallel > /dev/null && parallel --version 2> /dev/null | grep -q '^GNU parallel'; then
  parallel --quote --jobs "$jobs" sh "$self" --one "$policy" "$out" {} "$@"
else
  xargs -d '\n' -P "$jobs" -I {} sh "$self" --one "$policy" "$out" {} "$@"
fi
