# What every proof begins with: `key<TAB>value` lines, undone in the end whatever happens, and told: `restored`, `end`.
# A proof goes on to its end when the connection is lost, so that nothing stays as it was made.
LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

newline='
'
undo=
lost=

exec 3>&1

say() { printf '%s\t%s\n' "$1" "$2" >&3; }

# later COMMAND: done in the end, the last one first.
later() { undo="$1$newline$undo"; }

finish() {
    trap - EXIT
    trap '' TERM INT HUP PIPE
    while [ -n "$undo" ]; do
        step=${undo%%"$newline"*}
        undo=${undo#*"$newline"}
        eval "$step" > /dev/null 2>&1 || lost="$lost$step; "
    done
    say restored "${lost:-yes}"
    say end ""
}

trap '' HUP PIPE
trap 'finish; exit 143' TERM INT
trap finish EXIT

# need_mount TYPE PATH: mounted until the end, if it is not already.
need_mount() {
    while read -r _ place kind _; do
        [ "$kind $place" != "$1 $2" ] || return 0
    done < /proc/mounts
    if mount -t "$1" "$1" "$2" 2>/dev/null; then
        later "umount $2"
    else
        say because "$1 cannot be mounted at $2"
        exit 0
    fi
}
