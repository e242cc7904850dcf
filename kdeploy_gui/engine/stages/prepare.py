"""Artifact preparation: every source is read once, its content pinned by SHA-256 and kept in the store."""

from __future__ import annotations

from kdeploy_gui.engine.context import Context


async def run(context: Context) -> None:
    """Hash and store the plan's sources, and learn what they need.

    Raises ArtifactError for one that is gone, unreadable or changing, LocalError where the store cannot take them.
    """
    files = context.plan.files
    step = max(1, len(files) // 20)
    for number, file in enumerate(files, 1):
        context.hashes[file.source.path] = await context.digests.of(file.source)
        context.requirements[file.source.path] = await context.digests.requirement(file)
        if number % step == 0 or number == len(files):
            context.progress(number, len(files), "files")
    for source in {each.path: each for group in context.plan.package_files.values() for each in group}.values():
        context.hashes[source.path] = await context.digests.of(source)
    await context.keeping.done(context.hashes, context.ports.clock.now())
