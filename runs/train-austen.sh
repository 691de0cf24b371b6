#!/usr/bin/env bash
# Makes the embedded model: fetches Jane Austen's novels, learns byte pairs, trains, scores what was held out, and writes
# ten samples. With --install the result replaces the model in model-austen. Interrupted, it continues when called again.
# Usage: runs/train-austen.sh [--install] [TEXT]     TEXT: a file with the novels, instead of Debian's r-cran-janeaustenr
set -euo pipefail
install=false
if [ "${1:-}" = --install ]; then install=true && shift; fi
text=${1:+$(realpath -- "$1")}
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/jdk.sh
find_jdk

work=${AUSTEN_WORK:-target/austen}
mkdir -p "$work"
source=${text:-$work/Rdata.rdb}

if [ -z "$text" ] && [ ! -f "$source" ]; then
  archive=$work/r-cran-janeaustenr_1.0.0-1_all.deb
  [ -f "$archive" ] || (cd "$work" && apt-get download r-cran-janeaustenr=1.0.0-1)
  echo "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95  $archive" | sha256sum --check --quiet
  dpkg-deb --fsys-tarfile "$archive" | tar -xO ./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb >"$source.part"
  mv "$source.part" "$source"
fi

"$JAVA_HOME/bin/java" runs/JaneAusten.java "$source" "$work"
if [ ! -f "$work/tokenizer/tokenizer.json" ]; then
  ./causal4j tokenizer train --data "$work/training.jsonl" --vocabulary-size 3072 --out "$work/tokenizer"
fi

resume=--overwrite # what was begun before there was a checkpoint
if ls -d "$work"/model/checkpoint-* >/dev/null 2>&1; then resume=--resume; fi
./causal4j train --data "$work/training.jsonl" --held-out-data "$work/held-out.jsonl" --cut documents \
  --shape gpt2-5m --tokenizer "$work/tokenizer" --out "$work/model" $resume \
  --steps 4500 --batch-size 8 --learning-rate 1.5e-3 --warmup-steps 200 --beta2 0.99 --dropout 0.1 \
  --evaluation-interval 250 --checkpoint-interval 250 --dtype bf16 --seed 1

./causal4j score --model "$work/model" --jsonl "$work/held-out.jsonl" --out "$work/held-out-scores.jsonl" --overwrite
for seed in 1 2 3 4 5 6 7 8 9 10; do
  echo "--- seed $seed"
  ./causal4j generate "" --model "$work/model" --temperature 0.8 --top-p 0.95 --max-new-tokens 120 --seed $seed
done | tee "$work/samples.txt"

if $install; then
  resources=model-austen/src/main/resources/dev/causal4j/austen
  cp "$work"/model/config.json "$work"/model/tokenizer.json "$work"/model/model.safetensors "$resources"
fi
