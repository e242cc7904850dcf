# Which dependencies are there: `item<TAB>present|missing|broken<TAB>what it says of its version`. Changes nothing.
# $1: package manager. Then items: p:PACKAGE, t:COMMAND (must exist), v:COMMAND (its version is asked for).
LC_ALL=C
export LC_ALL
manager=$1
shift

version_of_package() {
    case $manager in
        apt-get)
            said=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' -- "$1" 2>/dev/null) || return 1
            case $said in
                ?i*) printf '%s' "${said##* }" ;;
                *) return 1 ;;
            esac
            ;;
        dnf | yum | zypper) rpm -q --qf '%{VERSION}-%{RELEASE}' -- "$1" 2>/dev/null ;;
        apk) apk info -e -- "$1" > /dev/null 2>&1 && apk version -- "$1" 2>/dev/null | sed -n "s/^$1-\([^ ]*\).*/\1/p" ;;
        opkg) opkg status "$1" 2>/dev/null | sed -n 's/^Version: //p' | grep . ;;
        pacman) pacman -Q -- "$1" 2>/dev/null | sed 's/^[^ ]* //' | grep . ;;
        *) return 1 ;;
    esac
}

for item do
    name=${item#?:}
    case $item in
        p:*)
            if said=$(version_of_package "$name"); then
                printf '%s\tpresent\t%s\n' "$item" "$said"
            else
                printf '%s\tmissing\t\n' "$item"
            fi
            ;;
        *)
            path=$(command -v -- "$name" 2>/dev/null)
            if [ -z "$path" ]; then
                printf '%s\tmissing\t\n' "$item"
            elif [ "${item%%:*}" = t ]; then
                printf '%s\tpresent\t%s\n' "$item" "$path"
            else
                said=$("$name" --version 2>&1 < /dev/null)
                status=$?
                said=$(printf '%s\n' "$said" | head -n 1)
                case $status in
                    126 | 127) printf '%s\tbroken\t%s\n' "$item" "$said" ;;
                    *) printf '%s\tpresent\t%s\n' "$item" "$said" ;;
                esac
            fi
            ;;
    esac
done
exit 0
