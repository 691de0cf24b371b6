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
    rm -f "$target/causal4j.jsa"
    mv "$target/app.new" "$target/app"
    keep_classes
  fi
  unlock "$target/launcher.building"
}

# Keeps the classes of a run of the program, loaded and parsed, for the next (class-data sharing). Without them all is as
# before, only slower, so nothing depends on whether it works. An AOT cache (JEP 514) would hold less: beside an incubating
# module it links no classes and leaves out lambdas.
keep_classes() {
  (
    cd "$target"
    rm -f causal4j.classes causal4j.jsa.new
    run() {
      CAUSAL4J_BUILDING=1 CAUSAL4J_JAVA_OPTS=$1 "$root/causal4j" generate "Emma was" --max-new-tokens 4 \
        --model "$root/model-austen/src/main/resources/dev/causal4j/austen" </dev/null
    }
    {
      run -XX:DumpLoadedClassList=causal4j.classes &&
        # Resolved constants and lambdas link a class and what it implements, and linked ones of old formats, such as
        # picocli's, are left out. Our converters implement one of its interfaces.
        sed -i.all -e '/^@cp picocli/d' -e '/^@cp .*Converter /d' -e '/^@lambda-proxy .*picocli/d' causal4j.classes &&
        run "-Xshare:dump -XX:SharedClassListFile=causal4j.classes -XX:SharedArchiveFile=causal4j.jsa.new" &&
        [ -f causal4j.jsa.new ] && mv causal4j.jsa.new causal4j.jsa
    } >launcher-classes.log 2>&1
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
