"""libvirt's XML: golden files of what is changed in it, and what is read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy_gui.environments import domain_xml
from kdeploy_gui.model.guest import DirectBoot, GuestDescription

GOLDEN = Path(__file__).parents[1] / "golden/domain_xml"
KASAN = DirectBoot("/srv/bzImage-kasan", "/srv/initrd.gz", 'console=ttyS0 root=/dev/vda1 x="<&>"')
BARE = DirectBoot("/srv/Image", "", "")


def read(name: str) -> str:
    return (GOLDEN / f"{name}.xml").read_text()


@pytest.mark.parametrize(
    ("name", "kernel", "golden"),
    [("disk", KASAN, "disk-kasan"), ("direct", KASAN, "direct-kasan"), ("direct", BARE, "direct-bare")],
)
def test_only_what_is_booted_changes(name: str, kernel: DirectBoot, golden: str) -> None:
    changed = domain_xml.with_kernel(read(name), kernel)
    assert changed == read(golden)
    assert domain_xml.direct_boot(changed) == kernel
    assert domain_xml.with_kernel(changed, kernel) == changed


def test_a_definition_is_read() -> None:
    assert (domain_xml.arch(read("disk")), domain_xml.direct_boot(read("disk"))) == ("x86_64", None)
    old = DirectBoot("/boot/Image-old", "/boot/initrd-old", "console=ttyAMA0 root=/dev/vda1")
    assert (domain_xml.arch(read("direct")), domain_xml.direct_boot(read("direct"))) == ("aarch64", old)
    assert domain_xml.arch("<domain/>") == ""


def test_only_qcow2_disks_hold_snapshots() -> None:
    assert domain_xml.unfit_for_snapshots(read("disk")) == ""
    assert domain_xml.unfit_for_snapshots(read("direct")) == "its disk vda is raw, only qcow2 can hold one"
    assert domain_xml.unfit_for_snapshots("<domain/>") == "it has no disk that could hold one"


def test_a_snapshot_is_named_and_read() -> None:
    assert "<name>kd-118</name>" in domain_xml.snapshot("kd-118")
    told = "<domainsnapshot><name>kd-1</name><creationTime>17</creationTime></domainsnapshot>"
    assert domain_xml.snapshot_of(told) == (17, "kd-1")


NETWORKED = GuestDescription(name="kd-a", disk="/srv/a <1>.qcow2", memory=2048, cores=2)
FORWARDED = GuestDescription(name="kd-b", disk="/srv/b.qcow2", arch="aarch64", kernel=KASAN, forward_port=2222)


@pytest.mark.parametrize(
    ("guest", "kind", "golden"), [(NETWORKED, "kvm", "networked"), (FORWARDED, "qemu", "forwarded")]
)
def test_a_description_becomes_a_definition(guest: GuestDescription, kind: str, golden: str) -> None:
    xml = domain_xml.described(guest, kind)
    assert xml == read(golden)
    assert (domain_xml.arch(xml), domain_xml.direct_boot(xml)) == (guest.arch, guest.kernel)
    assert domain_xml.unfit_for_snapshots(xml) == ""


def test_a_host_accelerates_its_own_architecture() -> None:
    capable = """<capabilities><guest><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
        <guest><arch name='aarch64'><domain type='qemu'/></arch></guest></capabilities>"""
    assert domain_xml.kind_for(capable, "x86_64") == "kvm"
    assert domain_xml.kind_for(capable, "aarch64") == "qemu"
    assert domain_xml.kind_for("<capabilities/>", "x86_64") == "qemu"
