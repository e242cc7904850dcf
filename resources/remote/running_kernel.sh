# Prints which of some kernel images ($1, $2, ...) is the one that runs; nothing where that is none of them.
# An image that is not compressed, and the head of a bzImage, have release and build of their kernel in one line of text;
# any other can only be told by its name.
LC_ALL=C; export LC_ALL
release=$(uname -r) build=$(uname -v)

texts() { tr '\000' '\n' <"$1" | grep -F -e "$release ("; }

for image in "$@"; do
    if [ -r "$image" ] && texts "$image" | grep -F -e "$build" >/dev/null; then
        printf '%s\n' "$image"
        exit 0
    fi
done
for image in "$@"; do
    if [ -r "$image" ] && [ "${image%-"$release"}" != "$image" ]; then
        printf '%s\n' "$image"
        exit 0
    fi
done
exit 0
