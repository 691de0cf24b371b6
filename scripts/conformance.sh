#!/usr/bin/env bash
# Runs the clients that people use against ./causal4j serve: the conformance kit whole except for paths that the server does not
# have, on the embedded model and on one with tools that a test wrote; the examples for Node.js; attacks without those that wait
# for timeouts; a short load whose answers must have equal bits; recorded calls of each family, of models that a test
# wrote; and two of these models in one server.
# With --clients it runs the examples and those checks of the kit alone that a client makes. Needs Node.js 20 and npm, and says
# so without them.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/served.sh"

find_node conformance || exit 0
prepare conformance || exit 0
export CAUSAL4J_API_KEY=conformance OPENAI_API_KEY=conformance # of the server and of the kit
serve --alias gpt-5.5 --alias gpt-5-mini --pooling mean
kit=$root/server/target/conformance
cd "$kit"
only=()
if [ "${1:-}" = --clients ]; then only=(--only clients); fi
# Runs the part $1 of the kit without $2; tools, schemas and responses must be there.
checks() {
  local log=$kit/${1%.mjs}.log
  node "$1" "$url" --require json,tools,responses,embeddings --skip "$2" "${@:3}" ${only[@]+"${only[@]}"} >"$log" || { grep '^FAIL' "$log"; exit 1; }
  tail -n 1 "$log" | sed 's/^/conformance: /'
}
# Prints the beginning of what the example $1 prints, unchanged except for the address.
example() {
  local text
  cp "$root/examples/openai-node/$1" "example-$1"
  text=$(OPENAI_BASE_URL=$url/v1 node "example-$1")
  if [ -z "$text" ]; then echo "example: $1: expected a text, got none"; exit 1; fi
  printf 'example: %s: %.60s\n' "$1" "${text//$'\n'/ }"
}

checks run.mjs "${CONFORMANCE_SKIP:-}"
checks run2.mjs "responses-of-another-key,rerank,score,${CONFORMANCE_SKIP:-}"
example openai.mjs
example ai-sdk.mjs
if [ ${#only[@]} -gt 0 ]; then exit; fi
node load.mjs "$url" --clients 8 --requests 48 | tail -n 1 | sed 's/^/load: /'
quick=disconnect-mid-stream,disconnect-before-an-answer,slow-reader,oversized-body,header-bombs,malformed-requests,invalid-bodies
quick=$quick,greedy-numbers,schema-bombs,path-traversal,compressed-bomb,upgrades-and-expectations,pipelining,idle-connections,overload
node abuse.mjs "$url" --only $quick --pid $server | grep -v '^PASS' | sed 's/^ */abuse: /'
kill $server
wait $server || [ $? = 143 ]
echo "conformance: the server ended by itself"

# A model with tools and room for agents, and two keys. It ends a document twelve objects deep later than that check waits.
printf 'conformance\nother\n' >"$kit/keys"
start "$kit/tools.out" --model "$root/server/target/kit-model" --api-key-file "$kit/keys" --pooling mean
address "$kit/tools.out"
checks run2.mjs "format-nested-twelve-deep,rerank,score,${CONFORMANCE_SKIP:-}" --other-key other
kill $server

# Each server answers one request, so the second compiler would be useless.
recorded=()
for folder in "$root"/server/target/recorded/*/; do
  CAUSAL4J_JAVA_OPTS="-XX:TieredStopAtLevel=1 -Dcausal4j.kernels=scalar" start "$folder/serve.out" --model "$folder" --tool-format "$(basename "$folder")"
done
for folder in "$root"/server/target/recorded/*/; do
  address "$folder/serve.out"
  recorded+=("$url=$folder/expected.json")
done
node recorded.mjs "${recorded[@]}" >"$kit/recorded.log" || { grep '^FAIL' "$kit/recorded.log"; exit 1; }
tail -n 1 "$kit/recorded.log" | sed 's/^/recorded calls: /'

# Two of these models in one server.
folders=("$root"/server/target/recorded/*/)
two=$root/server/target/two.out
start "$two" --model "one=${folders[0]}" --model "two=${folders[1]}"
address "$two"
checks run3.mjs "${CONFORMANCE_SKIP:-}" one --second-model two
