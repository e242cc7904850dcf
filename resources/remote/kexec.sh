# Loads a kernel ($1), its initrd ($2, may be empty) and its command line ($3), says so, and leaves for it a moment later.
# The answer is one line: `loaded`, or `refused`, a tab and why; then nothing was changed.
LC_ALL=C; export LC_ALL

refuse() {
    printf 'refused\t%s\n' "$(printf %s "$1" | tr '\n\t' '  ')"
    exit 0
}

load() { kexec "$@" ${initrd:+"--initrd=$initrd"} "--command-line=$cmdline" 2>&1; }

# With a clean end of all services where systemd can do that.
leave() {
    sleep 1
    if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then systemctl kexec && return; fi
    sync
    kexec -e
}

image=$1 initrd=$2 cmdline=$3
[ "$(id -u)" -eq 0 ] || refuse 'only root may load a kernel'
command -v kexec >/dev/null || refuse 'kexec is not installed there (package kexec-tools)'
[ -r /sys/kernel/kexec_loaded ] || refuse 'its kernel cannot do that (CONFIG_KEXEC)'
disabled=$(cat /proc/sys/kernel/kexec_load_disabled 2>/dev/null)
[ "${disabled:-0}" -eq 0 ] || refuse 'its kernel was told to load no other (kernel.kexec_load_disabled)'
for file in "$image" "$initrd"; do
    [ -z "$file" ] || [ -r "$file" ] || refuse "$file is not there"
done
said=$(load -l "$image") || said=$(load -s -l "$image") || refuse "kexec: $said"
[ "$(cat /sys/kernel/kexec_loaded)" -eq 1 ] || refuse "kexec loaded nothing: $said"
sync
trap '' HUP
(leave) </dev/null >/dev/null 2>&1 &
echo loaded
