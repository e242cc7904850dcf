# The kernel's version, command line and whole configuration. Changes nothing.
# stdout: `version<TAB>text`, `cmdline<TAB>text`, then `config<TAB>FILE` and the configuration as it is; without that line
# none can be read.
LC_ALL=C
export LC_ALL

release=$(uname -r)
printf 'version\t%s\n' "$(cat /proc/version)"
printf 'cmdline\t%s\n' "$(cat /proc/cmdline)"
for file in /proc/config.gz "/boot/config-$release" "/usr/lib/modules/$release/config" \
    "/lib/modules/$release/build/.config" "/lib/modules/$release/config" "/usr/lib/ostree-boot/config-$release"; do
    [ -r "$file" ] || continue
    printf 'config\t%s\n' "$file"
    case $file in
        *.gz) zcat "$file" ;;
        *) cat "$file" ;;
    esac
    exit
done
