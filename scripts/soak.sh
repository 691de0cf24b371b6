#!/usr/bin/env bash
# Asks ./causal4j serve for $1 minutes (20) with 16 clients, a fifth of whose requests end at a random moment because the
# client vanishes. Fails if an answer has other bits than the same request alone, if a request runs on when all are gone, or
# if memory, threads or open files have grown since the first quarter. Needs Node.js 20 and npm.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/served.sh"

find_node soak
prepare conformance
serve
cd "$root/server/target/conformance"
end=$((SECONDS + 60 * ${1:-20}))
quarter=$((SECONDS + 15 * ${1:-20}))
early=(0 0 0)
late=(0 0 0)
round=0
while [ $SECONDS -lt $end ]; do
  round=$((round + 1))
  result=$(node load.mjs "$url" --clients 16 --requests 400 --cancel 0.2 --seed $round) || { echo "$result"; exit 1; }
  now=($(awk '/^VmRSS|^Threads/ { print $2 }' /proc/$server/status) "$(ls /proc/$server/fd | wc -l)")
  echo "soak: round $round, $((now[0] / 1024)) MB, ${now[1]} threads, ${now[2]} open files, $(grep 'cancelled' <<<"$result")"
  for i in 0 1 2; do
    if [ $round = 1 ] || [ $SECONDS -lt $quarter ]; then early[i]=$((now[i] > early[i] ? now[i] : early[i])); fi
    late[i]=${now[i]}
  done
done
echo "soak: at most ${early[*]} kB, threads and open files in the first quarter, ${late[*]} at the end"
[ "${late[0]}" -le $((early[0] * 11 / 10)) ] && [ "${late[1]}" -le $((early[1] + 4)) ] && [ "${late[2]}" -le $((early[2] + 20)) ]
