"""`python tools/lints/run.py SRC …`: run the vault's own lints below each directory; exit 1 when one finds something."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from rules import check


def main(roots: list[str]) -> int:
    found = files = 0
    for root in map(Path, roots):
        for path in sorted(root.rglob("*.py")):
            files += 1
            for finding in check(PurePosixPath(path.relative_to(root)), path.read_text(encoding="utf-8")):
                found += 1
                print(f"{path}:{finding.line}: {finding.rule}: {finding.message}")
    print(f"own lints: {files} files, {found} findings")
    if files == 0:
        print("own lints: there was nothing to check", file=sys.stderr)
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
