# Bring a set of files into place: all of them or none.
# $1: name of the staging folders, $2: who deploys, $3: how many replaced versions are kept, $4: the staging folders of a
# transfer that was cut short, or empty, $5: how many large files come, $6: bytes of the others that are checked. stdin:
# number of folders, the folders one a line, then a tar archive that fills FOLDER/$1/new with the files and
# FOLDER/$1/control (first folder only) with the lists that are worked off here.
# Exit status: 10 folders, 11 archive, 12 hashes, 13 owner or mode, 14 renaming (undone), 15 undoing failed
# (the previous files stay in FOLDER/$1/old), 16 cut short (large files stay as far as they came), 75 locked.
set -u
umask 077
token=$1
owner=$2
before=$4
large=$5
hashing=
phase=10
find_state
lock

read -r count || exit 10
list=
while [ "$count" -gt 0 ]; do
    IFS= read -r folder || exit 10
    list="$list$folder
"
    count=$((count - 1))
done
use_folders "$list"

end() {
    status=$?
    trap '' EXIT TERM HUP INT PIPE USR1
    [ -z "$hashing" ] || kill "$hashing" 2>/dev/null
    case $status in
        15) ;;
        16) [ -s "$control/large" ] || forget_all ;;
        *) forget_all ;;
    esac
    exit "$status"
}

forget_before() {
    [ -n "$before" ] && [ -f "$state/$before.staging" ] || return 0
    (
        token=$before
        read_record "$state/$token.staging"
        forget
    )
}

forget_all() {
    forget
    forget_before
}

fail() { exit "$phase"; }

# Bytes that came before the transfer was cut short, and the rest of them since.
take() {
    to=$1
    shift
    for file do
        [ -f "$file" ] || exit 16
    done
    mv -f -- "$@" "$to/"
}

pause() { sleep 0.1 2>/dev/null || sleep 1; }

# The file $2 of $1 bytes as it comes, to stdout, while somebody wants it.
as_it_comes() {
    at=0
    while [ "$at" -lt "$1" ]; do
        [ ! -f "$control/whole" ] || over=yes
        now=$(stat -c %s -- "$2" 2>/dev/null) || now=0
        [ "$now" -eq "$1" ] || now=$((now / 1048576 * 1048576))
        if [ "$now" -gt "$at" ]; then
            dd if="$2" bs=1048576 skip=$((at / 1048576)) count=$(((now - at + 1048575) / 1048576)) 2>/dev/null || return
            at=$now
        elif [ -n "$over" ] || ! kill -0 $$ 2>/dev/null; then
            return 1
        else
            pause
        fi
    done
}

# Writes $control/hashed when all large files have come and are what they should be. It only saves time: whatever keeps
# it from that, sha256sum has the last word.
hash_as_they_come() {
    over=
    until [ -f "$control/fix" ]; do # the last list: all of them are there
        kill -0 $$ 2>/dev/null || return
        pause
    done
    while IFS=$tab read -r bytes sum file; do
        found=$(as_it_comes "$bytes" "$file" | sha256_of_stdin) && [ "${found%% *}" = "$sum" ] || return
    done < "$control/sizes"
    : > "$control/hashed"
}

trap end EXIT
trap 'exit 143' TERM INT
trap 'exit 16' HUP PIPE USR1
begin || fail
if [ "$large" -gt 0 ]; then
    hash_as_they_come > /dev/null 2>&1 < /dev/null 9>&- &
    hashing=$!
fi
phase=11
if ! said=$(tar -xof - -C / 2>&1) || [ ! -f "$control/whole" ]; then
    printf '%s\n' "$said" >&2
    case $said in
        '' | *'short read'* | *'nexpected EOF'* | *'nexpected end of'* | *runcated*) [ -f "$control/whole" ] || exit 16 ;;
    esac
    fail
fi
if [ -s "$control/versions" ] && ! command -v readlink > /dev/null; then
    echo "readlink: not found; versioned folders need it" >&2
    fail
fi
batch "$control/resumed" take || fail
forget_before
batch "$control/linked" link_over && batch "$control/copied" copy_over || fail
phase=12
# verify LIST BYTES
verify() {
    [ -s "$1" ] || return 0
    if [ "$2" -ge "$worth_openssl" ] && as_listed "$1"; then return 0; fi
    sha256sum -c "$1" > "$control/report" 2>&1 || {
        grep -v ': OK$' "$control/report" | head -n 20 >&2
        fail
    }
}
[ -z "$hashing" ] || wait "$hashing"
hashing=
verify "$control/sums" "$6"
[ -f "$control/hashed" ] || verify "$control/sums_large" "$worth_openssl"
phase=13
batch "$control/attributes" set_attributes || fail
echo "$3" > "$control/keep" || fail
trap '' TERM HUP INT PIPE USR1
phase=14
prepare || fail
finish
case $? in
    0) exit 0 ;;
    2) phase=15 ;;
esac
fail
