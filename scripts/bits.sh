#!/usr/bin/env bash
# Computes digests of what the program computes, with each kind of kernels and number of threads, and compares them with
# scripts/bits.txt: probabilities of a text, generated tokens, and the weights after two steps of training, for the embedded
# model in five dtypes, a published GGUF file, and small models of six families, as they are and quantised.
# Prints each difference, and fails if there is one. A release runs it, and so does whoever changes code that computes.
# Usage: scripts/bits.sh [--quick] [--write]     --quick: native kernels alone; --write: replaces bits.txt
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
expected=$root/scripts/bits.txt
quick= write=
for argument in "$@"; do
  case $argument in
    --quick) quick=true ;;
    --write) write=true ;;
    *) echo "bits: expected --quick or --write, got $argument" >&2; exit 2 ;;
  esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

text=$root/LICENSE
shapes=(gpt2-5m llama-5m gemma4-5m qwen3.5-5m lfm2-5m granite4-5m)
threads=2

causal4j() {
  "$root/causal4j" "$@" --threads "$threads" --json
}
# The scores of the first tokens of a text; further arguments choose the model.
scores() {
  echo "$1 scores $(causal4j score "$(head -c 1500 "$text")" --totals "${@:2}" | grep -o 'sha256:[0-9a-f]*')"
}
# Tokens drawn with a seed.
tokens() {
  echo "$1 tokens $(causal4j generate "The license" --max-new-tokens 24 --seed 7 --temperature 1 "${@:2}" |
    grep -o '"tokens":\[[0-9,]*\]' | sha256sum | cut -c 1-64)"
}
# The weights after two steps of training, and what the result scores and draws, quantised too.
trains() {
  local shape=$1 out=$work/$1
  causal4j train --shape "$shape" --data "$text" --held-out 0 --steps 2 --batch-size 2 --context-length 48 --seed 1 \
    --out "$out" >/dev/null
  echo "$shape weights $(sha256sum <"$out/model.safetensors" | cut -c 1-64)"
  scores "$shape" --model "$out"
  scores "$shape-int8" --model "$out" --dtype int8
  tokens "$shape-int4" --model "$out" --dtype int4
  case $shape in
    gpt2-5m | llama-5m)
      for dtype in q8_0 q4_0; do
        causal4j convert --model "$out" --to gguf --dtype "$dtype" --out "$out-$dtype.gguf" >/dev/null
        scores "$shape-$dtype" --model "$out-$dtype.gguf"
      done
      ;;
  esac
  rm -rf "$out" "$out"-*.gguf
}
everything() {
  for dtype in f32 bf16 f16 int8 int4; do
    scores "embedded-$dtype" --dtype "$dtype"
    tokens "embedded-$dtype" --dtype "$dtype"
  done
  local published=$root/core/src/test/resources/dev/causal4j/stories260K/stories260K.gguf
  scores stories260K --model "$published"
  tokens stories260K --model "$published"
  for shape in "${shapes[@]}"; do trains "$shape"; done
}

differs=
# Runs everything with the kernels $1, and compares.
compare() {
  local name="$1 kernels, $threads threads" start=$SECONDS
  if [ "$1" = native ]; then unset CAUSAL4J_JAVA_OPTS; else export CAUSAL4J_JAVA_OPTS="-Dcausal4j.kernels=$1"; fi
  everything >"$work/digests"
  if [ -n "$write" ]; then
    cp "$work/digests" "$expected"
    write=
  fi
  if diff "$expected" "$work/digests" >"$work/diff"; then
    echo "bits: $name: $(wc -l <"$work/digests") digests are equal ($((SECONDS - start)) s)"
  else
    echo "bits: $name: these differ from scripts/bits.txt:"
    sed -n 's/^> /  /p' "$work/diff"
    differs=true
  fi
}
"$root/causal4j" --version # builds
compare native
if [ -z "$quick" ]; then
  for kernels in vector vector256 vector128 scalar; do compare "$kernels"; done
  threads=1
  compare native
fi
if [ -n "$differs" ]; then exit 1; fi
echo "bits: all digests are equal"
