"""What differs between the processors that machines are emulated for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Processor:
    """A processor, and the machine that has it."""

    name: str
    # The program that emulates it, and the package that this is in.
    qemu: str
    package: str
    options: str
    # The kernel's console, and the ports that the machine's first process writes to.
    console: str
    ports: tuple
    # Debian's name of it.
    debian: str
    # What cargo builds for; empty: what it builds for by default.
    target: str = ""
    linker: dict = field(default_factory=dict)

    def serial(self, console, output, result):
        """The options for three serial ports."""
        if not self.target:
            return [word for port in (console, output, result) for word in ("-serial", port)]
        # This machine has one port of its own, and takes others as PCI cards.
        ports = [f"{output},id=output", f"file,id=result,path={result[len('file:') :]}"]
        card = ["-device", "pci-serial-2x,chardev1=output,chardev2=result"]
        return ["-serial", console, *(word for port in ports for word in ("-chardev", port)), *card]


X86_64 = Processor(
    name="x86-64",
    qemu="qemu-system-x86_64",
    package="qemu-system-x86",
    # Emulation works everywhere. Without cmpxchg16b, because qemu 7.2 makes a kernel crash on it. The clock counts
    # instructions, 2 ns each, and skips the time in which the processor is idle: the machine has the same speed
    # however busy this one is, and a test that waits takes no time. Without the fast copying of bytes, which is
    # emulated byte by byte.
    options="-accel tcg -cpu max,cx16=off,erms=off,fsrm=off -icount shift=1,sleep=off",
    console="ttyS0",
    ports=("ttyS1", "ttyS2"),
    debian="amd64",
)

AARCH64 = Processor(
    name="aarch64",
    qemu="qemu-system-aarch64",
    package="qemu-system-arm",
    # Pointer authentication by a quick algorithm: that of the processor takes most of the time here.
    options="-accel tcg -icount shift=1,sleep=off -machine virt,gic-version=3,mte=on "
    "-cpu max,pauth-impdef=on,sve=off,sme=off,lpa2=off",
    console="ttyAMA0",
    ports=("ttyS0", "ttyS1"),
    debian="arm64",
    target="aarch64-unknown-linux-gnu",
    linker={"CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "aarch64-linux-gnu-gcc"},
)

PROCESSORS = {processor.name: processor for processor in (X86_64, AARCH64)}
