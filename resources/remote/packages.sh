# What the package managers have in common. A manager's own file comes after this one and defines
#   locks, pid_files       lock files of its database, and files that hold the number of the process at work
#   repair                 the command that finishes what was interrupted
#   installed NAME         its version; 1: it is not there
#   offered NAME...        `name<TAB>version` of all that the package sources offer, `writes_lists` where asking writes
#   refresh                fetch the lists of the package sources anew
#   at_version NAME V      how that version is asked for
#   add WORD..., add_files FILE...   install
#   meaning TEXT STATUS    of what it said: locked, stale, half, unknown, unreachable, managed, no_pip or failed
# $1: the manager, as the facts name it; empty: there is none.
manager=$1
shift
LC_ALL=C
export LC_ALL
tab='	'
newline='
'
locks=
pid_files=
repair=
writes_lists=
apart=
! command -v setsid > /dev/null 2>&1 || apart=setsid

# A manager that is stopped half-way leaves a broken system: it runs in a session of its own, where no signal to this
# one reaches it, and with none of them ignored, because the services it starts would inherit that. It gets neither the
# lock nor the way to the workstation, which services would keep open.
run() {
    (
        [ -z "$apart" ] || trap - TERM HUP INT PIPE
        exec $apart "$@" 3>&- 9>&-
    )
}

# The number of the process that a message names.
named_pid() {
    printf '%s\n' "$1" | sed -n -e 's/.*held by process \([0-9]\{1,\}\).*/\1/p' -e 's/.*with pid \([0-9]\{1,\}\).*/\1/p' \
        -e 's/.*as pid \([0-9]\{1,\}\).*/\1/p' -e 's/.*process with PID \([0-9]\{1,\}\).*/\1/p' | head -n 1
}

# `PID<TAB>program` of a process; 1: it is gone.
described() {
    { IFS= read -r program < "/proc/$1/comm"; } 2>/dev/null || return 1
    printf '%s\t%s\n' "$1" "$program"
}

installed() { return 1; }
offered() { :; }

# Whether a process has a file open. Files of containers may have the same number, so that alone is not enough.
has_open() {
    for descriptor in "/proc/$1/fd"/*; do
        [ ! "$descriptor" -ef "$2" ] || return 0
    done
    return 1
}

# Who holds one of these lock files, as `described`; 1: nobody that can be seen.
lock_holder() {
    [ -r /proc/locks ] || return 1
    for file do
        [ -e "$file" ] || continue
        inode=$(ls -di -- "$file" | sed 's/^ *\([0-9]*\).*/\1/')
        while read -r _ _ _ mode pid place _; do
            [ "$mode" = WRITE ] && [ "${place##*:}" = "$inode" ] || continue
            has_open "$pid" "$file" && described "$pid" && return 0
        done < /proc/locks
    done
    return 1
}

pid_holder() {
    for file do
        { read -r pid _ < "$file"; } 2>/dev/null || continue
        described "$pid" && return 0
    done
    return 1
}

# Why nothing can be installed right now: `locked<TAB>PID<TAB>program` or `stale<TAB>file`; 1: it can.
busy() {
    holder=$(lock_holder $locks || pid_holder $pid_files) || return 1
    printf 'locked\t%s\n' "$holder"
}

# Whether the package sources could not be read, by what was said.
is_unreachable() {
    case $1 in
        *"Temporary failure resolving"* | *"emporary failure in name resolution"* | *"ould not resolve"*) ;;
        *"ouldn't resolve"* | *"ame or service not known"* | *"ad address"* | *"DNS lookup error"*) ;;
        *"etwork is unreachable"* | *"etwork unreachable"* | *"o route to host"* | *"onnection refused"*) ;;
        *"onnection timed out"* | *"onnection reset"* | *"Could not connect"* | *"ailed to connect"*) ;;
        *"ouldn't connect"* | *"Unable to connect"* | *"failed to establish a new connection"*) ;;
        *"ailed to establish a new connection"* | *"imeout exceeded"* | *"Read timed out"*) ;;
        *"404  Not Found"* | *"404 Not Found"* | *"tatus code: 404"* | *"rror: 404"* | *"Failed to fetch"*) ;;
        *"ailed to download"* | *"ailed retrieving file"* | *"wget returned"* | *"Cannot download"*) ;;
        *"temporary error (try again later)"* | *"Valid metadata not found"* | *"ouldn't open file"*) ;;
        *) return 1 ;;
    esac
}
