#!/usr/bin/env bash
# Puts the library and the embedded model into the local Maven repository, without tests. More modules by name, for instance
# `scripts/install.sh server hub`; arguments that begin with - go to Maven, for instance -Dmaven.repo.local=DIR.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/jdk.sh"
find_jdk

modules=model-austen
while [ $# -gt 0 ] && [[ $1 != -* ]]; do
  modules+=,$1
  shift
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing text, core, ${modules//,/, } ..." >&2
if ! maven -Dmaven.test.skip=true -Dspotless.check.skip=true -pl "$modules" -am install "$@" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
sed -n 's/.*Installing .*\.jar to .*\/\(.*\)\.jar$/\1/p' "$log"
