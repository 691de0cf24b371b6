# Sourced by scripts that use ./causal4j serve with programs of Node.js.

# Fails with a line for the check $1 if there is no Node.js.
find_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  if [ "$major" -lt 20 ] || ! command -v npm >/dev/null; then
    echo "$1: skipped, since there is no Node.js 20 with npm"
    return 1
  fi
}

# Puts the folder server/src/test/$1 with its packages into server/target/$1. Fails with a line if npm cannot fetch them.
prepare() {
  local kit=$root/server/target/$1
  mkdir -p "$kit"
  cp -R "$root/server/src/test/$1/." "$kit"
  if ! cmp -s "$kit/package-lock.json" "$kit/node_modules/installed"; then
    if ! (cd "$kit" && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/installed); then
      echo "$1: skipped, since npm cannot fetch its packages"
      return 1
    fi
  fi
}

# Serves the embedded model until the script ends, as the process $server at $url.
serve() {
  local out=$root/server/target/${0##*/}.out
  "$root/causal4j" serve --port 0 >"$out" 2>"$out.log" &
  server=$!
  trap 'kill $server 2>/dev/null || true' EXIT
  for _ in $(seq 1200); do
    if grep -q '^Serving ' "$out" || ! kill -0 $server 2>/dev/null; then break; fi
    sleep 0.1
  done
  url=$(sed -n 's/^Serving .* at //p' "$out")
  if [ -z "$url" ]; then
    cat "$out.log"
    exit 1
  fi
}
