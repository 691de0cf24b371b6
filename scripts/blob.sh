#!/usr/bin/env bash
# Compiles machine/src/main/c to a blob that causal4j-machine maps: a table of jumps, then code and constants, without symbols
# and relocations. The arguments are the architecture, x86_64 or aarch64, and the file to write; without it the one that is
# checked in, whose digest it also prints: MachineCode has it. The bytes depend on the compiler: BlobTest compares them where
# the versions named there are.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
arch=$1
sources=${3:-$root/machine/src/main/c}
out=${2:-$root/machine/src/main/resources/dev/causal4j/machine/kernels-$arch.bin}
case $arch in
  x86_64) tools=x86_64-linux-gnu- gcc=x86_64-linux-gnu-gcc-12 flags=-fcf-protection=none ;;
  aarch64) tools=aarch64-linux-gnu- gcc=aarch64-linux-gnu-gcc-14 flags=-mbranch-protection=none ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$sources"
# No contraction of products and sums, no calls of memset, nothing that needs a loader. Vectors are never passed on a stack.
"$gcc" -std=gnu17 -O3 -Wall -Wno-psabi -fPIC -ffreestanding -fvisibility=hidden -ffp-contract=off -fno-tree-loop-distribute-patterns \
  -fno-jump-tables -fno-stack-protector -fno-asynchronous-unwind-tables "$flags" -fno-ident \
  -c kernels.c -o "$work/kernels.o"
"$gcc" -c table.S -o "$work/table.o"
cat >"$work/blob.ld" <<'LD'
SECTIONS {
  . = 0;
  .all : { *(.table) . = ALIGN(64); *(.text*) . = ALIGN(64); *(.rodata*) *(.data*) *(.bss*) }
  /DISCARD/ : { *(*) }
}
LD
"${tools}ld" --no-warn-rwx-segments -T "$work/blob.ld" -o "$work/blob.elf" "$work/table.o" "$work/kernels.o"
if "${tools}readelf" -r "$work/blob.elf" | grep -q 'Relocation section'; then
  echo "blob: expected no relocations, got some" >&2
  exit 1
fi
"${tools}objcopy" -O binary "$work/blob.elf" "$out"
gzip -c "$out" | tail -c 8 | od -An -N4 -tx4 | sed "s/ /$arch: CRC-32 0x/"
