#!/bin/sh
# A copy of the reference pattern keeps every byte; links, modes and renames behave.
. "$(dirname -- "$0")/../lib/verdict.sh"

need sha256sum cmp
pattern=$suite/bin/pattern.bin
(cd -- "$suite" && sha256sum -c data/pattern.sha256 > /dev/null 2>&1) || fail "$pattern is not the reference pattern"

make_area
cp -- "$pattern" "$area/copy" && sync || fail "cannot copy to $area"
cmp -s -- "$pattern" "$area/copy" || fail "the copy differs from the pattern"

ln -s copy "$area/soft" && cmp -s -- "$pattern" "$area/soft" || fail "a symbolic link does not lead to its file"
ln -- "$area/copy" "$area/hard" || skip "no hard links on this file system"
chmod 0640 "$area/copy"
case $(ls -l -- "$area/hard") in
    -rw-r-----*) ;;
    *) fail "two names of one file have two modes" ;;
esac
: > "$area/old"
mv -- "$area/hard" "$area/old" && cmp -s -- "$pattern" "$area/old" || fail "a rename lost the file it moved"
[ ! -e "$area/hard" ] || fail "a rename left its source behind"
note "$(wc -c < "$pattern") bytes copied, linked and renamed"
