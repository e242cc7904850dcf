"""A small source tree in the shape of a kernel's, with two semantic patches of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_spatch = pytest.mark.skipif(shutil.which("spatch") is None, reason="spatch is not installed (coccinelle)")

MASKED = """\
int masked(int flags)
{
	return !flags & 4;
}
"""
TWICE = """\
#include "twice.h"

void twice(char *p)
{
	kfree(p);
	kfree(p);
}
"""
NEGATED = """\
/// A negation binds closer than the mask after it.
//
// Confidence: High
// Comments:
// Options: --no-includes --include-headers

virtual patch, context
virtual org
virtual report

@depends on patch@
expression E;
constant C;
@@
- !E & C
+ !(E & C)

@depends on context@
expression E;
constant C;
@@
* !E & C

@r depends on org || report@
expression E;
constant C;
position p;
@@
!E@p & C

@script:python depends on org@
p << r.p;
@@
coccilib.org.print_todo(p[0], "WARNING: negated before it is masked")

@script:python depends on report@
p << r.p;
@@
coccilib.report.print_report(p[0], "WARNING: negated before it is masked")
"""
FREED = """\
/// Freed, and freed again.
// Confidence: Moderate
// Options: --no-includes

virtual report

@r@
expression E;
position p, q;
@@
kfree@p(E);
... when != E = ...
kfree@q(E);

@script:python depends on report@
p << r.p;
q << r.q;
@@
coccilib.report.print_report(q[0], "ERROR: freed on line %s already" % p[0].line)
"""
REPORTS = "virtual report\n\n@script:python depends on report@\n@@\n"
"""The beginning of a semantic patch whose program is run for each file."""


@dataclass(frozen=True)
class SourceTree:
    """Files by their names relative to `root`."""

    root: Path

    @classmethod
    def made(cls, root: Path) -> SourceTree:
        """One finding for each of the two semantic patches."""
        tree = cls(root)
        tree.write("drivers/masked.c", MASKED)
        tree.write("lib/twice.c", TWICE)
        tree.write("include/twice.h", "void kfree(void *);\n")
        tree.write("scripts/coccinelle/misc/negated.cocci", NEGATED)
        tree.write("scripts/coccinelle/free/freed.cocci", FREED)
        return tree

    def write(self, name: str, text: str) -> Path:
        """A file, with the folders on the way to it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
