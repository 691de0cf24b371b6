#!/usr/bin/env bash
# Prints a table of what the forms of a model cost: bytes of the weights' file, bits per byte and perplexity of held-out
# texts, and tokens decoded a second. Q4_K and Q6_K are missing: convert does not write them.
# Usage: scripts/quality.sh MODEL TEXTS.jsonl     MODEL: a folder in Hugging Face layout, or - for the embedded model
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
source=()
if [ "$1" != - ]; then source=(--model "$1"); fi
texts=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The number $1 of a JSON document, the first of this name.
number() {
  grep -o "\"$1\":[-+0-9.Ee]*" | head -n 1 | cut -d : -f 2
}

# Its digits in groups of three.
grouped() {
  sed ':a; s/\B[0-9]\{3\}\>/,&/; ta'
}

printf '| | bytes | bits per byte | perplexity | decode, tokens/s |\n|---|---|---|---|---|\n'
for form in panels/f32 panels/bf16 panels/int8 panels/int4 gguf/bf16 gguf/q8_0 gguf/q4_0; do
  to=${form%/*} dtype=${form#*/} name=${form#panels/}
  out=$work/$dtype.$to
  bytes=$("$root/causal4j" convert "${source[@]}" --to "$to" --dtype "$dtype" --out "$out" --json | number bytes | grouped)
  scored=$("$root/causal4j" score --model "$out" --jsonl "$texts" --totals --out "$work/$dtype.$to.jsonl" --json)
  decode=$("$root/causal4j" bench --model "$out" --prompt 64 --json | number decode_tokens_per_second | cut -d . -f 1 | grouped)
  printf '| %s | %s | %.4f | %.2f | %s |\n' "${name/\// }" "$bytes" "$(number bits_per_byte <<<"$scored")" \
    "$(number perplexity <<<"$scored")" "$decode"
  rm -rf "$out"
done
