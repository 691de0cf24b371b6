#!/usr/bin/env bash
# Uses the page of ./causal4j serve in a headless Chromium; an argument names a folder for screenshots. Needs Chromium,
# Node.js 20 and npm, and says so without them.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/served.sh"

browser=$(command -v chromium chromium-browser google-chrome | head -n 1 || true)
if [ -z "$browser" ]; then
  echo "page: skipped, since there is no chromium, chromium-browser or google-chrome"
  exit 0
fi
find_node page || exit 0
prepare page || exit 0
serve
cd "$root/server/target/page"
node run.mjs "$browser" "$root/causal4j" "$url" "$@" | grep -v '^PASS'
