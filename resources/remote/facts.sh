# Facts about this machine, one `key<TAB>value` a line. Changes nothing.
# $1: number of commands to look up; then the commands; then paths whose file system is measured.
LC_ALL=C
export LC_ALL

say() { printf '%s\t%s\n' "$1" "$2"; }

line_of() { { IFS= read -r line < "$1"; } 2>/dev/null && printf '%s' "$line"; }

say clock "$(date +%s)"
say kernel_release "$(uname -r)"
say kernel_build "$(uname -v)"
say machine "$(uname -m)"
say boot_id "$(line_of /proc/sys/kernel/random/boot_id)"
say load "$(line_of /proc/loadavg)"
say uptime "$(line_of /proc/uptime)"
say uid "$(id -u)"
say user "$(id -un)"
say group "$(id -gn)"
say home "$HOME"

for file in /etc/os-release /usr/lib/os-release; do
    [ -r "$file" ] || continue
    while IFS='=' read -r key value; do
        value=${value#[\"\']}
        value=${value%[\"\']}
        case $key in
            ID) say os_id "$value" ;;
            VERSION_ID) say os_version "$value" ;;
            PRETTY_NAME) say os_name "$value" ;;
        esac
    done < "$file"
    break
done

if [ -r /proc/meminfo ]; then
    while read -r key value _; do
        case $key in
            MemTotal:) say memory_total_kib "$value" ;;
            MemAvailable:) say memory_available_kib "$value" ;;
        esac
    done < /proc/meminfo
fi

for manager in apt-get dnf yum apk opkg zypper pacman; do
    if command -v "$manager" > /dev/null 2>&1; then
        say package_manager "$manager"
        break
    fi
done

commands=$1
shift
while [ "$commands" -gt 0 ]; do
    say tool "$1	$(command -v -- "$1" 2>/dev/null)"
    shift
    commands=$((commands - 1))
done

for path do
    place=$path
    case $place in
        "~" | "~/"*) place=$HOME${place#"~"} ;;
    esac
    while [ -n "$place" ] && [ ! -e "$place" ]; do place=${place%/*}; done
    place=${place:-/}
    say disk "$path	$(df -Pk -- "$place" 2>/dev/null | tail -n 1)"
    say inodes "$path	$(df -Pi -- "$place" 2>/dev/null | tail -n 1)"
done
