"""Small packages of every kind, and local package sources that offer them."""

from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

SPEC = """Name: {name}
Version: {version}
Release: 1
Summary: a package of the tests
License: none
BuildArch: noarch
%description
a package of the tests
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {version} > %{{buildroot}}/usr/share/{name}/version
%files
/usr/share/{name}
"""
MANAGERS_SCRIPT = (
    """export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get update
chroot "$root" apt-get install -y --no-install-recommends \
    dnf rpm createrepo-c zypper pacman-package-manager python3-pip zstd libarchive-tools
mkdir -p "$root/etc/rpm" "$root/repo/rpm" "$root/repo/pacman" "$root/tmp/build/db/deptest-2.0-1"
echo '%_dbpath /var/lib/rpm' > "$root/etc/rpm/macros"
"""
    + "".join(
        f"""cat > "$root/tmp/build/x.spec" <<'SPEC'
{SPEC.format(name="deptest", version=version)}SPEC
chroot "$root" rpmbuild --quiet -bb --define '_topdir /tmp/build' --define '_rpmdir /repo/rpm' \
    --define '_rpmfilename %{{NAME}}-%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}.rpm' /tmp/build/x.spec
package=$root/tmp/build/pacman-{version}
mkdir -p "$package/usr/share/deptest"
echo {version} > "$package/usr/share/deptest/version"
printf '%s\\n' 'pkgname = deptest' 'pkgbase = deptest' 'pkgver = {version}-1' 'pkgdesc = a package' 'url = none' \
    'builddate = 1' 'packager = tests' 'size = 4' 'arch = any' > "$package/.PKGINFO"
chroot "$root" sh -c 'cd /tmp/build/pacman-{version} &&
    bsdtar --zstd -cf /repo/pacman/deptest-{version}-1-any.pkg.tar.zst .PKGINFO usr'
"""
        for version in ("1.0", "2.0")
    )
    + """chroot "$root" createrepo_c -q /repo/rpm
package=deptest-2.0-1-any.pkg.tar.zst
printf '%%%s%%\\n%s\\n\\n' FILENAME "$package" NAME deptest VERSION 2.0-1 ARCH any ISIZE 4 \
    CSIZE "$(stat -c %s "$root/repo/pacman/$package")" \
    SHA256SUM "$(sha256sum < "$root/repo/pacman/$package" | cut -d ' ' -f 1)" > "$root/tmp/build/db/deptest-2.0-1/desc"
tar -czf "$root/repo/pacman/tests.db" -C "$root/tmp/build/db" deptest-2.0-1
rm -rf "$root"/tmp/build "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/doc/* "$root"/usr/share/locale/*
"""
)
"""Brings other package managers into the Debian system in $root, and builds packages for them there."""


def deb(
    folder: Path,
    name: str,
    version: str,
    *,
    depends: str = "",
    scripts: dict[str, str] | None = None,
    arch: str = "all",
) -> Path:
    """A Debian package with one file, and maintainer scripts by their name."""
    tree = folder / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / f"usr/share/{name}").mkdir(parents=True)
    (tree / f"usr/share/{name}/version").write_text(f"{version}\n")
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": arch,
        "Maintainer": "tests <tests@invalid>",
        "Depends": depends,
        "Description": "a package of the tests",
    }
    control = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    (tree / "DEBIAN/control").write_text(control)
    for script, text in (scripts or {}).items():
        path = tree / "DEBIAN" / script
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    for each in (tree, *tree.rglob("*")):
        if each.is_dir():
            each.chmod(0o755)
    file = folder / f"{name}_{version}_{arch}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, file], check=True, capture_output=True)
    return file


def apt_source(root: Path, packages: Sequence[Path]) -> None:
    """Make a local package source with these files the only one of a Debian machine; its lists are not fetched yet."""
    repository = root / "repo/apt"
    repository.mkdir(parents=True, exist_ok=True)
    entries = []
    for file in packages:
        data = file.read_bytes()
        (repository / file.name).write_bytes(data)
        control = subprocess.run(["dpkg-deb", "-f", file], check=True, capture_output=True, text=True).stdout.strip()
        digest = hashlib.sha256(data).hexdigest()
        entries.append(f"{control}\nFilename: ./{file.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    (repository / "Packages").write_text("\n".join(entries))
    apt_sources(root, "deb [trusted=yes] file:/repo/apt ./")


def apt_sources(root: Path, *lines: str) -> None:
    """The package sources of a Debian machine."""
    for each in (root / "etc/apt/sources.list.d").glob("*"):
        each.unlink()
    (root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in lines))
    for each in (root / "var/lib/apt/lists").glob("*_*"):
        each.unlink()


def wheel(folder: Path, name: str, version: str) -> Path:
    """A Python package as a wheel."""
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(member, text)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    file.write_bytes(packed.getvalue())
    return file
