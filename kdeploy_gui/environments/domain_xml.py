"""libvirt's XML: read, edited and built without libvirt. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from xml.etree.ElementTree import Element, SubElement

from kdeploy_gui.model.guest import DirectBoot, GuestDescription

SNAPSHOT_FORMATS = frozenset({"qcow2"})
"""Disks that can hold snapshots themselves."""
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_MACHINES = {"x86_64": "q35", "aarch64": "virt", "riscv64": "virt"}
_ACPI = frozenset({"x86_64", "aarch64"})
_BOOT = ("kernel", "initrd", "cmdline", "dtb")

ElementTree.register_namespace("qemu", QEMU)


def arch(xml: str) -> str:
    """The machine that a domain is."""
    kind = ElementTree.fromstring(xml).find("os/type")  # noqa: S314 - libvirt wrote it, no entities of others are in it
    return "" if kind is None else kind.get("arch", "")


def direct_boot(xml: str) -> DirectBoot | None:
    """The kernel that a domain is booted with; None: it has a boot loader of its own."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - as above
    image, initrd, cmdline = (root.findtext(f"os/{each}") or "" for each in ("kernel", "initrd", "cmdline"))
    return DirectBoot(image, initrd, cmdline) if image else None


def with_kernel(xml: str, kernel: DirectBoot) -> str:
    """The definition with another kernel; all else stays, with what boots from disk as the way on after it."""
    domain = ElementTree.fromstring(xml)  # noqa: S314 - as above
    system = domain.find("os")
    if system is None:
        system = SubElement(domain, "os")
    for each in list(system):
        if each.tag in _BOOT:
            system.remove(each)
    texts = {"kernel": kernel.image, "initrd": kernel.initrd, "cmdline": kernel.cmdline}
    place = next((index + 1 for index, each in enumerate(system) if each.tag == "type"), 0)
    for tag, text in reversed([(tag, text) for tag, text in texts.items() if text]):
        element = Element(tag)
        element.text = text
        system.insert(place, element)
    ElementTree.indent(domain)
    return ElementTree.tostring(domain, encoding="unicode") + "\n"


def kind_for(capabilities: str, arch: str) -> str:
    """How a host runs guests of that architecture: kvm where it can, else qemu (much slower)."""
    root = ElementTree.fromstring(capabilities)  # noqa: S314 - as above
    ways = root.iterfind(f"guest/arch[@name='{arch}']/domain")
    return "kvm" if "kvm" in {each.get("type") for each in ways} else "qemu"


def described(guest: GuestDescription, kind: str) -> str:
    """A definition: serial console, qcow2 disk and card of virtio, ACPI, and on PCs a device that tells of a panic."""
    domain = Element("domain", type=kind)
    SubElement(domain, "name").text = guest.name
    SubElement(domain, "memory", unit="MiB").text = str(guest.memory)
    SubElement(domain, "vcpu").text = str(guest.cores)
    if kind == "kvm" or guest.arch != "x86_64":
        SubElement(domain, "cpu", mode="host-passthrough" if kind == "kvm" else "maximum")
    system = SubElement(domain, "os")
    if guest.arch == "aarch64" and guest.kernel is None:
        system.set("firmware", "efi")
    SubElement(system, "type", arch=guest.arch, machine=_MACHINES.get(guest.arch, "")).text = "hvm"
    SubElement(system, "boot", dev="hd")
    if guest.arch in _ACPI:
        SubElement(SubElement(domain, "features"), "acpi")
    SubElement(domain, "on_crash").text = "preserve"
    devices = SubElement(domain, "devices")
    disk = SubElement(devices, "disk", type="file", device="disk")
    SubElement(disk, "driver", name="qemu", type="qcow2")
    SubElement(disk, "source", file=guest.disk)
    SubElement(disk, "target", dev="vda", bus="virtio")
    SubElement(devices, "serial", type="pty")
    SubElement(SubElement(devices, "memballoon", model="virtio"), "stats", period="5")
    if guest.arch == "x86_64":
        SubElement(devices, "panic", model="isa")
    _add_card(domain, devices, guest)
    ElementTree.indent(domain)
    xml = ElementTree.tostring(domain, encoding="unicode") + "\n"
    return with_kernel(xml, guest.kernel) if guest.kernel else xml


def _add_card(domain: Element, devices: Element, guest: GuestDescription) -> None:
    if not guest.forward_port:
        card = SubElement(devices, "interface", type="network")
        SubElement(card, "source", network=guest.network)
        SubElement(card, "model", type="virtio")
        return
    line = SubElement(domain, f"{{{QEMU}}}commandline")
    words = (
        *("-netdev", f"user,id=kdeploy,hostfwd=tcp:127.0.0.1:{guest.forward_port}-:22"),
        *("-device", "virtio-net-pci,netdev=kdeploy,addr=0x10"),
    )
    for each in words:
        SubElement(line, f"{{{QEMU}}}arg", value=each)


def unfit_for_snapshots(xml: str) -> str:
    """Why this guest's storage cannot keep snapshots; empty: it can."""
    disks = [each for each in ElementTree.fromstring(xml).iterfind("devices/disk") if _is_written(each)]  # noqa: S314
    if not disks:
        return "it has no disk that could hold one"
    for each in disks:
        driver, target = each.find("driver"), each.find("target")
        kind = "raw" if driver is None else driver.get("type", "raw")
        if kind not in SNAPSHOT_FORMATS:
            return f"its disk {'' if target is None else target.get('dev', '')} is {kind}, only qcow2 can hold one"
    return ""


def _is_written(disk: Element) -> bool:
    return disk.get("device", "disk") == "disk" and disk.find("readonly") is None


def snapshot(name: str) -> str:
    """A snapshot's description."""
    root = Element("domainsnapshot")
    SubElement(root, "name").text = name
    SubElement(root, "description").text = "taken by kdeploy before a run"
    return ElementTree.tostring(root, encoding="unicode")


def snapshot_of(xml: str) -> tuple[int, str]:
    """When a snapshot was taken (seconds since 1970), and its name."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - as above
    return int(root.findtext("creationTime") or 0), root.findtext("name") or ""
