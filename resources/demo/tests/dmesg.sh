#!/bin/sh
# The kernel log holds no splat (conf/dmesg-splats.txt lists what counts as one).
. "$(dirname -- "$0")/../lib/verdict.sh"

need dmesg grep
log=$(dmesg 2> /dev/null) || skip "this user may not read the kernel log (kernel.dmesg_restrict)"
[ -n "$log" ] || skip "the kernel log is empty"
splats=$(printf '%s\n' "$log" | grep -E -f "$suite/conf/dmesg-splats.txt")
if [ -n "$splats" ]; then
    printf '%s\n' "$splats" | while IFS= read -r line; do note "$line"; done
    fail "the kernel log holds splats"
fi
note "$(printf '%s\n' "$log" | wc -l) lines, no splat"
