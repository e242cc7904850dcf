# Bring a set of files into place: all of them or none.
# $1: name of the staging folders, $2: who deploys, $3: how many replaced versions are kept. stdin: number of folders,
# the folders one a line, then a tar archive that fills FOLDER/$1/new with the files and FOLDER/$1/control (first folder
# only) with the lists that are worked off here.
# Exit status: 10 folders, 11 archive, 12 hashes, 13 owner or mode, 14 renaming (undone), 15 undoing failed
# (the previous files stay in FOLDER/$1/old), 75 locked.
set -u
umask 077
token=$1
owner=$2
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
    trap '' EXIT TERM HUP INT PIPE
    [ "$status" -eq 15 ] || forget
    exit "$status"
}

fail() { exit "$phase"; }

trap end EXIT
trap 'exit 143' TERM HUP INT PIPE
begin || fail
phase=11
tar -xof - -C / || fail
phase=12
if [ -s "$control/sums" ] && ! sha256sum -c "$control/sums" > "$control/report" 2>&1; then
    grep -v ': OK$' "$control/report" | head -n 20 >&2
    fail
fi
phase=13
batch "$control/attributes" set_attributes || fail
echo "$3" > "$control/keep" || fail
trap '' TERM HUP INT PIPE
phase=14
prepare || fail
finish
case $? in
    0) exit 0 ;;
    2) phase=15 ;;
esac
fail
