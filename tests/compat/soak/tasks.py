"""What /proc says of the processes of this pid namespace."""

import os
import signal


class Process:
    """A process as it was when it was looked at."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().decode(errors="replace").splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        self.name = fields["Name"]
        self.state = fields["State"][0]
        self.parent = int(fields["PPid"])
        self.tracer = int(fields["TracerPid"])
        self.memory = int(fields.get("VmRSS", "0").split()[0])
        self.room = int(fields["FDSize"])
        self.switches = int(fields["voluntary_ctxt_switches"])

    def __str__(self):
        return f"{self.name} (pid {self.pid}, state {self.state}, parent {self.parent}, tracer {self.tracer})"


def processes():
    """All processes of the namespace, by pid."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = Process(int(name))
            except (OSError, KeyError):
                pass  # It has ended.
    return found


def members(supervisor, found):
    """The processes that a supervisor traces or has started, and what they have started."""
    inside = {supervisor}
    while True:
        more = {one.pid for one in found.values() if one.parent in inside or one.tracer in inside} - inside
        if not more:
            return [found[pid] for pid in inside - {supervisor} if pid in found]
        inside |= more


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def send(pid, number, tracer):
    """Sends a signal to a process that this supervisor traces; says whether it was still there. A pidfd names the
    process that was looked at, so that no other can get the signal."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if Process(pid).tracer != tracer:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except (OSError, KeyError):
        return False
    finally:
        os.close(fd)
