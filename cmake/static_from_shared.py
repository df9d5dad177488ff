#!/usr/bin/env python3
"""Makes an object for static programs out of a shared library that Debian ships only as such (Zydis).

    static_from_shared.py LIBRARY OUT.S PREFIX...

The library's image becomes one read-only section, at the same distances as when it is mapped; its relocations become the
static linker's own. Exported functions whose names begin with one of PREFIX are defined. What the library imports is left
to the linker, except what STUBS names: calls there end the program. It must not write to data of its own.
"""
import struct
import sys

STUBS = ("Zyan", "__assert_fail", "__stack_chk_fail", "__cxa_finalize", "_ITM_", "__gmon_start__")
R_64, R_GLOB_DAT, R_JUMP_SLOT, R_RELATIVE = 1, 6, 7, 8
PT_LOAD, PT_DYNAMIC = 1, 2


def main():
    library, out, prefixes = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])
    data = open(library, "rb").read()
    assert data[:6] == b"\x7fELF\x02\x01", f"{library} is no 64-bit ELF file"
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    loads, dynamic = [], {}
    for i in range(phnum):
        kind, _, offset, address, _, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
        if kind == PT_LOAD:
            loads.append((address, offset, filesz, memsz))
        if kind == PT_DYNAMIC:
            for at in range(offset, offset + filesz, 16):
                tag, value = struct.unpack_from("<QQ", data, at)
                dynamic.setdefault(tag, value)

    size = max(address + memsz for address, _, _, memsz in loads)
    image = bytearray(size)
    for address, offset, filesz, _ in loads:
        image[address:address + filesz] = data[offset:offset + filesz]
    symtab, strtab = dynamic[6], dynamic[5]

    def symbol(index):
        name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", image, symtab + index * 24)
        end = image.index(b"\0", strtab + name)
        return image[strtab + name:end].decode(), info & 15, section, value

    words = {}
    for table, length in ((7, 8), (23, 2)):  # DT_RELA, DT_JMPREL
        if table not in dynamic:
            continue
        for at in range(dynamic[table], dynamic[table] + dynamic[length], 24):
            offset, info, addend = struct.unpack_from("<QQq", image, at)
            kind, index = info & 0xffffffff, info >> 32
            if kind == R_RELATIVE:
                words[offset] = f"image + {addend}"
                continue
            assert kind in (R_64, R_GLOB_DAT, R_JUMP_SLOT), f"relocation {kind}"
            name, _, section, value = symbol(index)
            if section != 0:
                words[offset] = f"image + {value + (addend if kind == R_64 else 0)}"
            elif name.startswith(STUBS):
                words[offset] = "0" if name.startswith(("__cxa", "_ITM", "__gmon")) else "stub"
            else:
                words[offset] = name

    lines = [f"/* Made from {library.rsplit('/', 1)[-1]} by static_from_shared.py. */",
             '.section .text.shared_library, "ax", @progbits', ".balign 4096", "image:"]
    at = 0
    for offset in sorted(words) + [size]:
        for start in range(at, offset, 64):
            lines.append(".byte " + ",".join(map(str, image[start:min(start + 64, offset)])))
        if offset < size:
            lines.append(f".quad {words[offset]}")
        at = offset + 8
    count = dynamic_symbols(image, dynamic)
    for index in range(1, count):
        name, kind, section, value = symbol(index)
        if section != 0 and kind == 2 and name.startswith(prefixes):
            lines += [f".globl {name}", f".type {name}, @function", f".set {name}, image + {value}"]
    lines += ["stub: ud2", '.section .note.GNU-stack, "", @progbits', ""]
    with open(out, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


def dynamic_symbols(image, dynamic):
    """How many there are: by DT_GNU_HASH, whose last chain ends the table."""
    table = dynamic[0x6ffffef5]
    buckets, first, bloom, _ = struct.unpack_from("<IIII", image, table)
    at = table + 16 + bloom * 8
    last = max(struct.unpack_from(f"<{buckets}I", image, at))
    chains = at + buckets * 4
    while last >= first and not struct.unpack_from("<I", image, chains + (last - first) * 4)[0] & 1:
        last += 1
    return last + 1


main()
