# Versions of whole sets: the folder LINK.kdeploy holds them, each with the list of its files beside it.
# Functions only, on top of those for transactions.

# Files of the version before that stay as they are: the same ones once more, or copies where that cannot be.
link_over() {
    to=$1
    shift
    ! ln -- "$@" "$to/" 2>/dev/null || return 0
    for file do
        copy=$to/${file##*/}
        rm -f -- "$copy"
        ln -- "$file" "$copy" 2>/dev/null && continue
        cp -pf -- "$file" "$copy" && [ "$(sha256sum < "$file")" = "$(sha256sum < "$copy")" ] || return 1
    done
}

copy_over() {
    to=$1
    shift
    cp -pf -- "$@" "$to/"
}

# The versions that the links which are kept lead to.
needed_versions() {
    while IFS="$tab" read -r folder staged; do
        previous=$folder/$token/old/${staged##*/}
        [ ! -L "$previous" ] || printf '%s/%s\n' "${folder%/}" "$(readlink -- "$previous")"
    done < "$control/commit"
}

drop_part() {
    kind=$1
    shift
    for part do
        shift
        set -- "$@" "$version/$part"
    done
    case $kind in
        f) rm -f -- "$@" ;;
        d) rmdir -- "$@" 2>/dev/null || : ;;
    esac
}

# What others put into a version stays there.
drop_version() {
    batch "$version.files" drop_part
    rmdir -- "$version" 2>/dev/null
    rm -f -- "$version.files"
}

# Remove versions of ours that neither their link nor one that is kept leads to.
prune() {
    while IFS="$tab" read -r _ holder; do
        current=$(cd -P -- "${holder%.kdeploy}" 2>/dev/null && pwd -P)
        for version in "$holder"/[0-9]*; do
            case $version in
                *.files)
                    [ -d "${version%.files}" ] || rm -f -- "$version"
                    continue
                    ;;
            esac
            [ -d "$version" ] && [ -O "$version" ] && [ -f "$version.files" ] || continue
            [ "$current" != "$(cd -P -- "$version" && pwd -P)" ] || continue
            [ -n "$state" ] && grep -qsxF -e "$version" -- "$state"/kept/*/needs || drop_version
        done
    done < "$control/holders"
}
