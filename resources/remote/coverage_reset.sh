# Comes after proofs/common.sh. Sets all gcov counters of the kernel to zero; `reset` is told where it took that.
if [ ! -e "$1/reset" ]; then need_mount debugfs /sys/kernel/debug; fi
if { echo 1 > "$1/reset"; } 2>/dev/null; then say reset yes; fi
