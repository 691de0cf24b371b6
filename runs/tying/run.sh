#!/usr/bin/env bash
# Runs the experiments of PLAN.md: runs/tying/run.sh [--quick] E1|E2|E3|E5|E7...
# Trains what has no record yet, two single-threaded runs at a time, each from its last checkpoint if it was interrupted.
# A finished run leaves its record in runs/tying/records; the report of them goes to docs/results/tying.
#   runs/tying/run.sh --again NAME...     does recorded runs again and compares the digests
#   runs/tying/run.sh --list E1...        names the runs, and says which have a record
# TYING_WORK is the folder for corpora and checkpoints, by default target/tying; TYING_JOBS the runs at a time.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
. scripts/jdk.sh
. runs/tying/arms.sh
find_jdk

work=${TYING_WORK:-target/tying}
records=${TYING_RECORDS:-runs/tying/records}
app=${TYING_APP:-cli/target/app}
export TYING_WORK=$work TYING_RECORDS=$records TYING_APP=$app

causal4j() {
  if [ -n "${TYING_APP_COPY:-}" ]; then # a copy of the jars, so that a build does not replace them while a run has them open
    . scripts/memory.sh
    . scripts/start.sh
    (start "$TYING_APP_COPY" "$@")
  else
    ./causal4j "$@"
  fi
}

# The program $1 of this folder, with the classes of the application.
program() {
  local name=$1
  shift
  "$JAVA_HOME/bin/java" --add-modules=jdk.incubator.vector -cp "${TYING_APP_COPY:-cli/target/app}/*" "runs/tying/$name.java" "$@" 2> >(grep -v incubator >&2)
}

# The corpus $1 and its tokenizer of 4,096 entries.
corpus() {
  runs/tying/corpus.sh "$1"
  if [ ! -f "$work/$1/tokenizer/tokenizer.json" ]; then
    causal4j tokenizer train --data "$work/$1/training.jsonl" --vocabulary-size 4096 --out "$work/$1/tokenizer"
  fi
}

# Trains the run $1 unless it has a record.
one() {
  local name=$1 run=$work/runs/$1 record=$records/$1 data=$work/$(corpus_of "$1") from= parent
  if [ -f "$record/run.json" ]; then return; fi
  mkdir -p "$run" "$record"
  config_of "$name" >"$record/config.json"
  from=$(fork_of "$name")
  if [ -n "$from" ] && [ ! -d "$run/checkpoint-${from##*@}" ] && ! ls -d "$run"/checkpoint-* >/dev/null 2>&1; then
    parent=${from%@*}
    if [ ! -d "$work/runs/$parent/checkpoint-${from##*@}" ]; then TYING_RECORDS=$work/again one_again "$parent"; fi
    from="--from $work/runs/$parent/checkpoint-${from##*@}"
  else
    from=
  fi
  # shellcheck disable=SC2046,SC2086 # several options in one variable
  causal4j train --data "$data/training.jsonl" --held-out-data "$data/held-out.jsonl" --cut documents \
    --config "$record/config.json" --tokenizer "$data/tokenizer" --out "$run" --resume $from $(options_of "$name") \
    --batch-size 8 --eval-tokens 131072 --checkpoint-interval 100 --threads 1 >"$run/log" 2>&1
  program Record "$run" "$record" "$name" "$(options_of "$name")"
  rm -rf "$run/data"
  echo "$(date +%H:%M) $name done"
}
