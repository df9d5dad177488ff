"""Runs the measuring programs and makes figures of what they print."""

import os
import pathlib
import subprocess
import time

AS_USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Failed(Exception):
    pass


def output_of(words):
    ended = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Failed(f"{words[0]}: status {ended.returncode}: {ended.stderr.strip()}")
    return ended.stdout


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def median(values):
    return percentile(values, 50)


def without_cgroup2():
    """crun refuses a host with version 1 and an empty version 2 beside it: hidden for it, and so for all."""
    unified = "/sys/fs/cgroup/unified"
    if os.geteuid() != 0 or not os.path.ismount(unified):
        return []
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'umount {unified}; exec "$@"', "sh"]


def starts(work, sandboxes, *, rounds, pause, cpu=-1, user=False, prefix=()):
    """Start to exit of all by turns. A list of {name, median, p99, least} in microseconds, in the order given."""
    working = [sandbox for sandbox in sandboxes if sandbox.trouble is None]
    commands = work / "commands"
    resolve = output_of(["sh", "-c", "".join(f"command -v {s.words[0]};" for s in working)]).split()
    commands.write_text("".join("\t".join([path, *s.words[1:]]) + "\n" for path, s in zip(resolve, working)))
    driver = [*prefix, *without_cgroup2(), *(AS_USER if user else []), work / "spawn", rounds, pause, cpu, commands]
    taken = [[] for _ in working]
    for line in output_of(driver).splitlines():
        index, nanoseconds, status = map(int, line.split())
        if status != 0:
            working[index].trouble = f"failed while it was measured (wait status {status:#x})"
        taken[index].append(nanoseconds / 1000)
    return [{"name": sandbox.name, "median": median(times), "p99": percentile(times, 99), "least": min(times)}
            for sandbox, times in zip(working, taken) if sandbox.trouble is None]


def named_figures(text):
    """Lines of name, figure, figure… as the measuring programs print them."""
    for line in text.splitlines():
        *names, first, second = line.split("\t")
        yield names, float(first) / 1000, float(second) / 1000


def syscalls(work, sandboxes, *, rounds, prefix=()):
    """{sandbox: {call: median nanoseconds}}, the sandboxes by turns, all on one CPU."""
    taken = {name: {} for name, _ in sandboxes}
    for turn in range(rounds):
        for name, words in sandboxes[turn % len(sandboxes):] + sandboxes[:turn % len(sandboxes)]:
            for line in output_of([*prefix, "taskset", "-c", "0", *words]).splitlines():
                call, cost = line.split("\t")
                taken[name].setdefault(call, []).append(float(cost))
    return {name: {call: median(costs) for call, costs in calls.items()} for name, calls in taken.items()}


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def rollup(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0])
    return fields


def memory(words, workload):
    """KiB of an idle sandbox without its workload: its processes, their Pss, and how much of it they wrote to."""
    files = [word for word in words if "<" in word]
    opened = [(int(fd), os.open(path, os.O_RDONLY)) for fd, path in (word.split("<", 1) for word in files)]
    for fd, ours in opened:
        os.dup2(ours, fd)
    process = subprocess.Popen([w for w in words if "<" not in w], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, pass_fds=tuple(fd for fd, _ in opened))
    try:
        for _ in range(200):
            time.sleep(0.01)
            everyone = [process.pid, *children(process.pid)]
            own = [pid for pid in everyone if not pathlib.Path(f"/proc/{pid}/cmdline").read_text().startswith(workload)]
            if len(own) < len(everyone):
                break
        else:
            raise Failed(f"{words[0]}: its workload did not start")
        figures = [rollup(pid) for pid in own]
        return {"processes": len(own), "pss": sum(f["Pss"] for f in figures),
                "written": sum(f["Private_Dirty"] for f in figures)}
    finally:
        process.kill()
        process.wait()
