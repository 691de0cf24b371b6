#!/usr/bin/env bash
# Prints the code lines (no blanks, no comments) of each package and fails if a module has more than its budget.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# Prints the packages of the module $1, which may have $2 lines.
size() {
  find "$1/src/main/java" -name '*.java' -exec awk -v module="$1" -v budget="$2" '
    FNR == 1 { comment = 0; room = FILENAME; sub(/\/[^\/]*$/, "", room); sub(/.*\//, "", room) }
    { sub(/^[ \t]+/, "") }
    comment { if (/\*\//) comment = 0; next }
    /^\/\*/ { comment = !/\*\//; next }
    /^$/ || /^\/\// { next }
    { lines[room]++; total++ }
    END {
      for (room in lines) printf "  %-12s %6d\n", room, lines[room] | "sort"
      close("sort")
      printf "%-14s %6d of at most %d\n", module, total, budget
      exit total > budget
    }' {} +
}

failed=0
size core 20730 || failed=1
size server 2340 || failed=1
size langchain4j 690 || failed=1
size spark 720 || failed=1
size hub 980 || failed=1
size cli 3840 || failed=1
exit $failed
