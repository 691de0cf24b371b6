#!/usr/bin/env bash
# Compiles machine/src/main/c to the blob that causal4j-machine maps: a table of jumps, then code and constants, without
# symbols and relocations. The argument is the file to write; without it the one that is checked in. The bytes depend on the
# compiler: BlobTest compares them where gcc has the version named there.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$root/machine/src/main/resources/dev/causal4j/machine/kernels-x86_64.bin}
cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$root/machine/src/main/c"
# No contraction of products and sums, no calls of memset, nothing that needs a loader. Vectors are never passed on a stack.
"$cc" -std=gnu17 -O3 -Wall -Wno-psabi -fPIC -ffreestanding -fvisibility=hidden -ffp-contract=off -fno-tree-loop-distribute-patterns \
  -fno-jump-tables -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-ident \
  -c kernels.c -o "$work/kernels.o"
"$cc" -c table.s -o "$work/table.o"
cat >"$work/blob.ld" <<'LD'
SECTIONS {
  . = 0;
  .all : { *(.table) . = ALIGN(64); *(.text*) . = ALIGN(64); *(.rodata*) *(.data*) *(.bss*) }
  /DISCARD/ : { *(*) }
}
LD
ld --no-warn-rwx-segments -T "$work/blob.ld" -o "$work/blob.elf" "$work/table.o" "$work/kernels.o"
if readelf -r "$work/blob.elf" | grep -q 'Relocation section'; then
  echo "blob: expected no relocations, got some" >&2
  exit 1
fi
objcopy -O binary "$work/blob.elf" "$out"
