#!/usr/bin/env bash
# Fails where a comment or a document has one of the worst words of the table in CONTRIBUTING.md, Prose. Quoted text and code,
# fixtures and generated files are skipped.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

words='behind|go(es|ing)? on|but for|so many|anew|for ever|(is|are) none|of no use|ahead of|in the place of|nobody wants'
begins='(That of|Those|What|Of which) '

skipped=(':!*/test/resources/*' ':!*/VectorLoops.java' ':!*/VectorTileLoops.java')

git ls-files -- '*.md' '*.java' '*.c' '*.h' '*.js' '*.mjs' '*.sh' '*.py' '*.xml' '*.yml' .ci/run check causal4j "${skipped[@]}" |
  xargs awk -v words="$words" -v begins="$begins" '
    FNR == 1 { code = 0; document = FILENAME ~ /\.md$/; shell = FILENAME ~ /(\.(sh|py|yml)|run|check|causal4j)$/ }
    { text = $0 }
    document && /^ *```/ { code = !code }
    document && (code || /^    /) { next }
    !document {
      if (shell) { if (!match(text, /(^|[ \t])# /)) next }
      else if (!match(text, /(^|[ \t])(\/\/|\/\*\*?|<!--)( |$)|^[ \t]*\*( |$)/)) next
      text = substr(text, RSTART + RLENGTH)
    }
    {
      gsub(/`[^`]*`|"[^"]*"|\{@code [^}]*\}/, "x", text)
      gsub(/What would change our mind|there (is|are) none/, "", text)
      text = " " text " "
      if (match(tolower(text), "[^a-z](" words ")[^a-z]") || match(text, "([.:;!?*|)>-]|^) *" begins)) {
        print FILENAME ":" FNR ": " $0
        failed = 1
      }
    }
    END {
      if (failed) print "words: expected other words for these, see the table in CONTRIBUTING.md, Prose"
      exit failed
    }'
