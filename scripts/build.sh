# Sourced by causal4j, after jdk.sh. Builds the jars it runs into cli/target/app when there are none or sources are newer.

app=$root/cli/target/app

is_stale() {
  [ ! -f "$app/built" ] ||
    [ -n "$(find "$root/pom.xml" "$root/bom/pom.xml" "$root"/{text,core,machine,model-austen,server,hub,cli}/{pom.xml,src/main} -newer "$app/built" -print 2>/dev/null | head -n 1)" ]
}

build_if_stale() {
  local target=$root/cli/target
  if ! is_stale; then return; fi
  mkdir -p "$target"
  lock "$target/launcher.building" # two first uses at once must not build at once
  if is_stale; then
    echo "causal4j: building (the first time this fetches dependencies and takes a minute)" >&2
    rm -rf "$app.new" "$target/lib"
    mkdir "$app.new"
    touch "$app.new/built" # sources that change while we build are newer than this
    if [ -z "${CAUSAL4J_ANALYSIS+set}" ]; then touch "$app.new/unanalysed"; fi
    # Analysis takes as long as the rest of the build, and is for those who change the sources.
    if ! package cli "$target/launcher.log" ${CAUSAL4J_ANALYSIS--Danalysis=-parameters}; then
      unlock "$target/launcher.building"
      echo "causal4j: the build failed; its output is above" >&2
      exit 1
    fi
    cp "$target/causal4j-cli.jar" "$target"/lib/*.jar "$app.new"
    rm -rf "$app" # a program that runs keeps its open jars
    mv "$app.new" "$app"
    keep_classes
  fi
  unlock "$target/launcher.building"
}

# Keeps the classes of a run, loaded and parsed, for the next ones (class-data sharing): those of the server apart, since
# others need not even open them. Nothing depends on it but the time of a start. Not -XX:+AutoCreateSharedArchive: on a
# full disk or in a folder of somebody else it fails the command.
keep_classes() {
  keep_classes_of classes generate "Emma was" --max-new-tokens 4
  keep_classes_of server serve --port 0 --shutdown-timeout 0
}

# Keeps those of the command after the name $1. One that runs on is stopped when it has said a line, or after two minutes;
# in any case when this is interrupted, since what a shell runs in the background ignores Ctrl-C. Without a trap for it the
# shell passes over an interrupt that comes while a program ends by itself, as grep does.
keep_classes_of() {
  local name=$1 java= polls=0
  shift
  (
    trap 'set +e; kill -9 $java; wait $java; exit 130' EXIT
    trap exit INT
    "$JAVA_HOME/bin/java" -XX:ArchiveClassesAtExit="$app/$name.new" -XX:+UseSerialGC --add-modules=jdk.incubator.vector \
      -jar "$app/causal4j-cli.jar" "$@" >"$app/$name.log" 2>&1 &
    java=$!
    while kill -0 $java && ! grep -q "^Serving" "$app/$name.log" && [ $((polls += 1)) -le 2400 ]; do sleep 0.05; done
    kill $java
    wait $java
    trap - EXIT
    [ -s "$app/$name.new" ] && mv "$app/$name.new" "$app/$name.jsa"
  ) 2>/dev/null || [ $? != 130 ] || exit 130
}

# A folder is a lock on every system; one whose process is gone, or that never had one, is taken over.
lock() {
  local owner waited=0
  until mkdir "$1" 2>/dev/null; do
    owner=$(cat "$1/owner" 2>/dev/null || true)
    if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
      waited=0
    elif [ $((waited += 1)) -gt 10 ]; then # two seconds: longer than it takes to write the owner
      rm -rf "$1"
    fi
    sleep 0.2
  done
  echo $$ >"$1/owner"
}

unlock() {
  rm -rf "$1"
}
