"""docs/benchmarks.md from the figures of one run. Absolute figures are this machine's; the ratios are what travels."""

import datetime
import os
import pathlib
import platform

TARGET_FLOOR = 1.15
TARGET_CALLS = {"getppid": 1.10, "open+close": 1.05}
RIVALS = ("bubblewrap", "crun", "runc", "firejail")
FULL = "sandstone, tier full"


def machine(prefix):
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    virtual = "a virtual machine" if " hypervisor" in flags else "bare metal"
    return {
        "kernel": platform.release().split("-")[0], "cpus": os.cpu_count(), "model": model, "virtual": virtual,
        "date": datetime.date.today().isoformat(), "load": round(os.getloadavg()[0], 1), "real_time": bool(prefix),
    }


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(" --- " if i == 0 else " ---: " for i in range(len(head))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def by_name(rows):
    return {row["name"]: row for row in rows}


def starts_table(rows):
    found = by_name(rows)
    floor, full = found["floor"]["median"], found[FULL]["median"]
    return table(["", "median, µs", "p99, µs", "× floor", "× full"],
                 [[row["name"], f"{row['median']:,.0f}", f"{row['p99']:,.0f}", f"{row['median'] / floor:.2f}",
                   f"{row['median'] / full:.2f}"] for row in rows])


def targets(results):
    rows = []

    def judge(what, ratio, limit, strict=False):
        met = ratio < limit if strict else ratio <= limit
        rows.append([what, f"{'<' if strict else '≤'} {limit:.2f}", f"{ratio:.2f}", "met" if met else "**missed**"])

    for label, rows_of_run in results["starts"].items():
        found = by_name(rows_of_run)
        if label.startswith("slow"):
            for name in RIVALS:
                if name in found:
                    judge(f"`full` / {name}, {label.split(': ')[1]}", found[FULL]["median"] / found[name]["median"], 1, True)
            continue
        judge(f"`full` / floor, {label}", found[FULL]["median"] / found["floor"]["median"], TARGET_FLOOR)
        if "bubblewrap" in found:
            judge(f"`full` / bubblewrap, {label}", found[FULL]["median"] / found["bubblewrap"]["median"], 1, True)
    bare, full = results["syscalls"]["bare"], results["syscalls"]["full"]
    for call, limit in TARGET_CALLS.items():
        judge(f"{call} in `full` / bare", full[call] / bare[call], limit)
    return table(["target", "at most", "measured", ""], rows)


def syscalls_table(results):
    bare = results["bare"]
    tiers = [tier for tier in results if tier != "bare"]
    return table(["", "bare, ns", *(f"`{tier}`, ns" for tier in tiers), *(f"`{tier}` / bare" for tier in tiers)],
                 [[call, f"{bare[call]:.0f}", *(f"{results[tier][call]:.0f}" for tier in tiers),
                   *(f"{results[tier][call] / bare[call]:.2f}" for tier in tiers)] for call in bare])


def marginal(walls):
    """What each wall adds to the launch: medians of launches that differ by one wall."""
    rows, before = [], None
    for name, median, _ in walls:
        rows.append([name if before is not None else "no wall: clone, process 1 and its socket", f"{median - (before or 0):,.0f}"])
        before = median
    return table(["wall", "adds, µs"], rows)


def opening(results):
    """What an open costs behind Landlock, whatever the rules: why its target cannot be met with that wall."""
    cost = {name: median for name, median, _ in results["primitives"]}
    bare = cost.get("open+close of /dev/null")
    names = [("the same behind Landlock, the rule on the file", "a rule on the file itself, as `full` has for its devices"),
             ("the same, the rule on its folder", "a rule on its folder"),
             ("the same, the rule on the root", "a rule on the root"),
             ("the same, the rule on the file, but not for truncation", "no rule that lets it be truncated")]
    if not bare or not all(name in cost for name, _ in names):
        return ""
    rows = [[what, f"{cost[name] * 1000:.0f}", f"{cost[name] / bare:.2f}"] for name, what in names]
    call = cost["system call that does nothing"]
    filtered = cost.get("the same behind a seccomp filter of one instruction", 0)
    return f"""`getppid` pays for having a filter, not for ours: with any filter the kernel enters by its slow path, and then finds the call in its
bitmap of allowed ones. Behind a filter of one instruction, without a sandbox, it costs {filtered / call:.2f} x bare on this processor. `open+close` pays for Landlock, not for the filter (compare `landlock` and `full`). Landlock looks for a rule from
the file upwards, name by name, until it has found every right that it asks for. At each open it asks not only for reading but also
for the right to truncate, to know later whether the opened file may be truncated. A file that may be read and not truncated is
therefore looked for up to the root, and what is in the deepest folder costs most. With the shortest walk that there is, one step,
it is still above the target, so the target cannot be met with Landlock in force; a rule that allowed to truncate what is to be
read would shorten the walk, and the wall. Alone, without a sandbox (open+close of `/dev/null`: {bare * 1000:.0f} ns):

{table(['Landlock domain of one rule', 'ns', 'x bare'], rows)}"""


def trouble_list(sandboxes):
    lines = [f"- {s.name}: not measured here: {s.trouble}." for s in sandboxes if s.trouble]
    return "\n".join(lines)


def write(path, results, sandboxes):
    where = results["machine"]
    notes = "\n".join(f"- {name}: {note}." for name, note in {s.name: s.note for s in sandboxes if s.note}.items())
    runs = "\n\n".join(f"### {label[0].upper()}{label[1:]}\n\n{starts_table(rows)}" for label, rows in results["starts"].items())
    stages, walls, primitives = results["stages"], results["walls"], results["primitives"]
    real_time = ", all of it under the real-time scheduler (`--real-time`)" if where["real_time"] else ""
    missing = trouble_list(sandboxes)
    text = f"""# Benchmarks

`./dev bench` measured this on {where['date']}: Linux {where['kernel']}, {where['cpus']} CPUs ({where['model']},
{where['virtual']}), load average {where['load']} before it began{real_time}. Every table is from one run, in which all that it
compares took turns in random order; what counts is the ratios. The figures as JSON: `build/bench.json`.

## Targets

{targets(results)}

## Start-up to exit of a static program that ends at once

Each is started by the same small C program (`bench/spawn.c`: posix_spawn, wait) with nothing on its standard streams. "One CPU":
everything pinned to it. The slow ones take part in a shorter run of their own.

{runs}

- floor: `bench/floor.c`, a C program that makes the same namespaces, writes the id maps, pivots into a tmpfs, detaches the old
  root, loads a filter of 237 instructions (that of `full` has 238) and runs the program, and does nothing else: no view, no
  /proc, /dev or streams, no capability dropped, no Landlock, no process 1, no report.
{notes}
{missing}

## System calls

The best of 60 batches of 1,000 calls, median of the rounds, on one CPU.

{syscalls_table(results['syscalls'])}

{opening(results)}

## Memory of an idle sandbox

Supervisor and process 1, without the workload: proportional set size, and the pages that they have written to, which is what
each further sandbox takes.

{table(['', 'processes', 'Pss, KiB', 'written to, KiB'],
       [[name, str(m['processes']), f"{m['pss']:,}", f"{m['written']:,}"] for name, m in results['memory'].items()])}

## Where the time goes

The command itself, before its first line: {where['virtual']} makes each CPUID instruction cost
{next((f"{m:.1f} µs" for n, m, _ in primitives if n == 'CPUID instruction'), 'little')}, and the C library's start asks some 75 of them
of every program, the floor and all other sandboxes included.

{table(['', 'median, µs'], [[row['name'], f"{row['median']:,.0f}"] for row in results['command']])}

The stages of a start in `full`, called one after the other by a program that has started already, as one that embeds the library
does (`bench/breakdown.cc`):

{table(['stage', 'median, µs', 'p99, µs'], [[name, f'{median:,.0f}', f'{p99:,.0f}'] for name, median, p99 in stages])}

What each wall adds to the launch (differences of medians, so small ones are noise). The network namespace is made by a helper on
another CPU while the root is composed, where there is one; here it counts in full.

{marginal(walls)}

What the kernel takes for each thing alone (`bench/primitives.c`):

{table(['', 'median, µs', 'p99, µs'], [[name, f'{median:,.2f}', f'{p99:,.1f}'] for name, median, p99 in primitives])}

### What dominates, and what is left

The floor and `full` share most of what they cost: the C library's start, the clone with its namespaces, the detached root, the
filter, the program, the end of the namespaces. What `full` does beyond it, read off the time-stamp counter between its steps
(two CPUs, loaded; a start of 2.4 ms there):

| | about, µs |
| --- | ---: |
| composing the view: 70 steps, of which 26 mounts at 6 to 8 each (a system call to clone the mount, one for its attributes, a place made for it, one to attach it), 9 masks of /proc at 8, devpts and /proc at 30, 25 folders, files and symlinks at 3 to 7 | 500 |
| opening the sources of those mounts with the caller's rights, before the ids change | 90 |
| process 1: its exec, the workload's clone, the messages about it | 120 |
| the view and the walls planned, the options read; three quarters of it system calls and page faults | 150 |
| tearing down what was composed, at the end | 100 |
| Landlock | 45 |
| 41 capabilities dropped one by one, since each is a new set of credentials | 35 |
| the time namespace's offset | 20 |

Against that, the network namespace (which the floor makes in its own clone, where it waits for it) costs nothing where there are two
CPUs. So the target would need the view itself to be made in a quarter of its time. What was tried: the child in the command's memory
(a twentieth), fewer calls for each step of the view (a third of them), the filter compiled at build time, packed relocations, Landlock
rules from mounts at hand. What was not, because it would give something up: process 1 without a program of its own
([decision 3](decisions/0003-process-1-from-a-sealed-memfd.md)), a view kept between runs (state that somebody else could change), a
command without address space randomisation, fewer files of /etc, no masks.

A network namespace is taken apart in the background, after its sandbox has ended: no start waits for it, and one that comes
right after it is no slower. A mount namespace is taken apart in the end of its last process, and the kernel waits there, as it does
when the old root is detached, for all CPUs to pass a quiescent state.
"""
    path.write_text(text)
