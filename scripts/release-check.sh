#!/usr/bin/env bash
# Rehearses a release of the commit that is checked out: builds and signs it in two fresh clones, compares them byte for
# byte, checks what Maven Central demands, and uses the result as users do. Leaves target/release/bundle.zip, which is what
# is uploaded. RELEASE_KEY names the key that signs; without it one is made and thrown away. Needs gpg and unzip.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/jdk.sh"
find_jdk

work=$(mktemp -d)
cleanup() {
  if [ -z "${RELEASE_KEY:-}" ]; then gpgconf --homedir "$work/keys" --kill all || true; fi
  rm -rf "$work"
}
trap cleanup EXIT
said=$SECONDS
say() {
  echo "release: $* ($((SECONDS - said)) s)"
  said=$SECONDS
}
fail() {
  echo "release: $*" >&2
  exit 1
}
# The output of a command matters only if it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "failed: $*"; }
}

# The value of the property $1 of the pom $2.
property() {
  sed -n "s:.*<$1>\(.*\)</$1>.*:\1:p" "$2"
}

if [ -z "${RELEASE_KEY:-}" ]; then
  mkdir -m 700 "$work/keys"
  export GNUPGHOME=$work/keys
  export MAVEN_GPG_PASSPHRASE=
  quietly gpg --batch --pinentry-mode loopback --passphrase '' --quick-generate-key 'Rehearsal <nobody@localhost>' default sign 1d
fi

current=$(sed -n '/<parent>/,/<\/parent>/s:.*<version>\(.*\)</version>:\1:p' "$root/pom.xml")
version=${current%-SNAPSHOT}

# Fills the folder $1 with a clone of the commit that has the version of the release.
clone() {
  git clone -q "$root" "$1"
  git -C "$1" checkout -q "$(git -C "$root" rev-parse HEAD)"
  if [ "$version" != "$current" ]; then "$1/scripts/set-version.sh" "$version"; fi
}
# Builds the clone $1 and publishes into a folder of its own.
build() {
  local root=$1
  shift
  maven -Prelease -Dmaven.test.skip=true -Dmaven.install.skip=true \
    -DaltDeploymentRepository="local::file://$root/published" deploy "$@"
}
clone "$work/one"
quietly build "$work/one" ${RELEASE_KEY:+-Dgpg.keyname="$RELEASE_KEY"}
say "$version is built and signed"
clone "$work/two"
quietly build "$work/two" -Dgpg.skip
find "$work"/*/published -name 'maven-metadata*' -delete
quietly diff -r --exclude='*.asc*' "$work/one/published" "$work/two/published"
say "$(find "$work/two/published" -type f ! -name '*.md5' ! -name '*.sha1' | wc -l) files are the same in a second clone"

published=$work/one/published
cd "$published/dev/causal4j"
find . -type f ! -name '*.asc*' ! -name '*.md5' ! -name '*.sha1' | while read -r file; do
  [ -e "$file.md5" ] && [ -e "$file.sha1" ] || fail "$file: expected checksums beside it, got none"
  gpg --batch --verify "$file.asc" "$file" 2>/dev/null || fail "$file: expected a signature that fits, got none"
done
for pom in */"$version"/*.pom; do
  artifact=${pom%%/*}
  jar=${pom%.pom}.jar
  grep -q '<name>' "$pom" || fail "$pom: expected a name, got none"
  grep -q "<packaging>pom<" "$pom" && continue
  grep -q "<artifactId>$artifact<" "causal4j-bom/$version/causal4j-bom-$version.pom" ||
    fail "$artifact: expected a version in bom/pom.xml, got none"
  for each in "$jar" "${jar%.jar}-sources.jar" "${jar%.jar}-javadoc.jar" "${jar%.jar}-cyclonedx.json"; do
    [ -s "$each" ] || fail "$each: expected it, got none"
  done
  for each in "$jar" "${jar%.jar}-sources.jar"; do
    unzip -p "$each" META-INF/LICENSE | cmp -s - "$root/LICENSE" || fail "$each: expected META-INF/LICENSE, got none"
  done
  "$JAVA_HOME/bin/jar" --describe-module --file "$jar" | grep -q "^dev\.causal4j" ||
    fail "$jar: expected a module dev.causal4j..., got a name guessed from the file"
done
for each in url license developer connection developerConnection; do
  grep -q "<$each>" "causal4j-bom/$version/causal4j-bom-$version.pom" || fail "bom/pom.xml: expected $each, got none"
done
mkdir -p "$root/target/release"
(cd "$published" && "$JAVA_HOME/bin/jar" --create --no-manifest --file "$root/target/release/bundle.zip" dev)
say "signatures, checksums, poms, licences and module names; bundle.zip has $(du -m "$root/target/release/bundle.zip" | cut -f1) MB"

# A project with nothing of ours but what is published. Other libraries may come from the local repository.
cp -R "$work/one/examples/langchain4j" "$work/consumer"
cd "$work/consumer"
sed -i -e "s:</project>:<repositories><repository><id>published</id><url>file\://$published</url></repository></repositories></project>:" \
  -e "s:</dependencies>:<dependency><groupId>dev.causal4j</groupId><artifactId>causal4j-server</artifactId><version>$version</version></dependency></dependencies>:" pom.xml
mkdir -p src/test/java/dev/causal4j/cli
# The Java examples of the README and the guides that need no file, but the first.
cp "$work"/one/cli/src/test/java/dev/causal4j/cli/ReadmeExamplesTest.java src/test/java/dev/causal4j/cli
consumer() {
  sh "$root/mvnw" -B --strict-checksums -Dmaven.repo.local="$work/repository" \
    -Dmaven.repo.local.tail="$HOME/.m2/repository" "$@"
}
# Writes the project's class path to the file path, after the goals.
find_path() {
  local ours other
  quietly consumer "$@" org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath -Dmdep.outputFile=path
  ours=$(tr : '\n' <path | grep /dev/causal4j/ || true)
  [ -n "$ours" ] || fail "the project's class path: expected artifacts of ours, got none"
  if other=$(grep -v "^$work/repository/" <<<"$ours"); then
    fail "$other: expected what was published, got an installed build; delete it there"
  fi
}
find_path test
# Prints the Java example that has the text $1 in the document $2, without its imports, which stand outside a method.
example() {
  awk -v text="$1" '/^```java$/ { inside = 1; lines = ""; next } /^```$/ { if (inside && index(lines, text)) printf "%s", lines; inside = 0 }
    inside && !/^import / { lines = lines $0 "\n" }' "$root/$2"
}
# Runs a source file; further arguments go to Java.
run() {
  "$JAVA_HOME/bin/java" "${@:2}" "$1" >printed 2>"$work/log" ||
    { cat "$work/log"; fail "$1: expected the example to run, got an error"; }
}
vectors=--add-modules=jdk.incubator.vector
# The first, as a file without a class and as modules, and what the README's first command prints.
{
  for each in austen generation model scoring; do echo "import dev.causal4j.$each.*;"; done
  echo "void main() {"
  example .topP README.md
  echo "}"
} >Readme.java
sed -n '/^\$ .\/causal4j generate/,/^```$/{//!p;/^```$/q}' "$root/README.md" >expected
run Readme.java $vectors -cp "$(cat path)"
quietly diff expected printed
run Readme.java $vectors,dev.causal4j.austen -p "$(cat path)"
quietly diff expected printed
# LangChain4j's example asks the embedded model, which only continues novels.
{
  for each in austen chat langchain4j model; do echo "import dev.causal4j.$each.*;"; done
  echo "import dev.langchain4j.model.chat.*;"
  echo "void main() {"
  example Causal4jChatModel.builder README.md
  echo "}"
} >Chat.java
run Chat.java $vectors -cp "$(cat path)"
quietly grep '^"I am sure I am not afraid of it' printed
say "a project that depends on the published artifacts passes its tests and those of the README's examples"

# A project with Spark.
mkdir "$work/spark"
sed -e "s:causal4j-langchain4j:causal4j-spark_2.13:" \
  -e "s:</dependencies>:<dependency><groupId>org.apache.spark</groupId><artifactId>spark-sql_2.13</artifactId><version>$(property spark.version "$root/pom.xml")</version></dependency></dependencies>:" \
  pom.xml >"$work/spark/pom.xml"
cd "$work/spark"
find_path
{
  echo "import dev.causal4j.spark.*;"
  echo "import org.apache.spark.sql.*;"
  echo "void main() {"
  echo "SparkSession.builder().master(\"local[2]\").config(\"spark.ui.enabled\", false)"
  echo "    .config(\"spark.driver.host\", \"127.0.0.1\").getOrCreate();" # which the example then gets
  example SparkCausalLM.of docs/guides/spark.md
  echo "}"
} >Spark.java
# shellcheck disable=SC2046 # several flags
run Spark.java $vectors $(property spark.opens "$root/spark/pom.xml") -cp "$(cat path)"
echo "[16.568407249368207,20]" | quietly diff - printed
say "the guide's example of Spark runs with the published artifacts"

# The zip, with a Java that has no compiler and an environment with nothing else.
"$JAVA_HOME/bin/jlink" --output "$work/jre" --add-modules java.se,jdk.incubator.vector,jdk.jfr,jdk.management,jdk.unsupported
zip=$published/dev/causal4j/causal4j-cli/$version/causal4j-cli-$version-bin.zip
mkdir "$work/a folder"
cd "$work/a folder"
unzip -q "$zip"
prompt='It is a truth universally acknowledged, that a'
options=(--seed 1 --temperature 0.8 --top-p 0.9 --max-new-tokens 40)
# Fails if the command does not print the text, and tells the seconds of a second run.
generate() {
  local what=$1 begin
  shift
  "$@" generate "$prompt" "${options[@]}" >"$work/printed" 2>"$work/log" || { cat "$work/log"; fail "$what: failed"; }
  quietly diff "$work/consumer/expected" "$work/printed"
  begin=$(date +%s%N)
  "$@" generate "$prompt" --max-new-tokens 1 >"$work/printed" 2>"$work/log"
  say "$what writes; one token takes $(($(date +%s%N) / 1000000 - begin / 1000000)) ms"
}
generate "the zip, $(du -m "$zip" | cut -f1) MB," \
  env -i PATH=/usr/bin:/bin HOME="$work" JAVA_HOME="$work/jre" causal4j-*/bin/causal4j
"$JAVA_HOME/bin/jshell" --module-path causal4j-*/lib --add-modules dev.causal4j.austen,jdk.incubator.vector \
  "$work/one/examples/jshell/novel.jsh" >"$work/printed" 2>"$work/log" || { cat "$work/log"; fail "jshell: failed"; }
head -n 1 "$work/printed" | quietly diff "$work/consumer/expected" -
say "jshell runs its example with the jars of the zip"
image="$work/an image" # as folders of users may be called
"$root/scripts/image.sh" "$zip" "$image"
generate "the folder with Java" env -i PATH=/usr/bin:/bin HOME="$work" "$image/causal4j-$version/bin/causal4j"
if [ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ]; then
  mkdir "$work/container"
  tar -xOf "$image"/*.tar.gz layer.tar | tar -xf - -C "$work/container"
  mapfile -t entry < <(sed -n '/"Entrypoint"/,/\]/p' "$image/config.json" | grep -o '"[^"]*"' | tr -d '"' | tail -n +2)
  # There is no /proc in it, by which Java finds its libraries elsewhere.
  generate "the container" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 LD_LIBRARY_PATH=/causal4j/runtime/lib chroot --userspec=65532:65532 "$work/container" "${entry[@]}"
fi
say "all passed in $SECONDS s"
