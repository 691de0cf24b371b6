# Sourced by run.sh. What a run is follows from its name: [tune/]SHAPE-ARM/RATE/SEED.

shape_of() { local arm=${1#tune/}; arm=${arm%%/*}; echo "${arm%%-*}"; }
arm_of() { local arm=${1#tune/}; arm=${arm%%/*}; echo "${arm#*-}"; }
seed_of() { echo "${1##*/}"; }
rate_of() { local rest=${1%/*}; echo "${rest##*/}"; }
