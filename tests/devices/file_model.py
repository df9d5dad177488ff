"""file_model.py FILE SEED COUNT: COUNT random operations on FILE, each also on a model in memory; fails where they differ."""

import mmap
import os
import random
import sys

LARGEST = 200_000


def check(fd, model, step):
    size = os.fstat(fd).st_size
    assert size == len(model), f"step {step}: the size is {size}, not {len(model)}"
    content = os.pread(fd, LARGEST * 2, 0)
    if content != model:
        first = next(i for i in range(len(model)) if content[i : i + 1] != model[i : i + 1])
        raise AssertionError(f"step {step}: the file differs from byte {first} on")


def main(path, seed, count):
    rng = random.Random(seed)
    model = bytearray()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for step in range(count):
        what = rng.choice("wwwraatmmcofh")
        offset = rng.randrange(LARGEST)
        length = rng.randrange(1, 20_000)
        data = rng.randbytes(length)
        if what in "wm" and offset > len(model):
            offset = len(model)
        if what == "w":
            assert os.pwrite(fd, data, offset) == length
            model[offset : offset + length] = data
        elif what == "r":
            got = os.pread(fd, length, offset)
            assert got == model[offset : offset + length], f"step {step}: read at {offset}"
        elif what == "a":
            other = os.open(path, os.O_WRONLY | os.O_APPEND)
            os.write(other, data)
            os.close(other)
            model += data
        elif what == "t":
            size = rng.randrange(LARGEST)
            os.ftruncate(fd, size)
            del model[size:]
            model += bytes(size - len(model))
        elif what == "m" and len(model) > 0:
            with mmap.mmap(fd, len(model)) as view:
                offset %= len(model)
                part = data[: len(model) - offset]
                assert view[offset : offset + len(part)] == bytes(model[offset : offset + len(part)]), f"step {step}: mmap"
                view[offset : offset + len(part)] = part
                view.flush()
            model[offset : offset + len(part)] = part
        elif what == "c" and len(model) > 0:
            start = rng.randrange(len(model))
            try:
                copied = os.copy_file_range(fd, fd, min(length, len(model) - start), start, len(model))
            except OSError:
                continue  # not on this file system
            model += model[start : start + copied]
        elif what == "o":
            os.close(fd)
            fd = os.open(path, os.O_RDWR)
        elif what == "f":
            os.posix_fallocate(fd, offset, length)
            model += bytes(max(0, offset + length - len(model)))
        elif what == "h":
            os.fsync(fd)
        if len(model) > 2 * LARGEST:
            os.ftruncate(fd, LARGEST)
            del model[LARGEST:]
        if step % 50 == 0:
            check(fd, model, step)
    check(fd, model, count)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
