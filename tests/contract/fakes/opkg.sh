#!/bin/sh
# Answers as opkg is documented to. HOME/../state says what is installed and offered, and what goes wrong.
state=$HOME/../state
case $1 in
    status)
        [ -f "$state/installed/$2" ] || exit 0
        read -r version < "$state/installed/$2"
        printf 'Package: %s\nVersion: %s\nStatus: install user installed\n' "$2" "$version"
        ;;
    list)
        [ -f "$state/offered/$2" ] || exit 0
        while read -r version; do echo "$2 - $version - a package"; done < "$state/offered/$2"
        ;;
    update)
        [ -f "$state/offline" ] || exit 0
        echo " * opkg_download: Failed to download http://mirror/Packages.gz, wget returned 4." >&2
        exit 1
        ;;
    install)
        if [ -f "$state/locked" ]; then
            echo " * opkg_conf_load: Could not lock /var/lock/opkg.lock: Resource temporarily unavailable." >&2
            exit 255
        fi
        shift
        for word do
            case $word in
                *.ipk) name=${word##*/}; version=${name#*_}; version=${version%%_*}; name=${name%%_*} ;;
                *) name=$word; version=$(tail -n 1 "$state/offered/$name" 2>/dev/null) ;;
            esac
            if [ -z "$version" ]; then
                printf "Unknown package '%s'.\nCollected errors:\n * opkg_install_cmd: Cannot install package %s.\n" "$name" "$name" >&2
                exit 255
            fi
            printf 'Installing %s (%s) to root...\nConfiguring %s.\n' "$name" "$version" "$name"
            echo "$version" > "$state/installed/$name"
        done
        ;;
esac
