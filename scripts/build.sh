# Sourced by causal4j. Builds the jars it runs into cli/target/app when there are none or sources are newer.

built=$root/cli/target/app/built

is_stale() {
  [ ! -f "$built" ] || [ -n "$(find "$root/pom.xml" "$root"/{core,model-austen,cli}/{pom.xml,src/main} -newer "$built" -print 2>/dev/null | head -n 1)" ]
}

build() {
  local target=$root/cli/target
  mkdir -p "$target"
  lock "$target/launcher.building" # two first uses at once must not build at once
  if is_stale; then
    echo "causal4j: building (the first time this fetches dependencies and takes a minute)" >&2
    rm -rf "$target/app.new" "$target/lib"
    mkdir "$target/app.new"
    touch "$target/app.new/built" # sources that change while we build are newer than this
    if ! package cli "$target/launcher.log"; then
      unlock "$target/launcher.building"
      echo "causal4j: the build failed; its output is above" >&2
      exit 1
    fi
    cp "$target/causal4j-cli.jar" "$target"/lib/*.jar "$target/app.new"
    # A program that runs keeps its open jars.
    rm -rf "$target/app"
    rm -f "$target/causal4j.aot"
    mv "$target/app.new" "$target/app"
    keep_classes
  fi
  unlock "$target/launcher.building"
}

# A run of the program whose classes Java keeps, loaded and parsed, for the next (JEP 514). Without it all is as before,
# only slower, so nothing depends on whether it works.
keep_classes() {
  (
    cd "$target"
    rm -f causal4j.aot.new
    CAUSAL4J_BUILDING=1 CAUSAL4J_JAVA_OPTS=-XX:AOTCacheOutput=causal4j.aot.new \
      "$root/causal4j" generate "Emma was" --max-new-tokens 4 \
      --model "$root/model-austen/src/main/resources/dev/causal4j/austen" >launcher-classes.log 2>&1 </dev/null &&
      [ -f causal4j.aot.new ] && mv causal4j.aot.new causal4j.aot
  ) || true
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
