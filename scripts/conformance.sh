#!/usr/bin/env bash
# Runs the clients that people use against ./causal4j serve: the conformance kit whole, its attacks without those that wait
# for timeouts, and a short load whose answers must have equal bits. Needs Node.js 20 and npm, and says so without them.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
kit=$root/server/target/conformance
out=$root/server/target/serve.out

major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$major" -lt 20 ] || ! command -v npm >/dev/null; then
  echo "conformance: skipped, since there is no Node.js 20 with npm"
  exit 0
fi

mkdir -p "$kit"
cp -R "$root"/server/src/test/conformance/. "$kit"
if ! cmp -s "$kit/package-lock.json" "$kit/node_modules/installed"; then
  (cd "$kit" && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/installed)
fi

"$root/causal4j" serve --port 0 >"$out" 2>"$out.log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  if grep -q '^Serving ' "$out" || ! kill -0 $server 2>/dev/null; then break; fi
  sleep 0.1
done
url=$(sed -n 's/^Serving .* at //p' "$out")
if [ -z "$url" ]; then
  cat "$out.log"
  exit 1
fi

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
