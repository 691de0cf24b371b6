#!/usr/bin/env bash
# Runs the experiments of PLAN.md: runs/tying/run.sh E1|E2|E3|E5|E7...
# Trains what has no record, two single-threaded runs at a time, each from its last checkpoint if it was interrupted. A
# finished run leaves its record in runs/tying/records. corpus.sh says where the texts come from.
#   runs/tying/run.sh --list E1 E3      the runs in their order, and which have a record
#   runs/tying/run.sh --report          writes docs/results/tying from the records
#   runs/tying/run.sh --quick           tests branches, kills and resumptions on a tiny model, without a corpus
#   runs/tying/run.sh --again NAME...   does recorded runs again and compares every byte of their records; a NAME is
#                                       [tune/]ARM/RATE/SEED, such as S1-tied/8e-3/1
# TYING_WORK is the folder of corpora and checkpoints, by default target/tying; TYING_JOBS is the number of runs at a time;
# TYING_LAUNCHER and TYING_LIBRARIES are the program and its jars, by default this checkout's.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
. scripts/jdk.sh
find_jdk

export TYING_WORK=${TYING_WORK:-target/tying} TYING_LAUNCHER=${TYING_LAUNCHER:-./causal4j}
command=train
case ${1:-} in
  --list | --again | --report | --quick) command=${1#--} && shift ;;
esac
if [ $# = 0 ] && [ $command != report ] && [ $command != quick ]; then echo "usage: runs/tying/run.sh [--list | --again | --report | --quick] NAME..." >&2 && exit 2; fi

"$TYING_LAUNCHER" --version >/dev/null # builds, once for all runs
if [ $command = train ] || [ $command = again ]; then
  for corpus in reference books; do
    runs/tying/corpus.sh $corpus
    if [ ! -f "$TYING_WORK/$corpus/tokenizer/tokenizer.json" ]; then
      "$TYING_LAUNCHER" tokenizer train --data "$TYING_WORK/$corpus/training.jsonl" --vocabulary-size 4096 \
        --out "$TYING_WORK/$corpus/tokenizer"
    fi
  done
fi
exec "$JAVA_HOME/bin/java" --add-modules=jdk.incubator.vector -cp "${TYING_LIBRARIES:-cli/target/app}/*" runs/tying/Tying.java $command "$@"
