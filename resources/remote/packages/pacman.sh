# pacman. Its lock is a file that is there or not, so that one that was left over looks like a process at work.
lock=/var/lib/pacman/db.lck
repair="rm $lock"

installed() { pacman -Q -- "$1" 2>/dev/null | sed 's/^[^ ]* //' | grep .; }

offered() {
    LC_ALL=C pacman -Si -- "$@" 2>/dev/null | while IFS=: read -r key value; do
        value=${value# }
        case $key in
            Name*) name=$value ;;
            Version*) printf '%s\t%s\n' "$name" "$value" ;;
        esac
    done
}

# Newer lists with older packages are a mixture that Arch does not support: only missing lists are fetched.
refresh() {
    for list in /var/lib/pacman/sync/*.db; do
        if [ -e "$list" ]; then
            echo "kdeploy does not fetch new lists for pacman: that is part of a full update, 'pacman -Syu'"
            return 0
        fi
    done
    run pacman -Sy --noconfirm
}

at_version() { printf '%s' "$1"; }
add() { run pacman -S --needed --noconfirm --noprogressbar -- "$@"; }
add_files() { run pacman -U --noconfirm --noprogressbar -- "$@"; }

busy() {
    [ -e "$lock" ] || return 1
    for comm in /proc/[0-9]*/comm; do
        { IFS= read -r program < "$comm"; } 2>/dev/null || continue
        case $program in
            pacman | pamac* | packagekitd | yay | paru)
                pid=${comm#/proc/}
                printf 'locked\t%s\t%s\n' "${pid%/comm}" "$program"
                return 0
                ;;
        esac
    done
    printf 'stale\t%s\n' "$lock"
}

meaning() {
    case $1 in
        *"unable to lock database"*) echo locked ;;
        *"target not found"*) echo unknown ;;
        *"database file for '"*"does not exist"*) echo unknown ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
