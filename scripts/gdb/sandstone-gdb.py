"""Commands for gdb in a process of a running sandbox of the tier `kernel`: its library kernel's tasks, files, mounts, memory.

    gdb -p PID -x scripts/gdb/sandstone-gdb.py          # PID: see scripts/gdb/attach, which does all of this

The library kernel is at the same addresses in each of them. Nothing is run in the process: all is read from its memory.
"""

import os
import pathlib

import gdb

BUILD = pathlib.Path(os.environ.get("SANDSTONE_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
PAGE = 4096


def symbols():
    for name in (BUILD / "library-kernel.debug", BUILD / "src" / "runtime" / "sandstone-runtime"):
        if name.exists():
            gdb.execute(f"add-symbol-file {name}", to_string=True)
    # Their own way to reach memory that is not mapped yet, and how calls that were not patched come in.
    for signal in ("SIGSEGV", "SIGBUS", "SIGSYS", "SIG63"):
        gdb.execute(f"handle {signal} nostop noprint pass", to_string=True)


def value(expression):
    return gdb.parse_and_eval(expression)


def container(pointer, kind, member):
    offset = int(value(f"(unsigned long)&(({kind} *)0)->{member}"))
    return gdb.Value(int(pointer) - offset).cast(gdb.lookup_type(kind).pointer())


def entries(head, kind, member):
    """The elements of a struct list_head."""
    at = head["next"]
    seen = 0
    while int(at) != int(head.address) and seen < 100000:
        yield container(at, kind, member)
        at = at.dereference()["next"]
        seen += 1


def tasks():
    """Every thread of every process."""
    first = value("&init_task")
    for leader in entries(first["tasks"], "struct task_struct", "tasks"):
        yield leader
        signal = leader["signal"]
        for thread in entries(signal["thread_head"], "struct task_struct", "thread_node"):
            if int(thread) != int(leader):
                yield thread


def find(pid):
    for task in tasks():
        if int(task["pid"]) == pid:
            return task
    raise gdb.GdbError(f"there is no task {pid}: sandstone-tasks lists them")


def text(array):
    return array.string(errors="replace")


def state(task):
    if int(task["exit_state"]) != 0:
        return "ended"
    if int(task) == int(value("lib_current")):
        return "on the CPU" if int(value("lib_shared.owner")) != 0 else "outside"
    if int(task["thread"]["outside"]) != 0:
        return "outside"  # between two calls: its program runs
    return "blocked" if int(task["__state"]) != 0 else "runnable"


def path_of(dentry, mount=None):
    names = []
    for _ in range(100):
        parent = dentry["d_parent"]
        if int(parent) == int(dentry):
            break
        names.append(dentry["d_name"]["name"].string(errors="replace"))
        dentry = parent
    return "/" + "/".join(reversed(names))


class Tasks(gdb.Command):
    """sandstone-tasks: pid, process, parent, state and name of every task of the library kernel's."""

    def __init__(self):
        super().__init__("sandstone-tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        print("   PID  TGID  PPID  STATE       NAME")
        for task in tasks():
            if int(task["flags"]) & 0x00200000:  # PF_KTHREAD
                continue
            print(f"{int(task['pid']):6}{int(task['tgid']):6}{int(task['real_parent']['tgid']):6}  {state(task):11} {text(task['comm'])}")


class Files(gdb.Command):
    """sandstone-files PID: what the task has open."""

    def __init__(self):
        super().__init__("sandstone-files", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        table = find(int(argument))["files"]["fdt"]
        for fd in range(int(table["max_fds"])):
            file = table["fd"][fd]
            if int(file) != 0:
                dentry = file["f_path"]["dentry"]
                kind = dentry["d_sb"]["s_type"]["name"].string()
                name = path_of(dentry)
                print(f"{fd:4}  {kind:10} {name if name != '/' else dentry['d_name']['name'].string(errors='replace')}")


class Mounts(gdb.Command):
    """sandstone-mounts [PID]: the mounts that the task (default 1) sees, each below the one that it is mounted in."""

    def __init__(self):
        super().__init__("sandstone-mounts", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        self.show(find(int(argument or 1))["nsproxy"]["mnt_ns"]["root"])

    def show(self, mount):
        kind = mount["mnt"]["mnt_sb"]["s_type"]["name"].string()
        print(f"{kind:10} {path_of(mount['mnt_mountpoint'])}")
        for child in entries(mount["mnt_mounts"], "struct mount", "mnt_child"):
            self.show(child)


class Memory(gdb.Command):
    """sandstone-memory [PID]: the library kernel's memory; or what the task has mapped of files."""

    def __init__(self):
        super().__init__("sandstone-memory", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if argument:
            memory = find(int(argument))["mm"]
            print(f"mappings {int(memory['map_count'])}, {int(memory['total_vm']) * PAGE >> 10} KiB")
            return
        zones = value("contig_page_data")["node_zones"]
        free = sum(int(zones[i]["vm_stat"][0]["counter"]) for i in range(int(zones.type.range()[1]) + 1))
        print(f"free {free * PAGE >> 20} MiB of {int(value('_totalram_pages')['counter']) * PAGE >> 20} MiB")


class BreakCall(gdb.Command):
    """sandstone-break NAME: stop when a task makes this system call, in the process that gdb is attached to."""

    def __init__(self):
        super().__init__("sandstone-break", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        for name in (f"__se_sys_{argument}", f"sys_{argument}", f"__do_sys_{argument}"):
            try:
                value(f"&{name}")
            except gdb.error:
                continue
            gdb.execute(f"hbreak {name}")  # in hardware: its text is shared by all processes of the sandbox
            return
        raise gdb.GdbError(f"the library kernel has no call '{argument}'")


symbols()
for command in (Tasks, Files, Mounts, Memory, BreakCall):
    command()
