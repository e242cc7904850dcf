# Throws switches of a running kernel, or takes them back. $1, $2 ...: four words for each: what (`write`, `mount`,
# `umount`), a path, a value (for mounts the type) and, for `write`, what must stand there before; `*`: whatever does.
# stdout, a line for each: `ok`, `same` (it is so already), `other` (something else stands there) or `failed`, then the
# path, what was read before, what was read after, and why.
LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
tab='	'
trap '' HUP PIPE

# Not by the shell: some read a byte at a time, which numbers below /proc/sys answer once.
first_line() { line=$(head -n 1 "$1" 2>/dev/null); }

is_mounted() {
    while read -r _ place kind _; do
        [ "$kind $place" != "$2 $1" ] || return 0
    done < /proc/mounts
    return 1
}

tell() { printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$path" "$before" "$line" "$2"; }

while [ $# -ge 4 ]; do
    what=$1 path=$2 value=$3 expected=$4
    shift 4
    before= line=
    case $what in
        mount | umount)
            is_mounted "$path" "$value" && before=$value
            if { [ "$what" = mount ] && [ -n "$before" ]; } || { [ "$what" = umount ] && [ -z "$before" ]; }; then
                line=$before
                tell same ""
                continue
            fi
            if [ "$what" = mount ]; then
                why=$(mount -t "$value" "$value" "$path" 2>&1)
            else
                why=$(umount "$path" 2>&1)
            fi
            ! is_mounted "$path" "$value" || line=$value
            if { [ "$what" = mount ] && [ -n "$line" ]; } || { [ "$what" = umount ] && [ -z "$line" ]; }; then
                tell ok ""
            else
                tell failed "${why##*: }"
            fi
            ;;
        write)
            first_line "$path"
            before=$line
            if [ "$expected" != '*' ] && [ "$before" != "$expected" ]; then
                tell other ""
                continue
            fi
            if { printf '%s\n' "$value" > "$path"; } 2>/dev/null; then
                first_line "$path"
                tell ok ""
            else
                first_line "$path"
                tell failed "it does not take '$value'"
            fi
            ;;
    esac
done
