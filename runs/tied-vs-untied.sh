#!/usr/bin/env bash
# Trains a tied and an untied model of three sizes on one text, with equal steps, seeds and data, and writes a table
# of what they reached. Usage: runs/tied-vs-untied.sh TEXT|FOLDER... (for instance what train-austen.sh left in its
# folder: training.jsonl). The last twentieth of the text is held out. Interrupted, it continues when called again.
set -euo pipefail
if [ $# = 0 ]; then echo "usage: runs/tied-vs-untied.sh TEXT|FOLDER..." >&2 && exit 2; fi
data=()
for each in "$@"; do data+=("$(realpath -- "$each")"); done
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/jdk.sh
find_jdk

work=${TIED_WORK:-target/tied-vs-untied}
steps=${TIED_STEPS:-1500}
mkdir -p "$work"
if [ ! -f "$work/tokenizer/tokenizer.json" ]; then
  ./causal4j tokenizer train --data "${data[@]}" --vocabulary-size 4096 --out "$work/tokenizer"
fi

# hidden size, layers: the vocabulary is most of the first model and a third of the last.
for size in "64 2" "128 3" "192 4"; do
  read -r hidden layers <<<"$size"
  for tied in true false; do
    out=$work/$hidden-$([ $tied = true ] && echo tied || echo untied)
    if [ -f "$out/summary.json" ]; then continue; fi
    mkdir -p "$out"
    echo '{"model_type": "gpt2", "vocab_size": 4096, "n_positions": 128, "n_embd": '"$hidden"', "n_layer": '"$layers"',
      "n_head": '$((hidden / 64))', "tie_word_embeddings": '$tied'}' >"$out.json"
    ./causal4j train --data "${data[@]}" --config "$out.json" --tokenizer "$work/tokenizer" --out "$out" --overwrite --json \
      --steps "$steps" --batch-size 8 --learning-rate 2e-3 --warmup-steps 100 --evaluation-interval 100 --seed 1 |
      tail -n 1 >"$out.part"
    mv "$out.part" "$out/summary.json"
    echo "$out: $(cat "$out/summary.json")"
  done
done
"$JAVA_HOME/bin/java" -cp "cli/target/app/*" runs/TiedVsUntied.java "$work"
