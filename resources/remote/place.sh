# Bring a set of files into place: all of them or none.
# $1: name of the staging folders, $2: who deploys. stdin: number of folders, the folders one a line, then a tar archive that fills
# FOLDER/$1/new with the files and FOLDER/$1/control (first folder only) with the lists that are worked off here.
# Exit status: 10 folders, 11 archive, 12 hashes, 13 owner or mode, 14 renaming (undone), 15 undoing failed
# (the previous files stay in FOLDER/$1/old), 75 locked.
set -u
LC_ALL=C
export LC_ALL
umask 077
token=$1
owner=$2
tab='	'
phase=10
state=${HOME:-}/.cache/kdeploy
if [ -z "${HOME:-}" ] || ! mkdir -p -- "$state" 2>/dev/null || [ ! -w "$state" ]; then state=; fi
if [ -n "$state" ] && command -v flock > /dev/null 2>&1; then
    exec 9>> "$state/lock"
    flock -n 9 || exit 75
fi

read -r count || exit 10
folders=
while [ "$count" -gt 0 ]; do
    IFS= read -r folder || exit 10
    folders="$folders$folder
"
    count=$((count - 1))
done
first=${folders%%
*}
control=$first/$token/control

each_folder() {
    while IFS= read -r folder; do
        [ -z "$folder" ] || "$1" "$folder" || return 1
    done <<LIST
$folders
LIST
}

record() { printf '%s\n' "$1/$token"; }

# Two names may mean one folder (/bin and /usr/bin): what is there and ours was made for the other name.
create() {
    [ -d "$1" ] || (umask 022 && mkdir -p -- "$1") || return 1
    if [ -d "$1/$token" ] && [ -O "$1/$token" ]; then return 0; fi
    mkdir -- "$1/$token" "$1/$token/new" "$1/$token/old"
}

flush() { sync -f -- "$1/$token" 2>/dev/null || sync; }

discard() { rm -rf -- "${1:?}/$token"; }

end() {
    status=$?
    trap '' EXIT TERM HUP INT PIPE
    [ "$status" -eq 15 ] || each_folder discard
    [ -z "$state" ] || rm -f -- "$state/$token.staging"
    exit "$status"
}

fail() { exit "$phase"; }

# batch LIST ACTION: ACTION KEY FILE... for neighbouring `key<TAB>file` lines with the same key, 200 files at most.
# An action must leave the variables list, action, last, group and entry alone: a POSIX shell has no local ones.
batch() {
    list=$1
    action=$2
    last=
    set --
    while IFS="$tab" read -r group entry; do
        if [ $# -gt 0 ] && { [ "$group" != "$last" ] || [ $# -ge 200 ]; }; then
            "$action" "$last" "$@" || return 1
            set --
        fi
        last=$group
        set -- "$@" "$entry"
    done < "$list"
    [ $# -eq 0 ] || "$action" "$last" "$@"
}

set_attributes() {
    mode=${1%% *}
    owner=${1#* }
    shift
    [ "$owner" = - ] || chown -- "$owner" "$@" || return 1
    chmod -- "$mode" "$@"
}

keep_previous() {
    old=$1
    shift
    for file do
        shift
        [ ! -e "$file" ] || set -- "$@" "$file"
    done
    if [ $# -eq 0 ] || ln -- "$@" "$old/" 2>/dev/null; then return 0; fi
    for file do
        rm -f -- "$old/${file##*/}"
        ln -- "$file" "$old/" 2>/dev/null || cp -pf -- "$file" "$old/" || return 1
    done
}

remember_attributes() {
    shift
    stat -c '%a %u:%g	%n' -- "$@" >> "$control/before"
}

move() {
    to=$1
    shift
    mv -f -- "$@" "$to/"
}

undo() {
    batch "$control/before" set_attributes || return 1
    while IFS="$tab" read -r folder staged; do
        name=${staged##*/}
        [ -d "$folder/$token/new" ] || return 1
        [ ! -e "$staged" ] || continue
        if [ -e "$folder/$token/old/$name" ]; then
            mv -f -- "$folder/$token/old/$name" "$folder/" || return 1
        else
            rm -f -- "$folder/$name" || return 1
        fi
    done < "$control/commit"
}

trap end EXIT
trap 'exit 143' TERM HUP INT PIPE
[ -z "$state" ] || { printf 'pid:%s\nby:%s\n' "$$" "$owner" && each_folder record; } > "$state/$token.staging" || fail
each_folder create || fail
phase=11
tar -xof - -C / || fail
phase=12
if [ -s "$control/sums" ] && ! sha256sum -c "$control/sums" > "$control/report" 2>&1; then
    grep -v ': OK$' "$control/report" | head -n 20 >&2
    fail
fi
phase=13
batch "$control/attributes" set_attributes || fail
each_folder flush || fail
trap '' TERM HUP INT PIPE
: > "$control/before"
batch "$control/fix" remember_attributes || fail
if batch "$control/fix" set_attributes; then
    phase=14
    if batch "$control/previous" keep_previous && batch "$control/commit" move; then
        each_folder flush
        exit 0
    fi
fi
undo || phase=15
fail
