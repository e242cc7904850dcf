# Facts about this machine, one `key<TAB>value` a line. Changes nothing.
# $1: the boot of which the caller knows what stays as it is in a boot, or empty: that is not told again, but `still`.
# $2: number of commands to look up; then the commands; then paths whose file system is measured.
# stdin: `option<TAB>NAME` whether the kernel is built with that, `program<TAB>PATH` whether that can be executed, then
# `step<TAB>PATH` who owns that, then `folder<TAB>PATH` where that really is and what file system holds it; `health` what
# is wrong with the machine. `file` lines are for survey.sh, if that follows, and come last.
LC_ALL=C
export LC_ALL

tab='	'
newline='
'

say() { printf '%s\t%s\n' "$1" "$2"; }

# `read` gets each byte from the kernel by itself. Between these two `for line in $text` takes lines out of a variable.
by_lines() { set -f && IFS=$newline; }
by_words() { set +f && IFS=" $tab$newline"; }

# tell KEY FILE: its first line. Without a subshell, as all that can be: on a slow board each costs milliseconds.
tell() {
    { IFS= read -r line < "$2"; } 2>/dev/null || line=
    say "$1" "$line"
}

clock=$(date +%s)
say clock "$clock"
if [ -r /proc/sys/kernel/osrelease ] && [ -r /proc/sys/kernel/version ]; then
    tell kernel_release /proc/sys/kernel/osrelease
    tell kernel_build /proc/sys/kernel/version
else
    say kernel_release "$(uname -r)"
    say kernel_build "$(uname -v)"
fi
tell boot_id /proc/sys/kernel/random/boot_id
boot=$line
tell load /proc/loadavg
tell uptime /proc/uptime
say home "$HOME"
if [ -n "$1" ] && [ "$boot" = "$1" ]; then
    say still "$boot"
else
    say machine "$(uname -m)"
    # `uid=0(root) gid=0(root) groups=...`; without a name its number stands for it.
    who=$(id)
    for key in uid gid; do
        word=${who#*"$key="}
        number=${word%%[!0-9]*}
        name=$number
        case $word in "$number("*) name=${word#*"("} name=${name%%")"*} ;; esac
        say "$key" "$number"
        case $key in
            uid) say user "$name" ;;
            gid) say group "$name" ;;
        esac
    done
    say notes "$(printf '%s' $(od -An -v -tx1 -N4096 /sys/kernel/notes 2>/dev/null || hexdump -v -n 4096 -e '1/1 " %02x"' /sys/kernel/notes 2>/dev/null))"
    say userland "$(printf '%s' $(od -An -v -tx1 -N52 /bin/sh 2>/dev/null || hexdump -v -n 52 -e '1/1 " %02x"' /bin/sh 2>/dev/null))"
fi
shift
for file in /lib/ld-* /lib/ld64* /lib/ld.so.* /lib32/ld-* /lib64/ld-* /lib64/ld64* /libx32/ld-* /system/bin/linker*; do
    case $file in
        *.so.* | *linker*) [ ! -x "$file" ] || say loader "$file" ;;
    esac
done

for file in /proc/sys/fs/binfmt_misc/*; do
    case $file in */register | */status | *'*') continue ;; esac
    while read -r key value; do
        case $key in
            disabled) break ;;
            magic) say emulated "$value" ;;
        esac
    done < "$file"
done 2>/dev/null

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
            Buffers:) break ;;
        esac
    done < /proc/meminfo
fi

# The last two only where they have a database: busybox has commands of these names.
for manager in apt-get dnf yum apk opkg zypper pacman dpkg rpm; do
    command -v "$manager" > /dev/null 2>&1 || continue
    case $manager in
        dpkg) [ -s /var/lib/dpkg/status ] || continue ;;
        rpm) [ -d /var/lib/rpm ] || [ -d /usr/lib/sysimage/rpm ] || continue ;;
    esac
    say package_manager "$manager"
    break
done

commands=$1
shift
while [ "$commands" -gt 0 ]; do
    printf 'tool\t%s\t' "$1"
    command -v -- "$1" 2>/dev/null || echo
    shift
    commands=$((commands - 1))
done

# What df $1 says of the places that follow, one a line. busybox does not find the mount point of a root that is no
# mount (chroot): then in the same form what stat says of the file system.
tell_df() {
    what=$1
    shift
    if lines=$(df "$what" -- "$@" 2>/dev/null); then
        printf '%s\n' "${lines#*"$newline"}"
        return
    fi
    for each do
        said=$(stat -f -c '%b %f %a %S %c %d' -- "$each" 2>/dev/null) || continue
        tell_stat $said
    done
}

tell_stat() {
    case $what in
        -Pk) echo "- $(($1 * $4 / 1024)) $((($1 - $2) * $4 / 1024)) $(($3 * $4 / 1024)) - /" ;;
        -Pi) echo "- $5 $(($5 - $6)) $6 - /" ;;
    esac
}

for path do
    place=$path
    case $place in
        "~" | "~/"*) place=$HOME${place#"~"} ;;
    esac
    while [ -n "$place" ] && [ ! -e "$place" ]; do place=${place%/*}; done
    place=${place:-/}
    say disk "$path	$(tell_df -Pk "$place")"
    say inodes "$path	$(tell_df -Pi "$place")"
done

asked=
health=
folders=
links=
last=

tell_steps() {
    [ $# -eq 0 ] || stat -c 's	%f	%u	%g	%n' -- "$@" 2>/dev/null
}

# Every step of the way to $1, and the others.
tell_way() {
    step=$1
    shift
    set -- / "$@"
    while [ -n "$step" ]; do
        set -- "$@" "$step"
        step=${step%/*}
    done
    tell_steps "$@"
}

tell_lines() {
    by_lines
    for line in $2; do say "$1" "$line"; done
    by_words
}

measure() {
    [ $# -gt 0 ] || return 0
    say df ""
    for each do say at "$each"; done
    tell_lines space "$(tell_df -Pk "$@")"
    tell_lines nodes "$(tell_df -Pi "$@")"
}

tell_link() {
    led=$(readlink -- "$1" 2>/dev/null)
    case $led in *"$tab"* | *"$newline"*) ;; *) say link "$led	$1" ;; esac
}

# Whether a link lies on the way to $1.
behind_link() {
    [ -n "$links" ] || return 1
    step=$1
    while [ -n "$step" ]; do
        case $links in *"$newline$step$newline"*) return 0 ;; esac
        step=${step%/*}
    done
    return 1
}

# Tells those of the options $1 that are set, after an empty one where the kernel shows its configuration.
tell_options() {
    [ -r /proc/config.gz ] && settings=$(zcat /proc/config.gz 2>/dev/null) && [ -n "$settings" ] || return 0
    say option ""
    for name in $1; do
        case $newline$settings$newline in *"${newline}CONFIG_$name=y$newline"*) say option "$name" ;; esac
    done
}

# Sensors, mounts of disks with what /etc/fstab wants of them, and the kernel's errors: how many lines, and the last ones,
# of which the log's end is one: without it nobody may read it. Tools differ in --level, but all have -r.
tell_health() {
    say health asked
    for file in /sys/class/thermal/thermal_zone*/temp; do
        { IFS= read -r line < "$file"; } 2>/dev/null && say temperature "$line"
    done
    while read -r device path type options _; do
        case $device in /dev/* | ubi* | mtd*) ;; *) continue ;; esac
        case $type in squashfs | iso9660 | erofs | cramfs | romfs) continue ;; esac
        say mounted "$options	$path"
    done < /proc/mounts
    if [ -r /etc/fstab ]; then
        while read -r device path _ options _; do
            case $device in '' | '#'*) ;; *) say fstab "$options	$path" ;; esac
        done < /etc/fstab
    fi
    errors=$({ dmesg -r 2>/dev/null && echo '<ok>'; } | sed -n -e '/^<[0-3]>/p' -e '/^<ok>$/p')
    by_lines
    set -- $errors
    by_words
    say kernel_errors $#
    [ $# -le 6 ] || shift $(($# - 6))
    for line do printf 'kernel_log\t%.300s\n' "$line"; done
} 2>/dev/null

# While steps are read the arguments are those to tell about, then file systems to measure.
set --
asking=$(cat)
by_lines
for line in $asking; do
    by_words
    kind=${line%%"$tab"*}
    path=${line#*"$tab"}
    place=$path
    case $place in
        "~" | "~/"*)
            place=${HOME%/}${place#"~"}
            place=${place:-/}
            ;;
    esac
    case $kind in
        file) break ;;
        option) asked="$asked $path" ;;
        health) health=yes ;;
        program)
            if [ ! -f "$place" ]; then
                say program "$path	missing"
            elif [ -x "$place" ]; then
                say program "$path	executable"
            else
                say program "$path	not executable"
            fi
            ;;
        step)
            if [ -L "$place" ]; then
                links=${links:-$newline}$place$newline
                tell_link "$place"
            elif [ ! -e "$place" ]; then
                continue
            fi
            set -- "$@" "$place"
            if [ $# -ge 200 ]; then
                tell_steps "$@"
                set --
            fi
            ;;
        folder)
            if [ -z "$folders" ]; then
                folders=yes
                tell_way "$HOME" "$@"
                set --
            fi
            say folder "$place"
            while [ -n "$place" ] && [ ! -d "$place" ]; do place=${place%/*}; done
            real=${place:-/}
            if behind_link "$place"; then
                real=$(cd -P -- "$place" 2>/dev/null && pwd -P) || continue
                tell_way "$real"
            fi
            say real "${place:-/}	$real"
            [ "$real" != "$last" ] || continue
            last=$real
            set -- "$@" "$real"
            if [ $# -ge 200 ]; then
                measure "$@"
                set --
            fi
            ;;
    esac
done
by_words
[ -z "$asked" ] || tell_options "$asked"
[ -z "$health" ] || tell_health
if [ -n "$folders" ]; then
    measure "$@"
    while read -r _ path _ options _; do
        case ,$options, in *,ro,*) flags=ro ;; *) flags=rw ;; esac
        case ,$options, in *,noexec,*) flags=$flags,noexec ;; esac
        say mount "$flags	$path"
    done < /proc/mounts
fi
set -- asked # $1 of survey.sh
