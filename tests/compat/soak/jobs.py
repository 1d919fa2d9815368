"""Jails that are started and killed: short ones all the time, and two that run as long as the test."""

import collections
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import tasks
import work

WORKERS = 3
# Longer than any job takes on a busy machine: what is left then hangs.
HANGS = 180


class Job:
    """A short jail that runs."""

    def __init__(self, kind, process):
        self.kind, self.process = kind, process
        # Whether something of it was killed, so that its end is no longer its own.
        self.hurt = False
        self.supervisor_killed = False


class Jobs:
    def __init__(self, place, chance):
        self.place, self.chance = place, chance
        self.jail = os.path.join(place, "jail")
        work.prepare(place)
        self.kinds = work.kinds(sys.executable)
        self.findings = []
        self.counts = {kind.name: collections.Counter() for kind in self.kinds}
        self.kills = collections.Counter()
        self.running = set()
        self.lock = threading.Lock()
        self.may_start = threading.Event()
        self.ended = False
        self.threads = []
        self.long = {}
        self.cases = [0, 0]

    def started(self):
        return sum(count["started"] for count in self.counts.values())

    # The whole.

    def start(self):
        self._start_long()
        self.may_start.set()
        targets = [self._work] * WORKERS + [self._hurt, self._feed, self._read]
        self.threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self.threads:
            thread.start()

    def pause(self):
        """Starts nothing more, and waits until all short jails and cases have ended."""
        self.may_start.clear()
        end = time.monotonic() + 2 * HANGS
        while self.running or self.cases[0] != self.cases[1]:
            if time.monotonic() > end:
                self.findings.append(f"cases without a verdict: {self.cases[0] - self.cases[1]}")
                return
            time.sleep(0.05)

    def go_on(self):
        self.may_start.set()

    def stop(self):
        self.ended = True
        self.may_start.set()
        for process in self.long.values():
            # The feeder may write at this moment.
            with self.lock:
                process.stdin.close()
        for name, process in self.long.items():
            try:
                code = process.wait(HANGS)
            except subprocess.TimeoutExpired:
                self.findings.append(f"{name}: does not end: {self._tree(process.pid)}")
                process.kill()
                continue
            if code != 0:
                self.findings.append(f"{name}: exit code {code}")
        for thread in self.threads:
            thread.join(HANGS)
        if self.cases[0] != self.cases[1]:
            self.findings.append(f"jail batch: {self.cases[0]} cases, {self.cases[1]} verdicts")

    def table(self):
        print(f"\n{'kind':<24}{'started':>9}{'as it should':>14}{'hurt':>7}{'wrong':>7}")
        for name, count in self.counts.items():
            print(f"{name:<24}{count['started']:>9}{count['right']:>14}{count['hurt']:>7}{count['wrong']:>7}")
        print(f"{'cases of jail batch':<24}{self.cases[0]:>9}{self.cases[1]:>14}")
        print("signals sent: " + ", ".join(f"{what} {count}" for what, count in sorted(self.kills.items())))

    # The jails that run all the time.

    def _start_long(self):
        steady = ["--quiet", "--policy", "../pattern.toml", "--", sys.executable, "-c", work.STEADY]
        batch = ["batch", "--quiet", "--policy", "compute", "--jobs", "2"]
        for name, words in (("steady", steady), ("jail batch", batch)):
            folder = os.path.join(self.place, name)
            os.mkdir(folder)
            errors = open(os.path.join(self.place, f"{name}.err"), "wb")
            self.long[name] = subprocess.Popen(
                [self.jail, *words], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def _feed(self):
        for number in itertools.count():
            self.may_start.wait()
            command = ["sh", "-c", self.chance.choice(["exit 3", "kill -9 $$", "true & wait", "cat /etc/shadow"])]
            case = {"id": str(number), "command": command}
            with self.lock:
                if self.ended:
                    return
                self.cases[0] += 1
                self.long["jail batch"].stdin.write(json.dumps(case).encode() + b"\n")
                self.long["jail batch"].stdin.flush()
            time.sleep(0.02)

    def _read(self):
        for line in self.long["jail batch"].stdout:
            self.cases[1] += 1
            if json.loads(line)["ending"] not in ("exited", "signalled"):
                self.findings.append(f"jail batch: {line.decode()[:300]}")

    # Short jails.

    def _work(self):
        while True:
            self.may_start.wait()
            with self.lock:
                if self.ended or not self.may_start.is_set():
                    if self.ended:
                        return
                    continue
                kind = self.chance.choice(self.kinds)
                job = self._begin(kind)
            self._finish(job)

    def _begin(self, kind):
        folder = tempfile.mkdtemp(dir=os.path.join(self.place, "work"))
        work.sources(self.place, folder)
        policy = os.path.join(self.place, kind.policy) if kind.policy.endswith(".toml") else kind.policy
        words = [self.jail, "--quiet", "--policy", policy, *kind.options, "--", *kind.command]
        errors = open(os.path.join(folder, ".errors"), "wb")
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        errors.close()
        job = Job(kind, process)
        job.folder = folder
        self.counts[kind.name]["started"] += 1
        self.running.add(job)
        return job

    def _finish(self, job):
        kind, count = job.kind, self.counts[job.kind.name]
        try:
            code = job.process.wait(HANGS)
        except subprocess.TimeoutExpired:
            self.findings.append(f"{kind.name}: hangs: {self._tree(job.process.pid)}")
            job.hurt = True
            job.process.kill()
            code = job.process.wait()
        with self.lock:
            self.running.remove(job)
        # 125 is a failure of jail itself; a part that was killed may end its command in any other way.
        wrong = code == 125 or (code != kind.code and not job.hurt)
        if wrong:
            with open(os.path.join(job.folder, ".errors"), errors="replace") as errors:
                said = errors.read()[-2000:]
            self.findings.append(f"{kind.name}: exit code {code} instead of {kind.code}, hurt {job.hurt}: {said}")
        count["wrong" if wrong else "hurt" if job.hurt else "right"] += 1
        shutil.rmtree(job.folder, ignore_errors=True)

    def _tree(self, supervisor):
        found = tasks.processes()
        return "; ".join(map(str, [found.get(supervisor), *tasks.members(supervisor, found)]))

    # Signals at random.

    def _hurt(self):
        while not self.ended:
            time.sleep(self.chance.uniform(0.1, 1.0))
            with self.lock:
                jobs = [job for job in self.running if job.process.poll() is None]
                job = self.chance.choice(jobs) if jobs else None
            if job is not None:
                self._hurt_one(job)
            self._hurt_steady()

    def _hurt_one(self, job):
        supervisor = job.process
        action = self.chance.choice(["kill", "kill", "kill", "stop", "stop", "stop all", "end", "kill supervisor"])
        job.hurt = True
        if action == "kill supervisor":
            supervisor.kill()
        elif action == "end":
            supervisor.terminate()
        elif action == "stop all":
            supervisor.send_signal(signal.SIGTSTP)
            time.sleep(self.chance.uniform(0, 0.2))
            supervisor.send_signal(signal.SIGCONT)
        else:
            found = tasks.processes()
            inside = [one for one in found.values() if one.tracer == supervisor.pid]
            if not inside:
                return
            victim = self.chance.choice(inside).pid
            number = signal.SIGKILL if action == "kill" else signal.SIGSTOP
            if not tasks.send(victim, number, supervisor.pid):
                return
            if action == "stop":
                time.sleep(self.chance.uniform(0, 0.2))
                tasks.send(victim, signal.SIGCONT, supervisor.pid)
        self.kills[action] += 1

    def _hurt_steady(self):
        """A child of the command that runs all the time, but not that command."""
        supervisor = self.long["steady"].pid
        inside = [one for one in tasks.processes().values() if one.tracer == supervisor and one.parent != supervisor]
        if inside and tasks.send(self.chance.choice(inside).pid, signal.SIGKILL, supervisor):
            self.kills["kill in the long jail"] += 1
