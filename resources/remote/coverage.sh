# Comes after proofs/common.sh. Hands out the gcov data below $1: lines (`files`, `copied` how many so far, `refused`
# and why), then `tar` and an archive with their copies below gcda/, then `status` of tar.
# The kernel gives the size of these files as 0, so only a copy made by reading one can go into an archive.
gcov=$1
exec 2>/dev/null

refuse() {
    say refused "$1"
    exit 0
}

if [ ! -d "$gcov" ] && [ "$(id -u)" = 0 ]; then need_mount debugfs /sys/kernel/debug; fi
if [ ! -d "$gcov" ]; then
    [ "$(id -u)" = 0 ] || refuse root
    refuse absent
fi

umask 077
work=
for place in /dev/shm /tmp /run; do
    work=$(mktemp -d "$place/.kdeploy-XXXXXX") && break
    work=
done
[ -n "$work" ] || refuse full
later "rm -rf $work"

find "$gcov" -name '*.gcda' -type f > "$work/list"
files=$(wc -l < "$work/list")
say files "$((files))"
[ "$files" -gt 0 ] || refuse empty

copied=0
mkdir "$work/gcda"
while IFS= read -r file; do
    copy=$work/gcda/${file#"$gcov"/}
    [ -d "${copy%/*}" ] || mkdir -p "${copy%/*}"
    if cat "$file" > "$copy"; then
        copied=$((copied + 1))
        [ $((copied % 100)) -ne 0 ] || say copied "$copied"
    else
        rm -f "$copy"
        echo room > "$work/room" || refuse full
    fi
done < "$work/list"
say copied "$copied"
[ "$copied" -gt 0 ] || refuse "closed $(cat /sys/kernel/security/lockdown)"

say tar ""
tar -C "$work" -cf - gcda >&3
say status "$?"
