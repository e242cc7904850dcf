need_mount debugfs /sys/kernel/debug
file=/sys/kernel/debug/kcsan

watchpoints() { sed -n 's/^setup_watchpoints: *//p' "$file"; }

say enabled "$(sed -n 's/^enabled: *//p' "$file")"
say before "$(watchpoints)"
ls -R /proc/self /proc/sys/kernel > /dev/null 2>&1
say after "$(watchpoints)"
say enabled_after "$(sed -n 's/^enabled: *//p' "$file")"
