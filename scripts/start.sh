# Sourced by the launchers, after jdk.sh and memory.sh.

# Replaces this process by the program, whose jars and kept classes are in the folder $1; the rest are its arguments.
start() {
  local app=$1 classes=classes each command= helps= flags=("@${BASH_SOURCE[0]%/*}/java.flags")
  shift
  # An option of all commands may stand before the name of one.
  for each in "$@"; do case $each in --debug) ;; *) command=$each && break ;; esac; done

  # Java understands arguments that are not ASCII only with such a locale.
  case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
    *UTF-8 | *utf8 | *UTF8 | *utf-8) ;;
    *) export LC_ALL=C.UTF-8 ;;
  esac
  # Weights lie in large pages where the system has them: a token reads all, and small pages miss the cache of addresses.
  export GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.malloc.hugetlb=1

  # The classes that a build kept.
  if [ "$command" = serve ]; then classes=server; fi
  if [ -e "$app/$classes.jsa" ]; then flags+=(-XX:SharedArchiveFile="$app/$classes.jsa"); fi
  # Bytes that weights and caches may take outside Java's heap. Java could find it out, but takes a tenth of a second for it.
  flags+=(-Dcausal4j.memory="$(memory)")
  # pull --convert packs weights as convert does.
  for each in "$@"; do case $each in --help | -h) helps=true ;; --convert) command=convert ;; esac; done
  case $helps$command in
    true*) flags+=(-XX:TieredStopAtLevel=1) ;; # ends before the second compiler is of use
    # Only commands that compute load the vector module. Java warns about it in one line on standard error.
    generate | chat | run | score | embed | eval | verify | snapshot | train | bench | serve | convert | -V | --version)
      flags+=(--add-modules=jdk.incubator.vector)
      ;;
  esac
  case $command in
    train) flags+=(-XX:MaxNewSize=16m) ;; # a step allocates nothing large
    # Loading a model touches all of the room for new objects, and one text needs little of it. Many at once need more.
    generate | chat | run | verify | bench | convert | inspect) flags+=(-XX:NewSize=16m) ;;
  esac
  # Messages name the program as it was called, in a clone ./causal4j.
  case $0 in ./*) flags+=(-Dcausal4j.command="$0") ;; esac
  if [ -t 1 ]; then flags+=(-Dcausal4j.terminal.out=true); fi
  if [ -t 2 ]; then flags+=(-Dcausal4j.terminal=true); fi
  if [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then flags+=(-Dcausal4j.colors=true); fi

  # shellcheck disable=SC2086 # several flags in one variable
  exec "$JAVA_HOME/bin/java" "${flags[@]}" ${CAUSAL4J_JAVA_OPTS:-} -jar "$app/causal4j-cli.jar" "$@"
}
