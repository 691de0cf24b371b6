#!/usr/bin/env bash
# Makes the corpora of runs/tying/run.sh: runs/tying/corpus.sh reference|books... in target/tying, or in TYING_WORK.
#   reference  the entries of three dictionaries: GCIDE (Webster 1913 and later; GPL-2+), FOLDOC (GFDL), the Jargon File (public domain)
#   books      the first half of Jane Austen's novels
# The packages are Debian 13's, at versions that a security update will not replace; their files may also be put into
# the folder `packages` beforehand. Each text is compared with a digest: it is the same to the byte everywhere, or refused.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
. scripts/jdk.sh
find_jdk

work=${TYING_WORK:-target/tying}
mkdir -p "$work/packages"

# Checks that the file $2 has the SHA-256 $1.
check() {
  if ! echo "$1  $2" | sha256sum --check --quiet 2>/dev/null; then
    echo "$2: expected the SHA-256 $1, got another; delete it, and see that its package has the version that corpus.sh names" >&2
    exit 1
  fi
}

# Fetches the package $1 in version $2, whose file has the SHA-256 $3, unless it is there. Its name in `deb`.
package() {
  deb=$work/packages/${1}_${2}_all.deb
  if [ ! -f "$deb" ]; then (cd "$work/packages" && apt-get -qq -o APT::Sandbox::User=root download "$1=$2" >&2); fi
  check "$3" "$deb"
}

# Writes the file $1 of the package `deb` to $2.
extract() {
  dpkg-deb --fsys-tarfile "$deb" | tar -xO "$1" >"$2"
}

reference() {
  local folder=$work/reference name version digest
  if [ -f "$folder/training.jsonl" ]; then return; fi
  rm -rf "$folder.new" && mkdir -p "$folder.new"
  while read -r name version digest; do
    package "dict-$name" "$version" "$digest"
    extract "./usr/share/dictd/$name.dict.dz" "$folder.new/$name.gz"
    gzip --decompress --force "$folder.new/$name.gz"
  done <<'PACKAGES'
gcide 0.48.5+nmu4 7d6c11be209ca67fb4425b1e4d600e9dc9c5c67d919482e51b99b0cca179601b
foldoc 20250211-1 136ba51701058a645d9d96a268b4f5646335555649c04b68ac4a17324a54afd3
jargon 4.4.7-3.1 405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1
PACKAGES
  "$JAVA_HOME/bin/java" runs/tying/Corpus.java "$folder.new" "$folder.new/gcide" "$folder.new/foldoc" "$folder.new/jargon"
  check b60bae29503e06c0af62ecbe868c9ba57213f7b0be90f731e285afb48481316b "$folder.new/training.jsonl"
  check bb67015669690457b887e676dc51db314a685499edaae1122c96a72fe8c5cf1b "$folder.new/held-out.jsonl"
  rm "$folder.new/gcide" "$folder.new/foldoc" "$folder.new/jargon"
  mv "$folder.new" "$folder"
}

books() {
  local folder=$work/books
  if [ -f "$folder/training.jsonl" ]; then return; fi
  rm -rf "$folder.new" && mkdir -p "$folder.new"
  package r-cran-janeaustenr 1.0.0-1 df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95
  extract ./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb "$folder.new/novels.rdb"
  "$JAVA_HOME/bin/java" runs/JaneAusten.java "$folder.new/novels.rdb" "$folder.new"
  rm "$folder.new/novels.rdb"
  head -n "$(($(wc -l <"$folder.new/training.jsonl") / 2))" "$folder.new/training.jsonl" >"$folder.new/half"
  mv "$folder.new/half" "$folder.new/training.jsonl"
  check ad3833e03e891c71dec9d778a1d939edaeed895ad12e3fd145b651fcf1060c30 "$folder.new/training.jsonl"
  check 72355190a9e4eb22c75a6145192808bfd68fbf3565f7c697e8e055e69ed01240 "$folder.new/held-out.jsonl"
  mv "$folder.new" "$folder"
}

if [ $# = 0 ]; then echo "usage: runs/tying/corpus.sh reference|books..." >&2 && exit 2; fi
for each in "$@"; do
  case $each in
    reference | books) "$each" ;;
    *) echo "corpus: expected reference or books, got $each" >&2 && exit 2 ;;
  esac
done
