# Sourced by check, after jdk.sh. A test looks at pages in a browser; without one it fails where CI is set, and is
# skipped elsewhere.
find_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then return; fi
  done
  install_package chromium || echo "check: no Chromium, so nobody looks at pages; install one (Debian: apt-get install chromium)" >&2
}
