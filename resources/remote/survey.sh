# What stands at each path of the lines `file<TAB>stamp<TAB>path` on stdin: `k<TAB>kind<TAB>path`, of files and links
# `s<TAB>mode<TAB>size<TAB>owner<TAB>path`, of links `l<TAB>what it says<TAB>path`, of files `t<TAB>stamp<TAB>path` and
# the lines of sha256sum, or `u<TAB>path` where the stamp is still the one given (`-`: none). Before them
# `c<TAB>seconds`, this machine's clock. $1 = asked: facts.sh came before, which has read stdin and the clock.
# With $1 = sweep what interrupted deployments left behind is removed first; else nothing changes. Then lines
# `sha256<TAB>path` up to an empty one come before the others: files whose transfer is worth going on with. Of one attempt
# what is there of them stays: `p<TAB>name of the staging folders<TAB>staged file<TAB>bytes<TAB>their sha256<TAB>path`.
# $2: who sweeps. Of one such owner only one deployment is ever alive, so that an older one of his is an orphan whose
# connection died unnoticed: it is ended.
end_orphans() {
    for record in "$state"/.kdeploy-*.staging; do
        [ -f "$record" ] || continue
        token=${record##*/}
        token=${token%.staging}
        { IFS= read -r pid && IFS= read -r by; } < "$record"
        pid=${pid#pid:}
        [ -n "$1" ] && [ "$by" = "by:$1" ] && grep -q -- "$token" "/proc/$pid/cmdline" 2>/dev/null || continue
        kill -USR1 "-$pid" 2>/dev/null || kill -USR1 "$pid" 2>/dev/null
        seconds=0
        while [ -d "/proc/$pid" ] && [ "$seconds" -lt 10 ]; do
            sleep 1
            seconds=$((seconds + 1))
        done
    done
}

# Whether a transfer that was cut short brought bytes of files that are wanted; tells them.
tell_begun() {
    begun=
    [ -s "$control/large" ] || return 1
    while IFS=$tab read -r sha256 staged path; do
        case $wanted in *"$newline$sha256$tab$path$newline"*) ;; *) continue ;; esac
        [ -s "$staged" ] && [ ! -L "$staged" ] && found=$(sha256_of_stdin < "$staged") && bytes=$(wc -c < "$staged") || continue
        printf 'p\t%s\t%s\t%d\t%s\t%s\n' "$token" "$staged" "$bytes" "${found%% *}" "$path"
        begun=yes
    done < "$control/large"
    [ -n "$begun" ]
}

# Finish what was being committed, remove what was only staged.
# $1 = busy: leave alone what a running deployment works with (needed where flock cannot keep it out).
clear_up() {
    umask 077
    for record in "$state"/.kdeploy-*.staging; do
        [ -f "$record" ] || continue
        token=${record##*/}
        token=${token%.staging}
        read_record "$record"
        [ "$1" != busy ] || [ ! -d "/proc/$pid" ] || continue
        if [ -f "$control/committing" ]; then
            finish
            [ $? -ne 2 ] || exit 76
        elif [ -n "$wanted" ] && tell_begun; then
            wanted=
            continue
        fi
        forget
    done
}

find_state_quietly() {
    state=${HOME:-}/.cache/kdeploy
    [ -n "${HOME:-}" ] && [ -w "$state" ]
}

wanted=
if [ "$1" = sweep ]; then
    while IFS= read -r line && [ -n "$line" ]; do
        wanted=${wanted:-$newline}$line$newline
    done
fi

if [ "$1" = sweep ] && find_state_quietly; then
    end_orphans "$2"
    if command -v flock > /dev/null 2>&1; then
        (: >> "$state/lock") 2>/dev/null || exit 74
        (
            flock -n 9 9>&9 || exit 75
            clear_up alone
        ) 9>> "$state/lock" || exit $?
    else
        clear_up busy
    fi
fi

# From here on `for line in $text` takes lines out of a variable: `read` gets each byte from the kernel by itself.
set -f
IFS=$newline
known=$newline

# Files that bear a known stamp are not read again.
look() {
    [ $# -gt 0 ] || return 0
    told=$(stat -c "s$tab%a$tab%s$tab%U:%G$tab%n${newline}t$tab%i.%Y.%Z.%z$tab%n" -- "$@")
    printf '%s\n' "$told"
    if [ "$known" != "$newline" ]; then
        set --
        for line in $told; do
            case $line in t"$tab"*) ;; *) continue ;; esac
            line=${line#t"$tab"}
            case $known in
                *"$newline$line$newline"*) printf 'u\t%s\n' "${line#*"$tab"}" ;;
                *) set -- "$@" "${line#*"$tab"}" ;;
            esac
        done
        known=$newline
    fi
    [ $# -gt 0 ] || return 0
    bytes=0
    for line in $told; do
        case $line in s"$tab"*) ;; *) continue ;; esac
        size=${line#s"$tab"*"$tab"}
        [ "$bytes" -ge "$worth_openssl" ] || bytes=$((bytes + ${size%%"$tab"*}))
    done
    sha256_of "$bytes" "$@"
}

# What a link says may be anything, and must not pass for an answer of ours.
tell_link() {
    stat -c "s$tab%a$tab%s$tab%U:%G$tab%n" -- "$1"
    leads_to=$(readlink -- "$1" 2>/dev/null) || return 0
    case $leads_to in *"$tab"* | *"$newline"*) leads_to=? ;; esac
    printf 'l\t%s\t%s\n' "$leads_to" "$1"
}

if [ "$1" != asked ]; then
    clock=$(date +%s)
    asking=$(cat)
fi
printf 'c\t%s\n' "$clock"
set --
for line in $asking; do
    case $line in file"$tab"*) line=${line#file"$tab"} ;; *) continue ;; esac
    stamp=${line%%"$tab"*}
    path=${line#*"$tab"}
    if [ -L "$path" ]; then
        kind=symlink
    elif [ -f "$path" ]; then
        kind=file
    elif [ -d "$path" ]; then
        kind=folder
    elif [ -e "$path" ]; then
        kind=other
    else
        kind=missing
    fi
    printf 'k\t%s\t%s\n' "$kind" "$path"
    [ "$kind" != symlink ] || tell_link "$path"
    if [ "$kind" = file ]; then
        [ "$stamp" = - ] || known=$known$stamp$tab$path$newline
        set -- "$@" "$path"
        if [ $# -ge 200 ]; then
            look "$@"
            set --
        fi
    fi
done
look "$@"
exit 0
