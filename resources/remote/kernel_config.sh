# tell_config NAMES: what the kernel is built with; IKCONFIG stands in every configuration. The kernel's own copy is about
# this kernel, a file may belong to another build with the same release.
tell_config() {
    release=$(uname -r)
    for file in /proc/config.gz "/boot/config-$release" "/usr/lib/modules/$release/config" \
        "/lib/modules/$release/build/.config" "/lib/modules/$release/config" "/usr/lib/ostree-boot/config-$release"; do
        [ -e "$file" ] || continue
        case $file in
            *.gz) text=$(zcat "$file" 2>/dev/null | grep -E "^(# )?CONFIG_(IKCONFIG|$1)[= ]") ;;
            *) text=$(grep -E "^(# )?CONFIG_(IKCONFIG|$1)[= ]" "$file" 2>/dev/null) ;;
        esac
        if [ -n "$text" ]; then
            source=$file
            say config_source "$file"
            while IFS= read -r text_line; do say config "$text_line"; done << END
$text
END
            return
        fi
        say unread "$file	nothing in it can be read"
    done
}
