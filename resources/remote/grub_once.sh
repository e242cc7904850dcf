# An entry of GRUB 2 that is booted once: GRUB forgets `next_entry` before it boots that, so whatever becomes of it, the
# boot after it is the usual one.
# set IMAGE INITRD WORD...: `ready` and the image's path for GRUB. INITRD may be empty.
# clear: `cleared` and the file that had the entry, or `nothing`.
begin='### BEGIN kdeploy'
finish='### END kdeploy ###'
custom='' block='' begun='' next=''

forget_scratch() { [ -z "$custom" ] || rm -f -- "$custom.kdeploy" "$block.kdeploy"; }

find_grub() {
    for folder in /boot/grub /boot/grub2; do
        [ -f "$folder/grub.cfg" ] || continue
        custom=$(real "$folder/custom.cfg") block=$(real "$folder/grubenv")
        return 0
    done
    return 1
}

sources_custom() {
    grep -Eq '^[[:space:]]*(source|\.)[[:space:]]+"?\$\{?(config_directory|prefix)\}?/custom\.cfg"?[[:space:]]*$' "$1"
}

boots_once() {
    grep -Eq '^[[:space:]]*set[[:space:]]+default="?\$\{?next_entry\}?"?[[:space:]]*$' "$1" &&
        grep -Eq '^[[:space:]]*save_env[[:space:]]+(.*[[:space:]])?next_entry([[:space:]]|$)' "$1" &&
        grep -Eq '^[[:space:]]*load_env([[:space:]]|$)' "$1"
}

# GRUB writes to its block where that lies on the disk: not where others than the file system have a say in that.
can_be_written() {
    locate "$1" || return 1
    case $kind in ext2 | ext3 | ext4 | vfat | msdos | xfs) ;; *) return 1 ;; esac
    case $device in dm-* | md*) return 1 ;; esac
}

identified() {
    found=$(grub-probe --target=fs_uuid "$1" 2>/dev/null || grub2-probe --target=fs_uuid "$1" 2>/dev/null)
    [ -n "$found" ] || found=$(blkid "/dev/$device" 2>/dev/null | sed -n 's/.* UUID="\([^"]*\)".*/\1/p')
    for link in /dev/disk/by-uuid/*; do
        [ -z "$found" ] && [ -e "$link" ] && [ "$(real "$link")" = "/dev/$device" ] && found=${link##*/}
    done
    case $found in '' | *[!0-9A-Fa-f-]*) return 1 ;; esac
}

for_grub() { grub-mkrelpath "$1" 2>/dev/null || grub2-mkrelpath "$1" 2>/dev/null || printf '%s\n' "$2"; }

# In single quotes GRUB takes everything as it is.
quoted() { printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"; }

# What cannot be loaded must not wait for somebody at the menu.
entry() {
    printf '%s%s ###\n' "$begin" "$1"
    shift
    line="linux $(quoted "$image_inside")"
    for word do line="$line $(quoted "$word")"; done
    printf '%s\n' "menuentry 'kdeploy, once' --id kdeploy --unrestricted {" \
        '    insmod gzio' \
        "    search --no-floppy --fs-uuid --set=root $found" \
        "    if $line; then"
    if [ -n "$initrd" ]; then
        printf '%s\n' "        if initrd $(quoted "$initrd_inside"); then boot; fi"
    else
        echo '        boot'
    fi
    printf '%s\n' '    fi' "    echo 'kdeploy: this kernel cannot be loaded, back to the one before'" \
        '    sleep 5' '    reboot' '}' "$finish"
}

has_entry() { [ -f "$custom" ] && grep -q "^$begin" "$custom"; }

# Not every program says that a disk is full.
cut_short() {
    echo 'it was cut short: is the disk full?' >&2
    return 1
}

replace_custom() {
    sync
    mv -f -- "$scratch" "$custom" && sync
}

# The first line tells how what was there before ended, for `remove_entry`.
add_entry() {
    scratch=$custom.kdeploy note=
    if [ ! -e "$custom" ]; then
        note=', a new file'
        rm -f -- "$scratch"
        (umask 077 && : > "$scratch") || cut_short || return 1
    else
        cp -p -- "$custom" "$scratch" || return 1
        [ ! -s "$custom" ] || [ -z "$(tail -c 1 "$custom")" ] || note=', a line without end before'
    fi
    text=$(entry "$note" "$@")
    [ "$note" != ', a line without end before' ] || text=$newline$text
    printf '%s\n' "$text" >> "$scratch" && [ "$(tail -n 1 "$scratch")" = "$finish" ] || cut_short || return 1
    replace_custom
}

others_lines() { sed "/^$begin/,/^$finish\$/d" "$custom"; }

remove_entry() {
    scratch=$custom.kdeploy
    if [ "$(grep -c "^$begin" "$custom")$(grep -c "^$finish\$" "$custom")" != 11 ]; then
        echo "$custom has lines of kdeploy that do not end: take them out by hand" >&2
        return 1
    fi
    note=$(sed -n "s/^$begin, \(.*\) ###\$/\1/p" "$custom")
    if [ "$note" = 'a new file' ] && [ -z "$(others_lines)" ]; then
        rm -f -- "$custom" && sync
        return
    fi
    cp -p -- "$custom" "$scratch" || return 1
    if [ "$note" = 'a line without end before' ] && [ "$(tail -n 1 "$custom")" = "$finish" ]; then
        lines=$(others_lines)
        printf %s "$lines" > "$scratch" && printf %s "$lines" | cmp -s - "$scratch" || cut_short || return 1
    else
        others_lines > "$scratch" && others_lines | cmp -s - "$scratch" || cut_short || return 1
    fi
    replace_custom
}

editor() { command -v grub-editenv || command -v grub2-editenv; }

next_entry() { "$editor" "$block" list 2>/dev/null | sed -n 's/^next_entry=//p'; }

has_next_entry() { "$editor" "$block" list 2>/dev/null | grep -q '^next_entry='; }

# edit_block WORD...: as GRUB itself does, in place and in one write, so that it is there for GRUB without the journal.
edit_block() {
    scratch=$block.kdeploy
    size=$(wc -c < "$block")
    cp -p -- "$block" "$scratch" && "$editor" "$scratch" "$@" && [ "$(wc -c < "$scratch")" -eq "$size" ] || return 1
    dd if="$scratch" of="$block" bs="$size" count=1 conv=notrunc 2>/dev/null || return 1
    sync
}

# First what GRUB boots next, then the entry that it would boot.
take_back() {
    if editor=$(editor) && [ -s "$block" ] && has_next_entry; then
        case $(next_entry) in
            kdeploy) edit_block unset next_entry || return 1 ;;
            '') ! has_entry || edit_block unset next_entry || return 1 ;;
        esac
    fi
    ! has_entry || remove_entry
}

check_grub() {
    [ "$(id -u)" -eq 0 ] || refuse 'only root may change what it boots'
    find_grub || refuse 'it has no grub.cfg in /boot/grub or /boot/grub2'
    sources_custom "$folder/grub.cfg" || refuse "$folder/grub.cfg does not source custom.cfg"
    boots_once "$folder/grub.cfg" || refuse "$folder/grub.cfg does not boot next_entry and forget it (save_env)"
    ! grep -Eq '^[[:space:]]*devicetree[[:space:]]' "$folder/grub.cfg" ||
        refuse "the entries of $folder/grub.cfg load a device tree, which kdeploy cannot choose"
    editor=$(editor) || refuse 'grub-editenv is not installed there'
    [ -s "$block" ] || refuse "$folder/grubenv is not there (\`grub-editenv $folder/grubenv create\`)"
    can_be_written "$block" ||
        refuse "GRUB cannot write to $block ($kind on $device), and would boot that kernel again and again"
    next=$(next_entry)
    case $next in '' | kdeploy) ;; *) refuse "it is already to boot $next next (next_entry in $block)" ;; esac
}

set_once() {
    image=$1 initrd=$2
    shift 2
    ! unfit "$image" "$initrd" "$@" || refuse 'a path or the command line has more than one line'
    check_grub
    locate_both
    identified "$image" || refuse "nobody knows the UUID of the file system that $image is on (blkid)"
    image_inside=$(for_grub "$image" "$image_inside")
    [ -z "$initrd" ] || initrd_inside=$(for_grub "$initrd" "$initrd_inside")
    why=$(take_back 2>&1) || refuse "what was left there cannot be taken back: $why"
    begun=yes
    why=$(add_entry "$@" 2>&1) || refuse "$custom cannot be written: $why"
    why=$(edit_block set next_entry=kdeploy 2>&1) || refuse "$block cannot be written: $why"
    [ "$(next_entry)" = kdeploy ] || refuse "$block does not hold next_entry"
    done_with ready "$image_inside"
}

clear_once() {
    find_grub || answer nothing
    ! editor=$(editor) || next=$(next_entry)
    has_entry || [ "$next" = kdeploy ] || answer nothing
    why=$(take_back 2>&1) || refuse "$custom: ${why:-it cannot be written}"
    answer cleared "$custom"
}

watch_for_the_end
what=$1
shift
case $what in
    set) set_once "$@" ;;
    clear) clear_once ;;
esac
