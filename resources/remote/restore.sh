# Put back the version that the newest deployment of $2 replaced: all of its files or none.
# $1: name of the staging folders, $2: who deployed, $3: the run that is taken back.
# stdout: `restored<TAB>path`, `removed<TAB>path`. Exit status: 10 folders, 13 copying, 14 renaming (undone),
# 15 undoing failed, 20 nothing is kept, 21 another run is newer (its number on stderr), 22 files were changed since
# (named on stderr), 75 locked.
set -u
umask 077
token=$1
owner=$2
phase=10
find_state
lock

version=
for kept in "${state:-/nowhere}"/kept/[0-9]*; do
    { read -r by < "$kept/by"; } 2>/dev/null && [ "$by" = "$owner" ] && version=$kept
done
[ -n "$version" ] || exit 20
run=${version##*/}
run=${run#*.kdeploy-}
run=${run%%-*}
if [ "$run" != "$3" ]; then
    echo "$run" >&2
    exit 21
fi
while IFS= read -r line; do
    file=${line#*  }
    if [ -L "$file" ] || [ ! -f "$file" ]; then
        printf '%s: no regular file any more\n' "$file" >&2
        exit 22
    fi
done < "$version/placed"
if [ -s "$version/placed" ] && ! said=$(sha256sum -c "$version/placed" 2>&1); then
    printf '%s\n' "$said" | grep -v ': OK$' | head -n 20 >&2
    exit 22
fi
[ ! -s "$version/leads" ] || while IFS="$tab" read -r leads link; do
    if [ "$(readlink -- "$link")" != "$leads" ]; then
        printf '%s: no longer leads to %s\n' "$link" "$leads" >&2
        exit 22
    fi
done < "$version/leads"
[ ! -s "$version/needs" ] || while IFS= read -r needed; do
    if [ ! -d "$needed" ]; then
        printf '%s: is no longer there\n' "$needed" >&2
        exit 22
    fi
done < "$version/needs"
use_folders "$(cat -- "$version/folders")
"

end() {
    status=$?
    trap '' EXIT TERM HUP INT PIPE USR1
    [ "$status" -eq 15 ] || forget
    exit "$status"
}

fail() { exit "$phase"; }

number=0
stage() {
    number=$((number + 1))
    cp -pR -- "$version/$number/." "$1/$token/new/"
}

trap end EXIT
trap 'exit 143' TERM HUP INT PIPE USR1
begin || fail
phase=13
each_folder stage || fail
mkdir -- "$control" || fail
while IFS="$tab" read -r folder staged; do
    name=${staged##*/}
    printf '%s\t%s\n' "${folder%/}/$token/old" "${folder%/}/$name" >> "$control/previous"
    if there "${folder%/}/$token/new/$name"; then
        printf '%s\t%s\n' "$folder" "${folder%/}/$token/new/$name" >> "$control/commit"
        printf 'restored\t%s\n' "${folder%/}/$name"
    else
        printf '%s\t%s\n' "$folder" "${folder%/}/$name" >> "$control/remove"
        printf 'removed\t%s\n' "${folder%/}/$name"
    fi
done < "$version/commit"
: >> "$control/commit"
[ ! -e "$version/holders" ] || cp -- "$version/holders" "$control/holders" || fail
cp -- "$version/before" "$control/fix" || fail
cut -f 2 "$control/fix" | sed "s/^/restored$tab/"
printf '%s\n' "$version" > "$control/uses" || fail
trap '' TERM HUP INT PIPE USR1
phase=14
prepare || fail
finish
case $? in
    0) exit 0 ;;
    2) phase=15 ;;
esac
fail
