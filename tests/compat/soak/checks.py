"""What may not be left when no short jail runs, and what may not grow."""

import os
import subprocess
import time

import tasks

# How long what was killed may take to be gone.
GRACE = 20
# What a supervisor may grow by after the first look: what is kept for its largest crowd of tasks. A batch also keeps
# 16 bytes of each case's id, in a table that doubles when it is full.
GROWTH_KIB = 512
CASE_BYTES = 32


class Checks:
    def __init__(self, place, jobs):
        self.place, self.jobs = place, jobs
        self.first = {}
        self.looks = 0
        self.cgroups_before = own_cgroups()

    def heading(self):
        columns = ["minute", "jails", "signals", "cases", "left", "zombies", "stopped", "files", "cgroups"]
        text = "".join(f"{name:>9}" for name in columns)
        print(text + "".join(f"{name + ': KiB':>17}{'fds':>5}" for name in self.jobs.long), flush=True)

    def look(self):
        """All that can be looked at while the long jails run."""
        self.looks += 1
        left, zombies, stopped = self._processes()
        files, cgroups = self._files(), own_cgroups() - self.cgroups_before
        for what, found in (("left", left), ("a zombie", zombies), ("stopped", stopped), ("a file", files)):
            self._find(f"{what}: {one}" for one in found)
        self._find(f"a cgroup: {one}" for one in cgroups)
        kills = sum(self.jobs.kills.values())
        numbers = [self.looks, self.jobs.started(), kills, self.jobs.cases[0]]
        numbers += map(len, (left, zombies, stopped, files, cgroups))
        text = "".join(f"{number:>9}" for number in numbers)
        print(text + "".join(self._long(name, process) for name, process in self.jobs.long.items()), flush=True)

    def nothing_is_left(self):
        """When the long jails have ended, too."""
        left, zombies, _ = self._processes(long=False)
        self._find(f"left at the end: {one}" for one in [*left, *zombies])
        self._find(f"left at the end: {one}" for one in self._files())

    def result(self):
        for finding in self.jobs.findings:
            print(f"FOUND: {finding}")
        print(f"soak: {len(self.jobs.findings)} findings")
        return 1 if self.jobs.findings else 0

    def _find(self, findings):
        self.jobs.findings += [f"minute {self.looks}: {finding}" for finding in findings]

    def _processes(self, long=True):
        """What is left, zombies, and tasks that are stopped with nothing that would let them go on."""
        end = time.monotonic() + GRACE
        while True:
            found = tasks.processes()
            supervisors = [process.pid for process in self.jobs.long.values()] if long else []
            known = {1, os.getpid(), *supervisors}
            known |= {member.pid for one in supervisors for member in tasks.members(one, found)}
            left = [one for one in found.values() if one.pid not in known]
            zombies = [one for one in found.values() if one.state == "Z" and one not in left]
            stopped = [one for one in found.values() if one.state in "tT" and one not in left]
            # In a running jail both are normal for a moment.
            zombies, stopped = still(zombies), still(stopped)
            if not (left or zombies or stopped) or time.monotonic() > end:
                return left, zombies, stopped
            time.sleep(0.2)

    def _files(self):
        """Temporary files. A run removes what killed ones have left, and the long jail has a directory."""
        environment = {**os.environ, "TMPDIR": os.path.join(self.place, "tmp")}
        words = [self.jobs.jail, "--quiet", "--policy", "workspace", "--", "true"]
        subprocess.run(words, env=environment, cwd=os.path.join(self.place, "work"), check=True)
        found = []
        for folder, folders, files in os.walk(os.path.join(self.place, "tmp")):
            found += [os.path.join(folder, name) for name in files]
            if os.path.basename(folder) == f"jail-{os.getuid()}":
                runs = [os.path.join(folder, name) for name in folders]
                running = sum(process.poll() is None for name, process in self.jobs.long.items() if name == "steady")
                found += runs[running:]
        return found

    def _long(self, name, process):
        """Memory and descriptors of a supervisor."""
        if process.poll() is not None:
            self._find([f"{name} has ended with {process.poll()}"])
            return f"{'ended':>22}"
        now = tasks.Process(process.pid)
        memory, fds = now.memory, tasks.descriptors(process.pid)
        # Those of a supervisor that others may not look into: as many as its table has room for.
        about, fds = ("" if fds is not None else "≤"), now.room if fds is None else fds
        memory_first, fds_first = self.first.setdefault(name, (memory, fds))
        cases = self.jobs.cases[0] if name == "jail batch" else 0
        if memory > memory_first + GROWTH_KIB + cases * CASE_BYTES // 1024:
            self._find([f"{name}: its memory grew from {memory_first} to {memory} KiB"])
        if fds > fds_first + 2:
            self._find([f"{name}: its descriptors grew from {fds_first} to {fds}"])
        return f"{memory:>17}{about + str(fds):>5}"


def still(seen):
    """Those that are in the same state for a second, without having run."""
    last = {one.pid: one for one in seen}
    for _ in range(5):
        if not last:
            break
        time.sleep(0.2)
        now = tasks.processes()
        same = lambda one: one.pid in now and (now[one.pid].state, now[one.pid].switches) == (one.state, one.switches)
        last = {pid: one for pid, one in last.items() if same(one)}
    return list(last.values())


def own_cgroups():
    """The cgroups that jail has made for this user."""
    found = set()
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):
        names = [os.path.join(folder, name) for name in folders if name.startswith("jail-")]
        for name in names:
            try:
                if os.stat(name).st_uid == os.getuid():
                    found.add(name)
            except OSError:
                pass
    return found
