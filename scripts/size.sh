#!/usr/bin/env bash
# Prints the code lines (no blanks, no comments, no imports) of each package beside its budget and fails if one has more. A
# budget grows only together with a deletion that the same commit names. Programs count, not the loops that they write.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# Prints the packages of the module $1. The other arguments are its budgets: packages that share one, joined by commas,
# and the lines they may have. Packages without a name there count as the last.
size() {
  local module=$1
  shift
  find "$module" -path "$module/src/*" -name '*.java' ! -path '*/test/*' ! -name 'Vector*Loops.java' -exec awk -v module="$module" -v budgets="$*" '
    BEGIN {
      n = split(budgets, each, " ") / 2
      for (i = 1; i <= n; i++) {
        most[i] = each[2 * i]
        k = split(each[2 * i - 1], names, ",")
        for (j = 1; j <= k; j++) group[names[j]] = i
        name[i] = each[2 * i - 1]
      }
    }
    FNR == 1 { comment = 0; room = FILENAME; sub(/\/[^\/]*$/, "", room); sub(/.*\//, "", room); at = room in group ? group[room] : n }
    { sub(/^[ \t]+/, "") }
    comment { if (/\*\//) comment = 0; next }
    /^\/\*/ { comment = !/\*\//; next }
    /^$/ || /^\/\// || /^import / { next }
    { lines[at]++ }
    END {
      for (i = 1; i <= n; i++) {
        printf "  %-28s %6d of %6d%s\n", name[i], lines[i], most[i], (lines[i] > most[i] ? "  too many" : "")
        total += lines[i]
        budget += most[i]
        failed = failed || lines[i] > most[i]
      }
      printf "%-30s %6d of %6d\n", module, total, budget
      exit failed
    }' {} +
}

failed=0
size text json 499 tokenizer 1678 chat 2954 constraint 5048 causal4j 133 || failed=1
size core kernel,choice,tensor,compute,loops 4792 format 1091 model,families,gguf 5437 decoder 3935 generation,friend 4328 receipt 581 scoring 2514 \
  head 688 training 1718 flight 90 || failed=1
size machine machine 283 || failed=1
size server server 4075 || failed=1
size cli cli 7068 || failed=1
size hub hub 987 || failed=1
size langchain4j langchain4j 716 || failed=1
size spring-ai springai 652 || failed=1
size spring-boot-starter springboot 417 || failed=1
size spark spark 844 || failed=1
exit $failed
