#!/bin/sh
# Enough memory is available, and a block of it reads back as it was written.
. "$(dirname -- "$0")/../lib/verdict.sh"

need awk dd cksum
available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
[ -n "$available" ] || skip "this kernel does not report MemAvailable"
[ "$available" -ge "$MIN_AVAILABLE_KIB" ] || fail "$available KiB available, $MIN_AVAILABLE_KIB KiB needed"

make_area
dd if=/dev/zero bs=1024 count="$MEMORY_BLOCK_KIB" 2> /dev/null | tr '\0' '\252' > "$area/pattern" || fail "cannot write"
written=$(cksum < "$area/pattern")
expected=$(dd if=/dev/zero bs=1024 count="$MEMORY_BLOCK_KIB" 2> /dev/null | tr '\0' '\252' | cksum)
[ "$written" = "$expected" ] || fail "a block of $MEMORY_BLOCK_KIB KiB reads back differently"
note "$available KiB available, $MEMORY_BLOCK_KIB KiB read back unchanged"
