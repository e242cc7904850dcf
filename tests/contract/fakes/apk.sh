#!/bin/sh
# Answers as apk is documented to. HOME/../state says what is installed and offered, and what goes wrong.
state=$HOME/../state
case $1 in
    info) name=$5 && [ -f "$state/installed/$name" ] && echo "$name-$(cat "$state/installed/$name")" ;;
    policy)
        [ -f "$state/offered/$3" ] || exit 0
        echo "$3 policy:"
        while read -r version; do printf '  %s:\n    https://mirror/main\n' "$version"; done < "$state/offered/$3"
        ;;
    update)
        [ -f "$state/offline" ] || exit 0
        echo "WARNING: fetching https://mirror/main: temporary error (try again later)"
        exit 1
        ;;
    add)
        if [ -f "$state/locked" ]; then
            echo "ERROR: Unable to lock database: Resource temporarily unavailable" >&2
            echo "ERROR: Failed to open apk database: Resource temporarily unavailable" >&2
            exit 99
        fi
        shift
        for word do
            case $word in
                -*) continue ;;
                *.apk) name=${word##*/}; version=${name#*_}; version=${version%%_*}; name=${name%%_*} ;;
                *)
                    name=${word%%=*}
                    version=$(tail -n 1 "$state/offered/$name" 2>/dev/null)
                    [ "$word" = "$name" ] || version=${word#*=}
                    ;;
            esac
            if [ -z "$version" ]; then
                printf 'ERROR: unable to select packages:\n  %s (no such package):\n    required by: world[%s]\n' "$name" "$name" >&2
                exit 1
            fi
            echo "(1/1) Installing $name ($version)"
            echo "$version" > "$state/installed/$name"
        done
        echo "OK: 8 MiB in 15 packages"
        ;;
esac
