# Another default for U-Boot or syslinux, which both read extlinux.conf and know nothing that is booted once: what was
# there is kept beside it, and put back as soon as the machine is up again, whatever it runs then.
# set IMAGE INITRD WORD...: `ready`, the image's path for the boot loader, the label that is the default without us, the
# file and where it is kept. INITRD may be empty.
# find: `found` and the file that `set` would change.
# clear: `cleared` and the file that is as it was before, or `nothing`.
mark='# Written by kdeploy. The original is beside it, with the ending .kdeploy-original, and is put back:'
config='' begun=''
files='/boot/extlinux/extlinux.conf /extlinux/extlinux.conf /boot/extlinux.conf /boot/syslinux/syslinux.cfg
/boot/syslinux/extlinux.conf /boot/syslinux.cfg /syslinux/syslinux.cfg /syslinux.cfg'

forget_scratch() { [ -z "$config" ] || rm -f -- "$config.kdeploy" "$config.kdeploy-copy"; }

# Which of two is read is up to the boot loader and its partition.
find_config() {
    config='' number='' inside=''
    for file in $files; do
        [ -f "$file" ] || continue
        file=$(real "$file")
        [ -z "$config" ] || [ "$file" = "$config" ] || refuse "nobody knows whether it reads $config or $file"
        config=$file
    done
    [ -n "$config" ] || refuse 'it has no extlinux.conf or syslinux.cfg in /boot or /'
    kept=$config.kdeploy-original
}

sum_of() { sha256sum | cut -d ' ' -f 1; }

# Whether nobody has changed it since.
is_ours() { [ "$(head -n 1 "$config")" = "$mark $(sed 1d "$config" | sum_of)" ]; }

# Lines of the file, each with its first word; ends of lines as DOS has them count for nothing.
lines='{ line = $0; sub(/\r$/, ""); word = tolower($1); rest = $0; sub(/^[ \t]*[^ \t]+[ \t]*/, "", rest)
    sub(/[ \t]+$/, "", rest) }'

default_label() {
    awk "$lines"'
        word == "default" { name = rest }
        word == "ontimeout" { name = rest }
        word == "label" { label = rest; labels[label] = 1 }
        word == "menu" && tolower(rest) == "default" { name = label }
        END { if (name in labels) print name }
    ' "$config"
}

# What the new label shares with the default one: the device tree.
shared_lines() {
    default=$default awk "$lines"'
        word == "label" { is_it = rest == ENVIRON["default"] }
        is_it && word ~ /^(fdt|fdtdir|fdtoverlays|devicetree|devicetreedir|devicetree-overlay)$/ { print "\t" $1 " " rest }
    ' "$config"
}

changed() {
    awk "$lines"'
        word ~ /^(default|prompt|timeout|totaltimeout|ontimeout|noescape)$/ { next }
        word == "menu" && tolower(rest) ~ /^(default|hidden)$/ { next }
        word == "label" && !seen++ { print "DEFAULT kdeploy\nPROMPT 1\nTIMEOUT 50" }
        { print line }
    ' "$config" || return 1
    printf '\n%s\n' 'LABEL kdeploy'
    printf '\t%s\n' 'MENU LABEL kdeploy, until the machine is up' "LINUX $image_inside"
    [ -z "$initrd" ] || printf '\t%s\n' "INITRD $initrd_inside"
    shared_lines || return 1
    printf '\tAPPEND %s\n' "$*"
}

take_back() {
    [ -e "$kept" ] || return 0
    if [ ! -e "$config" ] || is_ours; then
        mv -f -- "$kept" "$config" && sync
    elif cmp -s "$config" "$kept"; then
        rm -f -- "$kept" && sync
    else
        echo "$config was changed by somebody else meanwhile; $kept has what was there before" >&2
        return 1
    fi
}

keep() {
    cp -p -- "$config" "$config.kdeploy-copy" && cmp -s "$config" "$config.kdeploy-copy" && sync &&
        mv -f -- "$config.kdeploy-copy" "$kept" && sync
}

marked() {
    sum=$(changed "$@" | sum_of)
    printf '%s\n' "$mark $sum"
    changed "$@"
}

write_new() {
    cp -p -- "$config" "$config.kdeploy" && marked "$@" > "$config.kdeploy" &&
        marked "$@" | cmp -s - "$config.kdeploy" && sync || { echo 'it was cut short: is the disk full?' >&2; return 1; }
}

check_config() {
    default=$(default_label)
    [ -n "$default" ] || refuse "$config names no default label of its own"
    ! awk "$lines"' word == "label" && rest == "kdeploy" { found = 1 } END { exit !found }' "$config" ||
        refuse "$config has a label kdeploy that kdeploy did not write"
    locate "$config" || refuse "nobody knows what file system $config is on"
    config_number=$number
    locate_both
    [ "$number" = "$config_number" ] || refuse "$image is not on the file system of $config"
    case $image_inside$initrd_inside in
        *[[:space:],#]*) refuse 'a path in it cannot have spaces, commas or #' ;;
    esac
}

set_default() {
    image=$1 initrd=$2
    shift 2
    ! unfit "$image" "$initrd" "$@" || refuse 'a path or the command line has more than one line'
    [ "$(id -u)" -eq 0 ] || refuse 'only root may change what it boots'
    find_config
    why=$(take_back 2>&1) || refuse "$why"
    check_config
    why=$(write_new "$@" 2>&1) || refuse "$config.kdeploy cannot be written: $why"
    begun=yes
    why=$(keep 2>&1) || refuse "$kept cannot be written: $why"
    why=$(mv -f -- "$config.kdeploy" "$config" 2>&1) || refuse "$config cannot be replaced: $why"
    sync
    done_with ready "$image_inside" "$default" "$config" "$kept"
}

clear_default() {
    cleared=
    for config in $files; do
        config=$(real "$config") kept=$(real "$config").kdeploy-original
        forget_scratch
        [ -e "$kept" ] || continue
        why=$(take_back 2>&1) || refuse "$why"
        cleared=$config
    done
    [ -z "$cleared" ] || answer cleared "$cleared"
    answer nothing
}

watch_for_the_end
what=$1
shift
case $what in
    set) set_default "$@" ;;
    find) find_config; answer found "$config" ;;
    clear) clear_default ;;
esac
