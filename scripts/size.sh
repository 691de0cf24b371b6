#!/usr/bin/env bash
# Prints the code lines (without blank lines, comments and imports) of each package under src/main. It informs and fails
# nothing. Generated loops are not counted.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

for module in text core machine server cli hub langchain4j spring-ai spring-boot-starter spark; do
  find "$module/src/main" -name '*.java' ! -name 'Vector*Loops.java' -exec awk -v module="$module" '
    FNR == 1 {
      comment = 0
      package = FILENAME
      sub(/\/[^\/]*$/, "", package)
      sub(/.*\/java\/?/, "", package)
      sub(/^dev\/causal4j\/?/, "", package)
      gsub(/\//, ".", package)
    }
    { sub(/^[ \t]+/, "") }
    comment { if (/\*\//) comment = 0; next }
    /^\/\*/ { comment = !/\*\//; next }
    /^$/ || /^\/\// || /^import / { next }
    { lines[package]++; total++ }
    END {
      for (package in lines) printf "  %-28s %6d\n", package == "" ? "(top)" : package, lines[package] | "sort"
      close("sort")
      printf "%-30s %6d\n", module, total
    }' {} +
done
