#!/bin/sh
# The kernel answers, /proc is the kernel's own, and processes start and end.
. "$(dirname -- "$0")/../lib/verdict.sh"

[ -r /proc/sys/kernel/osrelease ] || fail "/proc is not mounted"
release=$(uname -r)
[ "$release" = "$(cat /proc/sys/kernel/osrelease)" ] || fail "uname -r and /proc disagree about the release"
note "Linux $release on $(uname -m), taint flags $(cat /proc/sys/kernel/tainted 2> /dev/null || echo unknown)"

count=0
while [ "$count" -lt "$FORKS" ]; do
    (exit 3)
    [ $? -eq 3 ] || fail "process $count ended with another status than its own"
    count=$((count + 1))
done
note "$count processes started and collected"
