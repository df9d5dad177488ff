"""The tier `kernel` beside the host and its peers: one program and some real work, on each; its section of docs/benchmarks.md."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess

import library_kernel
import measure

HEADING = "## The tier `kernel`"

# At most this share of the host, by rewritten call sites; None: reported only.
CALLS = {"getppid": 0.25, "fstat": None, "stat, 4 components": 0.25, "open+close": 0.30, "read 1 B": 0.25, "read 4 KiB": 0.35,
         "pipe write+read 1 B": None, "page fault": 1.05}
WORK = {"fork, exec, exit of a static program": 1.5, "find /usr": 0.8, "grep -r": 0.8, "du": 0.8, "untar": 0.8, "git status, 5,000 files": 0.8,
        "python3, 50 imports": 1.05, "make -j2 of a C project": 1.1}
WORKERS = ("host", "rewrite", "trap", "bubblewrap", "proot")  # the others take minutes for it
SHARE = 0.98  # at least so many of a program's executed calls by rewritten call sites
# {program: what it does, in a shell}, for the share of its calls, children included, that do not trap.
PROGRAMS = {
    "busybox sh": "busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9; do busybox ls -lR /usr/share/doc >/dev/null; done'",
    "bash": "bash -c 'for i in {1..40}; do ls /usr/bin | head -n 3 | while read -r line; do [[ -x /usr/bin/$line ]] && echo $line; done; done >/dev/null'",
    "bash, subshells": "bash -c 'for i in {1..200}; do (exit $i) || read -r line </etc/passwd; done'",
    "python3": "/usr/bin/python3 -c 'import asyncio, json, sqlite3, subprocess; [subprocess.run([\"true\"]) for _ in range(20)]'",
    "gcc": "cd $share/project && gcc -O1 -o /tmp/a part1.c main.c",
    "make": "cp -r $share/project /tmp/p && cd /tmp/p && make -s -j2",
    "git": "cp -r $share/tree /tmp/t && cd /tmp/t && git init -q && git add . && git status >/dev/null",
    "tar": "tar -C /tmp -xf $share/tree.tar && tar -cf /dev/null -C /tmp tree",
    "find": "find /usr/share -name '*.x' >/dev/null 2>&1; true",
    "grep": "grep -rc include /usr/include/linux >/dev/null",
    "node": "node -e 'const fs = require(\"fs\"); for (let i = 0; i < 2000; i++) fs.statSync(\"/etc\"); fs.readdir(\"/usr/bin\", () => {})'",
    "fzf (Go)": "find /usr/share/doc | fzf -f changelog >/dev/null",
    "sqlite3": "sqlite3 /tmp/d 'create table t(a); with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i from n; select count(*) from t' >/dev/null",
    "redis-server": "redis-server --port 0 --unixsocket /tmp/s --save '' >/dev/null & while ! redis-cli -s /tmp/s ping >/dev/null 2>&1; do sleep 0.1; done; "
                    "redis-benchmark -s /tmp/s -n 5000 -q -t set,get >/dev/null; kill $!; wait",
    "perl": "perl -e 'for (1 .. 2000) { open my $f, \"<\", \"/etc/passwd\"; my @lines = <$f> }'",
    "dpkg": "mkdir -p /tmp/d/DEBIAN /tmp/r/var/lib/dpkg/updates /tmp/r/var/lib/dpkg/info && touch /tmp/r/var/lib/dpkg/status && cp -r $share/tree /tmp/d && "
            "printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >/tmp/d/DEBIAN/control && "
            "dpkg-deb -b /tmp/d /tmp/x.deb >/dev/null && dpkg --root=/tmp/r --force-all -i /tmp/x.deb >/dev/null 2>&1",
}
WORST = "bash, subshells"  # made to have as many signals as can be; shown, and no target
START = 35  # ms from the command to its exit
# What a call costs more than on the host, or without it, in ns at most.
ADDED = {"getppid in `trap`": 1500, "getppid in `unotify`, all on one CPU": 5000, "`--trace` in `rewrite`, the dearest of these calls": 60}
CALLS_IN_ONE = {"open+close": 2, "pipe write+read 1 B": 2}

IMPORTS = ("argparse ast asyncio base64 bisect calendar collections concurrent.futures contextlib copy csv ctypes dataclasses datetime "
           "decimal difflib email enum fractions functools glob gzip hashlib heapq html http.client inspect io itertools json logging "
           "math multiprocessing operator os pathlib pickle platform queue random re secrets shutil socket sqlite3 statistics string "
           "subprocess tempfile threading typing").split()


def ours(work, mode, *options):
    return [str(work / "sandstone"), "run", "--tier", "kernel", "--syscall-mode", mode, *options, "-v", f"{work}/share:{work}/share:ro", "--"]


def calls(work, prefix, command):
    """{call: ns}"""
    lines = measure.output_of([*prefix, *command, f"{work}/share/guest", "calls"]).splitlines()
    return {call: float(value) for call, _, value in (line.partition("\t") for line in lines)}


def added(work, prefix, rounds):
    """ADDED's figures, each the median of some runs; of the calls that are traced, the one whose own median is the largest."""
    trap, unotify, traced = [], [], {}
    trace = ours(work, "rewrite", "--trace", "/dev/null", "--trace-format", "json", "-q")
    for _ in range(rounds):
        host, bare, more = calls(work, prefix, []), calls(work, prefix, ours(work, "rewrite")), calls(work, prefix, trace)
        for call in bare:
            traced.setdefault(call, []).append((more[call] - bare[call]) / CALLS_IN_ONE.get(call, 1))
        trap.append(calls(work, prefix, ours(work, "trap"))["getppid"] - host["getppid"])
        unotify.append(calls(work, [*prefix, "taskset", "-c", "0"], ours(work, "unotify"))["getppid"] - host["getppid"])
    traced.pop("page fault")
    return dict(zip(ADDED, (statistics.median(trap), statistics.median(unotify), max(statistics.median(each) for each in traced.values()))))


def runners(work):
    """{name: prefix of a command}; the host first."""
    found = {"host": []}
    for mode in ("rewrite", "trap", "unotify"):
        if subprocess.run([*ours(work, mode), "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False).returncode == 0:
            found[mode] = ours(work, mode)
    for name, command in (("bubblewrap", ["bwrap", "--dev-bind", "/", "/"]), ("proot", ["proot", "-r", "/"]),
                          ("runsc", ["runsc", "--rootless", "--network=none", "--platform=ptrace", "do"])):
        if shutil.which(command[0]) is None:
            continue
        try:
            tried = subprocess.run([*command, "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            continue
        if tried.returncode == 0:
            found[name] = command
    return found


def prepare(build, work):
    for name in ("sandstone", "sandstone-kernel", "sandstone-net", "library-kernel"):
        if (build / name).exists():
            shutil.copy(build / name, work / name)
    share = work / "share"
    share.mkdir()
    shutil.copy(build / "bench" / "guest", share / "guest")
    shutil.copy(build / "bench" / "true", share / "true")
    sources = share / "project"
    sources.mkdir()
    for i in range(24):
        body = "\n".join(f"int f{i}_{j}(int x) {{ return x * {j} + {i}; }}" for j in range(200))
        (sources / f"part{i}.c").write_text(f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n{body}\n")
    (sources / "main.c").write_text("int main(void) { return 0; }\n")
    (sources / "Makefile").write_text("SOURCES := $(wildcard *.c)\nprogram: $(SOURCES:.c=.o)\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"
                                      "clean:\n\trm -f *.o program\n")
    tree = share / "tree"
    for i in range(50):
        folder = tree / f"folder{i}"
        folder.mkdir(parents=True)
        for j in range(100):
            (folder / f"file{j}").write_text(f"{i} {j}\n" * 20)
    subprocess.run(["tar", "-C", share, "-cf", share / "tree.tar", "tree"], check=True)
    os.chmod(work, 0o755)


# Each in a shell of its own that has made its folder of files in memory first, as the sandbox's are too.
def jobs(work, rounds):
    share, guest = f"{work}/share", f"{work}/share/guest"
    timed = f"{guest} time {rounds}"
    short = f"{guest} time {6 * rounds}"  # of a few ms: the shortest of five would be luck
    return {
        "fork, exec, exit of a static program": f"cp {share}/true . && {guest} start 50 ./true",
        "find /usr": f"{timed} sh -c 'find /usr 2>&1 || true'",
        "grep -r": f"{short} grep -rc include /usr/include/linux",
        "du": f"{timed} sh -c 'du -s /usr/share 2>&1 || true'",
        "untar": f"{timed} sh -c 'rm -rf t && mkdir t && tar -C t -xf {share}/tree.tar'",
        # In later seconds than the files and the index: else git reads all files again, each time, to be sure.
        "git status, 5,000 files": f"cp -r {share}/tree . && sleep 1.1 && cd tree && git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm all && "
                                   f"sleep 1.1 && {short} git status",
        "python3, 50 imports": f"{timed} /usr/bin/python3 -c 'import {', '.join(IMPORTS)}'",
        "make -j2 of a C project": f"cp -r {share}/project . && cd project && {guest} time 2 sh -c 'make -s clean && make -s -j2'",
    }


def patched(work):
    """{program: {entry: calls}} for those of PROGRAMS that are installed."""
    found = {}
    for name, script in PROGRAMS.items():
        if shutil.which(name.split()[0].rstrip(","), path="/usr/local/bin:/usr/bin:/bin") is None:
            continue
        report = work / "stats.json"
        command = [*ours(work, "rewrite")[:-1], "--stats", "-q", "--json", report, "-e", f"share={work}/share", "--", "sh", "-c", script]
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            continue
        if ended.returncode == 0:
            found[name] = json.loads(report.read_text())["stats"]["calls"]["entries"]
    return found


def run(build, work, *, quick, prefix=()):
    """{calls: {name: {who: ns}}, work: {name: {who: us}}, starts: {who: ms}, patched: {program: {entry: calls}}}"""
    prepare(build, work)
    who = runners(work)
    rounds = 1 if quick else 3
    results = {"calls": {}, "work": {}, "starts": {}}
    for _ in range(rounds):
        for name, command in who.items():
            for call, value in calls(work, prefix, command).items():
                results["calls"].setdefault(call, {}).setdefault(name, []).append(value)
        # What has targets, some of them within a twentieth: more often, as it takes no time beside the others.
        for name in ("host", "rewrite") * (0 if quick or "rewrite" not in who else 3):
            for call, value in calls(work, prefix, who[name]).items():
                results["calls"][call][name].append(value)
    for job, script in jobs(work, 2 if quick else 5).items():
        for name, command in who.items():
            if name not in WORKERS:
                continue
            try:
                value = float(measure.output_of([*prefix, *command, "sh", "-c", f"d=$(mktemp -d /dev/shm/bench.XXXXXX) && cd $d && {script}; s=$?; rm -rf $d; exit $s"]).split()[-1])
            except (measure.Failed, subprocess.SubprocessError, ValueError, IndexError):
                continue
            results["work"].setdefault(job, {})[name] = value
    for name in ("rewrite", "trap", "unotify"):
        if name in who:
            text = measure.output_of([*prefix, f"{work}/share/guest", "start", "5" if quick else "20", *ours(work, name), "/bin/true"])
            results["starts"][name] = float(text) / 1000
    results["added"] = added(work, prefix, rounds) if {"rewrite", "trap", "unotify"} <= set(who) else {}
    results["patched"] = patched(work) if "rewrite" in who else {}
    results["calls"] = {call: {name: statistics.median(values) for name, values in row.items()} for call, row in results["calls"].items()}
    return results


def ratios(rows, limits, unit):
    names = list(dict.fromkeys(name for row in rows.values() for name in row if name != "host"))
    lines = []
    for what, row in rows.items():
        if "host" not in row:
            continue
        limit = limits.get(what)
        cells = [f"{row[name] / row['host']:.2f}" if name in row else "" for name in names]
        verdict = "" if limit is None or "rewrite" not in row else library_kernel.verdict(row["rewrite"] / row["host"] <= limit)
        lines.append([what, library_kernel.amount(row["host"]), *cells, "" if limit is None else f"≤ {limit:.2f}", verdict])
    return library_kernel.table(["", f"host, {unit}", *names, "target (rewrite)", ""], lines)


def added_table(results):
    return library_kernel.table(["what a call costs more", "ns", "target", ""],
                                [[what, library_kernel.amount(value), f"≤ {ADDED[what]:,}", library_kernel.verdict(value <= ADDED[what])]
                                 for what, value in results.items()])


def shares(results):
    forms = ("imm7", "pre", "post", "rel8", "trapped")
    lines = []
    for name, entries in results.items():
        calls = sum(entries[form] for form in forms)
        share = 1 - entries["trapped"] / calls
        verdict = "" if name == WORST else library_kernel.verdict(share >= SHARE)
        lines.append([name, f"{calls:,}", f"{share * 100:.2f} %", *(f"{entries[form]:,}" for form in forms), verdict])
    return library_kernel.table(["", "calls", "patched", *forms, f"target ≥ {SHARE * 100:.0f} %"], lines)


def section(results, where):
    starts = "; ".join(f"{name} {value:.0f} ms" for name, value in results["starts"].items())
    met = library_kernel.verdict(results["starts"].get("rewrite", 1e9) <= START)
    return f"""{HEADING}

Measured on {where['date']}, load average {where['load']} before it began, by one unchanged static program (`bench/guest.c`; alone: `./dev bench --only
kernel-tier`) on the host and inside; all figures but the host's are ratios to it. [What the tier is](kernel-tier.md).

{ratios(results['calls'], CALLS, 'ns')}

{added_table(results['added'])}

Whole work, the shortest of some runs, on files in memory on both sides:

{ratios(results['work'], WORK, 'µs')}

`git status` looks at the files with ten threads, which the host runs on all its CPUs, and the library kernel one at a time.

From `sandstone run --tier kernel -- /bin/true` to its exit: {starts}. Target ≤ {START} ms: {met}.

How the calls of some programs came, their children's included (`--stats`; [what the forms are](../src/rewrite/rewrite.h)):

{shares(results['patched'])}

What traps is `rt_sigreturn`, always, as unwinders know the end of a signal's handler by its bytes
([why nothing else does](decisions/0018-what-is-not-rewritten-traps.md)); so a shell that does nothing but start subshells has one for each SIGCHLD.
"""


def replace_section(path, text):
    library_kernel.replace_section(path, text, HEADING)
