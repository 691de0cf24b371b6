#!/usr/bin/env bash
# Gives all modules, the examples and what the documents show the version $1, and the jars the time of the last commit.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

version=${1:-}
if ! [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[A-Za-z0-9.]+)?$ ]]; then
  echo "version: expected one such as 0.2.0 or 0.3.0-SNAPSHOT, got '$version'; give it as the only argument" >&2
  exit 2
fi
time=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
git ls-files -z -- '*pom.xml' '*.md' | xargs -0 sed -E -i \
  -e "/<groupId>dev\.causal4j</,/<\/(version|dependency|parent)>/s:<version>[^\$<]*<:<version>$version<:" \
  -e "s|(dev\.causal4j:causal4j[a-z0-9._-]*):[0-9][A-Za-z0-9.-]*|\1:$version|g" \
  -e "s:<causal4j.version>[^<]*<:<causal4j.version>$version<:" \
  -e "s|<project.build.outputTimestamp>[^<]*<|<project.build.outputTimestamp>$time<|"
