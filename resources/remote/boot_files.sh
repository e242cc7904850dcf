# What the scripts share that change what a boot loader boots next. They answer with one line: a word, then what belongs
# to it, each after a tab. `refused` and why: then nothing was changed, or all of it was taken back; `stuck` and why: then
# what was begun is still there.
LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
newline='
'

tell() {
    line=$1
    shift
    for each do line="$line	$(printf %s "$each" | tr '\n\t' '  ')"; done
    printf '%s\n' "$line"
}

answer() {
    tell "$@"
    exit 0
}

# An answer that nobody takes undoes what it tells of.
done_with() {
    tell "$@" || exit 1
    begun=
    exit 0
}

# What was begun and what was being written do not stay: `take_back` and `forget_scratch` are the script's own.
undo() {
    is_undone=0
    if [ -n "$begun" ]; then
        begun=
        take_back || is_undone=1
    fi
    forget_scratch
    return "$is_undone"
}

end() {
    status=$?
    trap '' EXIT HUP INT TERM PIPE
    undo
    exit "$status"
}

watch_for_the_end() {
    trap end EXIT
    trap 'exit 143' HUP INT TERM PIPE
}

refuse() {
    undo || answer stuck "$1; what was begun could not be taken back"
    answer refused "$1"
}

# unfit TEXT...: whether one of them would be more than one line.
unfit() {
    for each do
        case $each in *"$newline"*) return 0 ;; esac
    done
    return 1
}

# real PATH: without links; it need not be there.
real() { readlink -f -- "$1" 2>/dev/null || printf '%s\n' "$1"; }

# locate PATH, which has no links: `inside` is its path in its own file system, `number`, `kind` and `device` tell which
# that is. The root of a mount is no `/` there where a subvolume or a folder of it is mounted.
locate() {
    place='' part='' number='' kind='' device=''
    while read -r _ _ its_number its_part its_place rest; do
        case $its_part$its_place in
            *\\*) its_part=$(printf %b "$its_part") its_place=$(printf %b "$its_place") ;;
        esac
        case $1 in "$its_place" | "${its_place%/}"/*) ;; *) continue ;; esac
        [ ${#its_place} -ge ${#place} ] || continue
        rest=${rest#* - }
        place=$its_place part=$its_part number=$its_number kind=${rest%% *} rest=${rest#* } device=${rest%% *}
    done < /proc/self/mountinfo
    [ -n "$place" ] || return 1
    inside=${part%/}${1#"${place%/}"}
    named=$(sed -n 's/^DEVNAME=//p' "/sys/dev/block/$number/uevent" 2>/dev/null)
    device=${named:-${device#/dev/}}
}

# locate_both: what `image` and `initrd` are for the boot loader, `image_inside` and `initrd_inside`.
locate_both() {
    initrd_inside=
    for file in "$initrd" "$image"; do
        [ -n "$file" ] || continue
        { [ -f "$file" ] && [ -r "$file" ]; } || refuse "$file is not there"
        locate "$(real "$file")" || refuse "nobody knows what file system $file is on"
        [ "$file" = "$image" ] || initrd_inside=$inside initrd_number=$number
    done
    image_inside=$inside
    [ -z "$initrd" ] || [ "$initrd_number" = "$number" ] || refuse "$image and $initrd are on two file systems"
}
