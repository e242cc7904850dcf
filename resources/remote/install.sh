# Install packages, and go on to the end of that whatever happens to the caller.
# $1: name of the staging folder, $2: who installs, $3: refresh (only fetch lists), names or files. With names they
# follow, each NAME or `NAME VERSION`. With files stdin has as for place.sh: a 1, the folder, then the archive.
# stdout: what the manager says. stderr, once it was asked: `meaning<TAB>details`, last. Exit status: the manager's.
# Before that: 10 folder, 11 archive, 12 hashes, 75 locked by another deployment.
set -u
token=$1
owner=$2
what=$3
shift 3
folders=
heard=
exec 3>&1

end() {
    status=$?
    trap '' EXIT TERM HUP INT PIPE USR1
    [ -z "$folders" ] || forget
    exit "$status"
}
trap end EXIT
trap 'exit 143' TERM HUP INT PIPE USR1

receive() {
    find_state
    umask 077
    lock
    { read -r count && IFS= read -r folder; } || exit 10
    mkdir -p -- "$folder" || exit 10
    use_folders "$folder
"
    begin || exit 10
    tar -xof - -C / || exit 11
    if ! sha256sum -c "$control/sums" > "$control/report" 2>&1; then
        grep -v ': OK$' "$control/report" | head -n 20 >&2
        exit 12
    fi
    umask 022
}

# Pass on what is said as long as somebody listens, and keep its end after the exit status. Ends with the manager: a
# service that it started may hold its output open.
relay() {
    kept=
    code=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            *"$token "*)
                code=${line##*"$token "}
                line=${line%"$token "*}
                [ -n "$line" ] || break
                ;;
        esac
        printf '%s\n' "$line" >&3
        kept=$kept$line$newline
        while [ ${#kept} -gt 16000 ]; do kept=${kept#*"$newline"}; done
        [ -z "$code" ] || break
    done 2>/dev/null
    printf '%s\n%s' "${code:-1}" "$kept"
}

attempt() {
    told=$({
        "$@" < /dev/null 2>&1
        printf '%s %s\n' "$token" "$?"
    } | relay)
    status=${told%%"$newline"*}
    said=${told#*"$newline"}
}

report() {
    printf '%s\n' "$1" >&2
    exit "$status"
}

# The line that tells why package sources could not be read.
telling() {
    printf '%s\n' "$1" | while IFS= read -r line; do
        if is_unreachable "$line"; then
            printf '%s' "$line"
            break
        fi
    done
}

report_failure() {
    case $1 in
        locked)
            pid=$(named_pid "$said")
            report "$(busy || printf 'locked\t%s' "$(described "${pid:-none}" || printf '%s' "$pid")")"
            ;;
        half) report "half$tab$repair" ;;
        unreachable) report "unreachable$tab$(telling "$heard$said")" ;;
        *) report "$1" ;;
    esac
}

# Lists of packages that are missing or old are fetched once.
again_with_new_lists() {
    attempt refresh
    heard=$said$newline
    fetched=
    if is_unreachable "$said"; then fetched=unreachable; elif [ "$status" -ne 0 ]; then fetched=$(meaning "$said" "$status"); fi
    attempt add "$@"
    [ "$status" -ne 0 ] || return 0
    word=$(meaning "$said" "$status")
    case $word:$fetched in unknown:?*) word=$fetched ;; esac
}

[ "$what" != files ] || receive
trap '' TERM HUP INT PIPE USR1
status=75
if found=$(busy); then report "$found"; fi
case $what in
    refresh) attempt refresh ;;
    files)
        set -- "$first/$token/new"/*
        attempt add_files "$@"
        ;;
    names)
        for word do
            shift
            case $word in *' '*) word=$(at_version "${word%% *}" "${word#* }") ;; esac
            set -- "$@" "$word"
        done
        attempt add "$@"
        ;;
esac
[ "$status" -ne 0 ] || report done
word=$(meaning "$said" "$status")
case $what:$word in names:unknown | names:unreachable) [ "$manager" = pip ] || again_with_new_lists "$@" ;; esac
[ "$status" -ne 0 ] || report done
report_failure "$word"
