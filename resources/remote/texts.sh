# The bytes of the files $1, $2, ...: for each a line with their number, `-` where it cannot be read, then the bytes.
# Changes nothing.
for path do
    if size=$({ wc -c < "$path"; } 2> /dev/null); then
        printf '%d\n' "$size"
        cat < "$path"
    else
        printf '%s\n' -
    fi
done
exit 0
