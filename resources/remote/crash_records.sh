# What the kernel kept of its own crashes (pstore), also where systemd-pstore has put it away. Changes nothing for good.
# $1: records written before that time, in seconds of this machine's clock, are left out.
# stdout: `record<TAB>PATH`, then the text of the record, for each; at most 64 KiB of one.
LC_ALL=C
export LC_ALL

folder=/sys/fs/pstore
[ -d "$folder" ] || exit 0
if ! grep -q " $folder pstore " /proc/mounts && mount -t pstore pstore "$folder" 2>/dev/null; then
    trap 'umount "$folder"' EXIT
fi
for file in "$folder"/dmesg-* /var/lib/systemd/pstore/dmesg* /var/lib/systemd/pstore/*/dmesg*; do
    [ -f "$file" ] && [ -r "$file" ] || continue
    [ "$(stat -c %Y "$file")" -ge "$1" ] || continue
    printf 'record\t%s\n' "$file"
    head -c 65536 "$file"
    echo
done
