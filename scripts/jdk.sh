# Sourced by the launchers, check, .ci/run and benchmarks/run. find_jdk sets JAVA_HOME to a JDK from 25.0.3 on, or says what to
# install. Earlier 25 releases have JDK-8377811: their collector may move pinned objects, which corrupts data.

# Services and containers may run without HOME; Maven cannot.
export HOME="${HOME:-$(cd ~ && pwd)}"

# The program that a JDK must have. A launcher that builds nothing says java.
needs=javac

# Whether $1 is the folder of such a JDK. Reads its release file: asking java itself would cost a process each.
is_jdk() {
  local line version= major minor patch
  [ -x "$1/bin/$needs" ] && [ -r "$1/release" ] || return 1
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in JAVA_VERSION=*) version=${line#JAVA_VERSION=}; version=${version//\"/} ;; esac
  done <"$1/release"
  IFS=.-+ read -r major minor patch _ <<<"$version..."
  [ "${major:-0}" -gt 25 ] || { [ "$major" = 25 ] && { [ "${minor:-0}" -gt 0 ] || [ "${patch:-0}" -ge 3 ]; }; }
} 2>/dev/null

# The JDK a java command belongs to: its path without bin/java, links followed.
home_of() {
  local path=$1 target
  while [ -L "$path" ]; do
    target=$(readlink "$path")
    case $target in /*) path=$target ;; *) path=${path%/*}/$target ;; esac
  done
  printf '%s\n' "${path%/bin/java}"
}

# Sets JAVA_HOME; fails silently if there is no such JDK.
look_for_jdk() {
  local candidate java
  java=$(command -v java || true)
  for candidate in \
    "${JAVA_HOME:-}" \
    "${java:+$(home_of "$java")}" \
    /usr/lib/jvm/* \
    "${SDKMAN_DIR:-$HOME/.sdkman}"/candidates/java/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    if [ -n "$candidate" ] && is_jdk "$candidate"; then
      export JAVA_HOME=$candidate
      return
    fi
  done
  return 1
}

find_jdk() {
  if ! look_for_jdk; then
    echo "JDK: expected 25.0.3 or later in JAVA_HOME, PATH, /usr/lib/jvm or SDKMAN, got none; install one (Debian: apt-get install openjdk-25-jdk-headless)" >&2
    exit 1
  fi
}

# Runs Maven from $root, quiet about its own use of deprecated methods. Its JVM ends before C2 pays.
maven() {
  local flags="--sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED"
  (cd "$root" && MAVEN_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${MAVEN_OPTS:-} $flags" sh ./mvnw "$@")
}

# Builds the module $1 and those it needs, without tests and the check of the format. Maven's output goes to the file $2
# and is shown if it fails; further arguments go to Maven.
package() {
  local module=$1 log=$2
  shift 2
  # Not -q: that would hide the warnings, and a warning is an error.
  if ! maven -T 2 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dmaven.test.skip=true -Dspotless.check.skip=true \
    -pl "$module" -am package "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}
