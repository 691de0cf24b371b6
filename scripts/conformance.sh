#!/usr/bin/env bash
# Runs the clients that people use against ./causal4j serve: the conformance kit whole, its attacks without those that wait
# for timeouts, and a short load whose answers must have equal bits. Needs Node.js 20 and npm, and says so without them.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/served.sh"

find_node conformance || exit 0
prepare conformance || exit 0
export CAUSAL4J_API_KEY=conformance OPENAI_API_KEY=conformance # of the server and of the kit
serve
kit=$root/server/target/conformance
cd "$kit"
node run.mjs "$url" --skip "${CONFORMANCE_SKIP:-}" >"$kit/run.log" || { grep '^FAIL' "$kit/run.log"; exit 1; }
tail -n 1 "$kit/run.log" | sed 's/^/conformance: /'
node load.mjs "$url" --clients 8 --requests 48 | tail -n 1 | sed 's/^/load: /'
quick=disconnect-mid-stream,disconnect-before-an-answer,slow-reader,oversized-body,header-bombs,malformed-requests,invalid-bodies
quick=$quick,greedy-numbers,schema-bombs,path-traversal,compressed-bomb,upgrades-and-expectations,pipelining,idle-connections,overload
node abuse.mjs "$url" --only $quick --pid $server | grep -v '^PASS' | sed 's/^ */abuse: /'
kill $server
wait $server || [ $? = 143 ]
echo "conformance: the server ended by itself"
