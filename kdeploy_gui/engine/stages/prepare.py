"""Artifact preparation: every source is read once, its content pinned by SHA-256 and kept in the store."""

from __future__ import annotations

from kdeploy_gui.engine.context import Context

TELLING = 0.1
"""Seconds between two notes of how far it is."""


async def run(context: Context) -> None:
    """Hash and store the plan's sources, and learn what they need.

    Raises ArtifactError for one that is gone, unreadable or changing, LocalError where the store cannot take them.
    """
    files = context.plan.files
    step = max(1, len(files) // 20)
    told = context.ports.clock.monotonic()
    for at in range(0, len(files), step):
        group = files[at : at + step]
        for file, (digest, requirement) in zip(group, await context.digests.learn(group), strict=True):
            context.hashes[file.source.path] = digest
            context.requirements[file.source.path] = requirement
        done, now = at + len(group), context.ports.clock.monotonic()
        if done == len(files) or now - told >= TELLING:
            told = now
            context.progress(done, len(files), "files")
    for source in {each.path: each for group in context.plan.package_files.values() for each in group}.values():
        context.hashes[source.path] = await context.digests.of(source)
    await context.keeping.done(context.hashes, context.ports.clock.now())
