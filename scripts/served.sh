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

servers=()

# Starts a server, the process $server, until the script ends. It prints to the file $1; the other arguments are its options.
start() {
  local out=$1
  shift
  "$root/causal4j" serve --port 0 "$@" >"$out" 2>"$out.log" &
  server=$!
  servers+=($server)
  trap 'kill "${servers[@]}" 2>/dev/null || true' EXIT
}

# Waits for the server that prints to the file $1; its address is then $url.
address() {
  for _ in $(seq 1200); do
    if grep -q '^Serving ' "$1" || ! kill -0 $server 2>/dev/null; then break; fi
    sleep 0.1
  done
  url=$(sed -n 's/^Serving .* at //p' "$1")
  if [ -z "$url" ]; then
    cat "$1.log"
    exit 1
  fi
}

# Serves the embedded model with the given options until the script ends, as the process $server at $url.
serve() {
  local out=$root/server/target/${0##*/}.out
  start "$out" "$@"
  address "$out"
}
