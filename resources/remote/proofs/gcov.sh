# Nothing is reset: counters of a file that every open() goes through must move.
need_mount debugfs /sys/kernel/debug
data=
for name in open.gcda namei.gcda read_write.gcda fork.gcda; do
    data=$(find /sys/kernel/debug/gcov -name "$name" 2>/dev/null | grep -E '/(fs|kernel)/[a-z_]*\.gcda$' | head -n 1)
    [ -z "$data" ] || break
done
[ -n "$data" ] || data=$(find /sys/kernel/debug/gcov -name '*.gcda' 2>/dev/null | head -n 1)
say data "$data"
[ -n "$data" ] || exit 0

digest() { cat "$data" | sha256sum | cut -d ' ' -f 1; }

say bytes "$(cat "$data" | wc -c)"
say before "$(digest)"
ls -l / /proc/self > /dev/null 2>&1
cat /proc/uptime > /dev/null
say after "$(digest)"
