#!/usr/bin/env bash
# Makes of the zip that ./mvnw -Prelease package leaves in cli/target: a folder with a Java runtime of its own, and on Linux
# a container image of it, an archive for docker load. Arguments: the zip and the folder to make them in, new or empty; they
# are guessed without. The runtime is linked from the JDK, so both are for this kind of machine.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/jdk.sh"
. "$root/scripts/build.sh"
find_jdk

zip=${1:-$(echo "$root"/cli/target/causal4j-cli*-bin.zip)}
case $zip in /*) ;; *) zip=$PWD/$zip ;; esac
out=${2:-$root/cli/target/image}
if [ -z "${2:-}" ]; then rm -rf "$out"; fi
case $out in /*) ;; *) out=$PWD/$out ;; esac
mkdir -p "$out"
cd "$out"
out=$(pwd -P)
if [ -n "$(ls -A)" ]; then
  echo "image: expected a folder that is new or empty, got $out; name another" >&2
  exit 1
fi

# The modules that the jars of the zip need, by jdeps -s. It cannot say it of all at once: some are modules, and lack others.
modules=java.logging,java.management,java.naming,java.net.http,java.security.jgss,java.security.sasl,java.sql
modules=$modules,jdk.incubator.vector,jdk.jfr,jdk.management,jdk.unsupported

# The folder: what is in the zip, those modules, and the classes of a run.
unzip -q "$zip"
folder=$(echo causal4j-*)
version=${folder#causal4j-}
"$JAVA_HOME/bin/jlink" --output "$folder/runtime" --strip-debug --no-header-files --no-man-pages --compress zip-6 --generate-cds-archive \
  --add-modules "$modules" 2>/dev/null # a warning on incubating modules
rm -f "$folder"/runtime/lib/server/classes_nocoops.jsa # for heaps of 32 GB or more, which start a little slower
find "$folder" -exec touch -d @1 {} + # an archive of classes is for jars of one time, which is the same in the container
app=$out/$folder/lib
(JAVA_HOME=$out/$folder/runtime keep_classes)
if [ ! -s "$app/classes.jsa" ] || [ ! -s "$app/server.jsa" ]; then
  cat "$app"/*.log >&2
  exit 1
fi
rm "$app"/*.log
echo "image: $folder has $(du -sm "$folder" | cut -f1) MB, of them $(du -sm "$folder/runtime" | cut -f1) MB of Java"
if [ "$(uname)" != Linux ]; then exit; fi

# The container's files: that folder as /causal4j, the libraries of the system that Java opens, and a place for files.
mkdir -p layer/tmp
chmod 1777 layer/tmp
cp -a "$folder" layer/causal4j
rm layer/causal4j/lib/classes.jsa # those of the server are for all commands there
find "$out/$folder/runtime" -type f \( -name '*.so' -o -path '*/bin/java' \) -exec ldd {} + |
  sed -n -e 's:.* => \(/.*\) (0x.*:\1:p' -e 's:^[[:space:]]*\(/.*\) (0x.*:\1:p' | sort -u |
  while IFS= read -r library; do
    case $library in "$out"/*) continue ;; esac
    mkdir -p "layer${library%/*}"
    cp -L "$library" "layer$library"
  done
tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -cf layer.tar -C layer .

# The archive, in the form of docker save.
case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
cat >config.json <<JSON
{"architecture": "$machine", "os": "linux", "created": "1970-01-01T00:00:01Z",
 "config": {
  "User": "65532:65532", "WorkingDir": "/tmp", "ExposedPorts": {"8080/tcp": {}},
  "Env": ["LC_ALL=C.UTF-8", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", "HF_HOME=/tmp/huggingface"],
  "Entrypoint": ["/causal4j/runtime/bin/java", "@/causal4j/lib/java.flags", "-XX:SharedArchiveFile=/causal4j/lib/server.jsa",
   "--add-modules=jdk.incubator.vector", "-jar", "/causal4j/lib/causal4j-cli.jar"],
  "Cmd": ["--help"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum layer.tar | cut -d' ' -f1)"]}}
JSON
echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"causal4j:$version\"], \"Layers\": [\"layer.tar\"]}]" >manifest.json
image=causal4j-$version-$machine.tar
tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -cf "$image" manifest.json config.json layer.tar
gzip -nk "$image"
echo "image: $image has $(du -m "$image" | cut -f1) MB, compressed $(du -m "$image.gz" | cut -f1)"
rm "$image" layer.tar manifest.json
