# $1: a program for this machine in octal escapes, empty if there is none. Python does without.
need_mount debugfs /sys/kernel/debug
if command -v python3 > /dev/null 2>&1; then
    say by python3
    python3 -c '
import ctypes, errno, fcntl, mmap, os, sys
WORDS = 4096
word = ctypes.sizeof(ctypes.c_ulong)
INIT = (2 << 30) | (word << 16) | (ord("c") << 8) | 1
try:
    fd = os.open("/sys/kernel/debug/kcov", os.O_RDWR)
    fcntl.ioctl(fd, INIT, WORDS)
    area = mmap.mmap(fd, WORDS * word)
    words = (ctypes.c_ulong * WORDS).from_buffer(area)
    fcntl.ioctl(fd, 0x6364, 0)
    words[0] = 0
    try:
        os.read(-1, 1)
    except OSError:
        pass
    count = words[0]
    fcntl.ioctl(fd, 0x6365, 0)
    print("count\t%d" % count)
    try:
        fcntl.ioctl(fd, 0x6364, 1)
        fcntl.ioctl(fd, 0x6365, 0)
        print("comparisons\tyes")
    except OSError as error:
        print("comparisons\tno (errno %d)" % error.errno)
except OSError as error:
    print("because\t%s" % error)
'
    exit 0
fi
if [ -z "$1" ]; then
    say missing_helper "python3"
    exit 0
fi
for folder in /run /dev/shm /tmp /var/tmp "$HOME"; do
    helper=$folder/.kdeploy-kcov.$$
    { printf "$1" > "$helper"; } 2>/dev/null || continue
    later "rm -f $helper"
    chmod 700 "$helper" && said=$("$helper" 2>/dev/null) && [ -n "$said" ] || continue
    say by "a program in $folder"
    printf '%s\n' "$said"
    exit 0
done
say because "no folder takes a program that can be run"
