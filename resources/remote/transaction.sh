# A set of files comes into place as a whole, and what was begun is finished or undone by the next contact.
# FOLDER/$token/new holds files on their way in, FOLDER/$token/old what they replace, FIRST/$token/control the lists and
# the journal: `committing` stands there from before the first rename until the set is in place or undone.
# Of a versioned set the folder LINK.kdeploy holds the versions; a new one comes there under its final name, which nothing
# leads to before its link comes into place as any other file does.
# Functions only. They share the variables token, owner, folders (one a line), first, control and state.
LC_ALL=C
export LC_ALL
tab='	'
newline='
'

# openssl uses the processor's own instructions for SHA-256, which most builds of sha256sum do not. It takes longer to
# start: worth it from so many bytes. What it says only counts beside what it rightly says of nothing.
worth_openssl=4194304
nothing='e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *'

sha256_of_stdin() {
    case $(openssl dgst -sha256 -r < /dev/null 2> /dev/null) in
        "$nothing"*) openssl dgst -sha256 -r ;;
        *) sha256sum ;;
    esac
}

# sha256_of BYTES FILE...: a line for each that can be read, as sha256sum tells them (openssl's have ` *` for two spaces).
sha256_of() {
    sums=
    [ "$1" -lt "$worth_openssl" ] || sums=$(shift && openssl dgst -sha256 -r /dev/null "$@" 2> /dev/null) || sums=
    shift
    case $sums in
        "$nothing/dev/null$newline"*) printf '%s\n' "${sums#*"$newline"}" ;;
        *) sha256sum -- "$@" ;;
    esac
}

# as_listed LIST: whether files are as a list for `sha256sum -c` says, asked of openssl; it cannot tell: 1.
as_listed() {
    listed=
    while IFS= read -r line; do
        set -- "$@" "${line#*  }"
        listed=$listed$newline${line%%  *}' *'${line#*  }
        [ $# -le 200 ] || { are_listed "$@" && set -- "$1" && listed=; } || return 1
    done < "$1"
    [ $# -eq 1 ] || are_listed "$@"
}

are_listed() {
    shift
    [ "$(openssl dgst -sha256 -r /dev/null "$@" 2> /dev/null)" = "$nothing/dev/null$listed" ]
}

find_state() {
    state=${HOME:-}/.cache/kdeploy
    if [ -z "${HOME:-}" ] || ! mkdir -p -- "$state" 2>/dev/null || [ ! -w "$state" ]; then state=; fi
}

lock() {
    [ -n "$state" ] && command -v flock > /dev/null 2>&1 || return 0
    exec 9>> "$state/lock"
    flock -n 9 9>&9 || exit 75
}

use_folders() {
    folders=$1
    first=${folders%%
*}
    control=$first/$token/control
}

each_folder() {
    while IFS= read -r folder; do
        [ -z "$folder" ] || "$1" "$folder" || return 1
    done <<LIST
$folders
LIST
}

there() { [ -e "$1" ] || [ -L "$1" ]; }

record() { printf '%s\n' "$1/$token"; }

# Where everybody may make folders (/tmp), somebody may have made one on our way since the machine was looked at.
guard() {
    step=${1%/}
    while [ -n "$step" ]; do
        above=${step%/*}
        if [ -k "${above:-/}" ] && { [ -L "$step" ] || [ ! -O "$step" ]; } && ! is_of_root "$step"; then
            printf '%s: somebody else put it there\n' "$step" >&2
            return 1
        fi
        step=$above
    done
}

guard_files() {
    shift
    for file do guard "$file" || return 1; done
}

is_of_root() { [ ! -L "$1" ] && [ "$(stat -c %u -- "$1" 2>/dev/null)" = 0 ]; }

# Two names may mean one folder (/bin and /usr/bin): what is there and ours was made for the other name.
create() {
    [ -d "$1" ] || (umask 022 && mkdir -p -- "$1") || return 1
    guard "$1" || return 1
    if [ ! -L "$1/$token" ] && [ -d "$1/$token" ] && [ -O "$1/$token" ]; then return 0; fi
    mkdir -- "$1/$token" "$1/$token/new" "$1/$token/old"
}

# The record is on the disk before what it tells of: without it nobody finds that after a power cut.
begin() {
    if [ -n "$state" ]; then
        { printf 'pid:%s\nby:%s\n' "$$" "$owner" && each_folder record; } > "$state/$token.staging" || return 1
        flush_only "$state/$token.staging"
    fi
    each_folder create
}

# What a record tells: the folders, who deployed, the script that works or worked with them.
read_record() {
    owner=
    pid=
    list=
    while IFS= read -r line; do
        case $line in
            pid:*) pid=${line#pid:} ;;
            by:*) owner=${line#by:} ;;
            */"$token") list="$list${line%/"$token"}
" ;;
        esac
    done < "$1"
    use_folders "$list"
}

# Onto the disk: all of the file system that holds a staging folder, or one file or folder alone.
flush() { sync -f -- "$1/$token" 2>/dev/null || sync; }
flush_only() { sync -- "$1" 2>/dev/null || sync; }

discard() {
    rm -rf -- "${1:?}/${token:?}" || left=yes
    case $1 in *.kdeploy) rmdir -- "$1" 2>/dev/null || : ;; esac
}

forget() {
    left=
    each_folder discard
    [ -z "$state" ] || [ -n "$left" ] || rm -f -- "$state/$token.staging"
}

# batch LIST ACTION: ACTION KEY FILE... for neighbouring `key<TAB>file` lines with the same key, 200 files at most.
# An action must leave the variables list, action, last, group and entry alone: a POSIX shell has no local ones.
batch() {
    list=$1
    action=$2
    last=
    [ -s "$list" ] || return 0
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
    user=${1#* }
    shift
    [ "$user" = - ] || chown -- "$user" "$@" || return 1
    chmod -- "$mode" "$@"
}

keep_previous() {
    old=$1
    shift
    for file do
        shift
        ! there "$file" || set -- "$@" "$file"
    done
    if [ $# -eq 0 ] || ln -- "$@" "$old/" 2>/dev/null; then return 0; fi
    for file do
        rm -f -- "$old/${file##*/}"
        ln -- "$file" "$old/" 2>/dev/null || cp -pPf -- "$file" "$old/" || return 1
    done
}

remember_attributes() {
    shift
    stat -c '%a %u:%g	%n' -- "$@" >> "$control/before"
}

move() {
    to=$1
    shift
    for file do
        shift
        ! there "$file" || set -- "$@" "$file"
    done
    [ $# -eq 0 ] || mv -f -- "$@" "$to/"
}

drop() {
    shift
    rm -f -- "$@"
}

# What stands there is remembered, and from here on the set will be finished, by us or by the next contact.
prepare() {
    : > "$control/before"
    batch "$control/fix" guard_files || return 1 # chmod and chown would follow a link
    batch "$control/fix" remember_attributes && batch "$control/previous" keep_previous || return 1
    each_folder flush
    : > "$control/committing" && flush_only "$control/committing"
}

commit() {
    batch "$control/fix" set_attributes && batch "$control/versions" move && batch "$control/commit" move &&
        batch "$control/remove" drop
}

undo() {
    batch "$control/before" set_attributes || return 1
    while IFS="$tab" read -r folder staged; do
        name=${staged##*/}
        [ -d "$folder/$token/new" ] || return 1
        ! there "$staged" || continue
        if there "$folder/$token/old/$name"; then
            mv -f -- "$folder/$token/old/$name" "$folder/" || return 1
        else
            rm -f -- "$folder/$name" || return 1
        fi
    done < "$control/commit"
    [ ! -s "$control/remove" ] || while IFS="$tab" read -r folder file; do
        name=${file##*/}
        ! there "$folder/$token/old/$name" || mv -f -- "$folder/$token/old/$name" "$folder/" || return 1
    done < "$control/remove"
    [ ! -s "$control/versions" ] || while IFS="$tab" read -r folder staged; do
        rm -rf -- "${folder:?}/${staged##*/}" || return 1
    done < "$control/versions"
}

keep_folder() {
    number=$((number + 1))
    [ ! -d "$keeping/$number" ] || return 0
    rm -rf -- "$keeping/part"
    cp -pRl -- "$1/$token/old" "$keeping/part" 2>/dev/null || {
        rm -rf -- "$keeping/part"
        cp -pR -- "$1/$token/old" "$keeping/part" || return 1
    }
    mv -- "$keeping/part" "$keeping/$number"
}

# The version that was replaced is kept for a rollback, beside the newest ones of its owner.
keep_version() {
    read -r keep 2>/dev/null < "$control/keep" || keep=0
    [ -n "$state" ] && [ "$keep" -gt 0 ] || return 0
    for kept in "$state"/kept/[0-9]*"$token"; do
        [ ! -d "$kept" ] || return 0
    done
    keeping=$state/kept/new$token
    number=0
    mkdir -p -- "$keeping" || return 1
    each_folder keep_folder || return 1
    printf '%s' "$folders" > "$keeping/folders" || return 1
    printf '%s\n' "$owner" > "$keeping/by" || return 1
    needed_versions > "$keeping/needs" || return 1
    for name in before commit placed leads holders; do
        [ ! -e "$control/$name" ] || cp -- "$control/$name" "$keeping/" || return 1
    done
    newest=1000000
    for kept in "$state"/kept/[0-9]*; do
        [ -d "$kept" ] || continue
        kept=${kept##*/}
        newest=${kept%%.*} # their order is that of their names
    done
    mv -- "$keeping" "$state/kept/$((newest + 1))$token"
    drop_oldest
}

drop_oldest() {
    set --
    for kept in "$state"/kept/[0-9]*; do
        { read -r by < "$kept/by"; } 2>/dev/null && [ "$by" = "$owner" ] && set -- "$@" "$kept"
    done
    while [ $# -gt "$keep" ]; do
        rm -rf -- "$1"
        shift
    done
}

# The set is in place: keep what it replaced, or give up what it was restored from.
settle() {
    each_folder flush_only
    keep_version || echo "the previous version could not be kept" >&2
    if read -r used 2>/dev/null < "$control/uses"; then rm -rf -- "${used:?}"; fi
    [ ! -s "$control/holders" ] || prune
    rm -f -- "$control/committing"
}

# All of it or nothing. 1: undone, 2: undoing failed, and the previous files stay in FOLDER/$token/old.
finish() {
    if commit; then
        settle
        return 0
    fi
    undo || return 2
    rm -f -- "$control/committing"
    return 1
}
