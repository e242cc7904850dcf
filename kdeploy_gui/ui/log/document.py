"""The log of one environment in one run as rows: stages that fold, events in words, and output read on demand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from kdeploy_gui.model.event import Channel, EnvironmentFinished, Event, OutputAppended, StageFinished
from kdeploy_gui.model.stage import Stage, StageOutcome
from kdeploy_gui.ui.log.group import Address, Group, Notes, Output
from kdeploy_gui.ui.log.lines import Found, Read
from kdeploy_gui.ui.log.rows import Header, Row, RowReader, Told
from kdeploy_gui.ui.log.scan import Hits
from kdeploy_gui.ui.states import Condition

EPILOGUE = len(Stage)
"""The group of what happened after all stages."""
PASSED, HEADER = -2, -1
"""Block numbers of the row over all passed stages and of a stage's own."""
NOWHERE: Address = (0, 0, 0)


class LogDocument:
    """Rows are counted from 0; an `Address` names a row however many others come, go or fold.

    `problems` limits the rows below the headers to those places; `hold` keeps open what would fold by itself.
    """

    def __init__(self, read: Read, environment: str = "", run: int = 0) -> None:
        self.environment = environment
        self.run = run
        self.read = read
        self.hold = False
        self.problems: dict[tuple[int, int], Hits] | None = None
        self.groups = [*(Group(stage) for stage in Stage), Group(None)]
        self._passed_open = False
        self._layout: list[tuple[int, int, int]] = []
        self._firsts: list[int] = []
        self._rows = 0
        self._reader = RowReader(read)

    # What comes

    def add(self, told: Sequence[Told]) -> None:
        """Take more events, in order. Their output has no rows before `refresh` after it was indexed."""
        for each in told:
            event = each.event
            group = self.groups[self._group_of(event)]
            group.note(event)
            if isinstance(event.body, OutputAppended) and event.body.channel is Channel.OUTPUT:
                group.append_output(event.body, event.time)
            group.append_notes(event.time, each.notes)
            if each.failure and isinstance(event.body, EnvironmentFinished) and event.body.error:
                failed = self._failed_group(event.body.error.where.stage)
                failed.stop(event.body.error.message)
                failed.append_notes(event.time, each.failure)
            if self.hold and isinstance(event.body, StageFinished) and group.open is None:
                group.open = self._passed_open = True
        self.refresh()

    def _group_of(self, event: Event) -> int:
        if event.stage is not None:
            return list(Stage).index(event.stage)
        return EPILOGUE if isinstance(event.body, EnvironmentFinished) else 0

    def _failed_group(self, stage: str) -> Group:
        return next((each for each in self.groups if each.stage and each.stage.value == stage), self.groups[EPILOGUE])

    def extend(self, address: tuple[int, int], found: Found) -> None:
        """Take the lines found in a stretch of output; its last one may have grown."""
        block = self.groups[address[0]].blocks[address[1]]
        if isinstance(block, Output):
            if len(block):
                self._reader.forget((*address, block.lines.starts[-1]))
            block.lines.extend(found)
            self.refresh()

    def blocks(self) -> Iterator[tuple[tuple[int, int], Notes | Output]]:
        """All blocks by group and number, in order."""
        for number, group in enumerate(self.groups):
            for index, block in enumerate(group.blocks):
                yield (number, index), block

    # Rows

    def refresh(self) -> None:
        """Count the rows again: after output was indexed, or places of `problems` were found."""
        self._layout.clear()
        self._firsts.clear()
        self._rows = 0
        passed = self._passed()
        for number, group in enumerate(self.groups):
            if passed and number == 0:
                self._lay(number, PASSED, 1)
            if number < passed and not self._passed_open:
                continue
            if group.stage is not None and group.is_there:
                self._lay(number, HEADER, 1)
            if group.stage is None or self._is_open(number):
                for index in range(len(group.blocks)):
                    self._lay(number, index, self._block_rows(number, index))

    def _lay(self, group: int, block: int, rows: int) -> None:
        if rows:
            self._layout.append((self._rows, group, block))
            self._firsts.append(self._rows)
            self._rows += rows

    def _passed(self) -> int:
        """How many stages from the first on passed and share one row; the very last one stands for itself."""
        passed = 0
        while passed < len(Stage) - 1 and self.groups[passed].outcome is StageOutcome.SUCCEEDED:
            passed += 1
        return passed if passed > 1 else 0

    def _is_open(self, number: int) -> bool:
        group = self.groups[number]
        if group.open is not None:
            return group.open
        return group.outcome is not StageOutcome.SUCCEEDED or number == len(Stage) - 1

    def _block_rows(self, group: int, index: int) -> int:
        if self.problems is not None:
            hits = self.problems.get((group, index))
            return len(hits.places) if hits else 0
        return len(self.groups[group].blocks[index])

    def __len__(self) -> int:
        return self._rows

    @property
    def goes_on(self) -> bool:
        """Whether more may come: something has, and not the end."""
        return any(each.is_there for each in self.groups) and not self.groups[EPILOGUE].blocks

    @property
    def begin(self) -> datetime:
        """When the first thing happened; now, if nothing has."""
        return next((block.time(block.place(0)) for _, block in self.blocks() if len(block)), datetime.now(UTC))

    @property
    def lines(self) -> int:
        """Lines in all, folded ones too."""
        return sum(len(block) for _, block in self.blocks())

    def last_line(self) -> Address:
        """The address of the last line, also where it is folded."""
        last = NOWHERE
        for key, block in self.blocks():
            if len(block):
                last = (*key, block.place(len(block) - 1))
        return last

    def lines_after(self, address: Address) -> int:
        """How many lines follow an address, folded ones too."""
        after = 0
        for key, block in self.blocks():
            if key > address[:2]:
                after += len(block)
            elif key == address[:2]:
                after += len(block) - 1 - block.index(address[2])
        return after

    def address(self, row: int) -> Address:
        """The lasting name of a row."""
        first, group, block = self._segment(row)
        if block < 0:
            return group, block, 0
        if self.problems is not None:
            return group, block, self.problems[group, block].places[row - first]
        return group, block, self.groups[group].blocks[block].place(row - first)

    def _segment(self, row: int) -> tuple[int, int, int]:
        return self._layout[bisect_right(self._firsts, row) - 1]

    def row_of(self, address: Address) -> int:
        """The row of an address, or the nearest one before it that is shown; -1 in an empty log."""
        group, block, place = address
        key = bisect_right(self._layout, (group, block), key=lambda each: each[1:]) - 1
        if key < 0:
            return min(0, self._rows - 1)
        first, found_group, found_block = self._layout[key]
        rows = (self._layout[key + 1][0] if key + 1 < len(self._layout) else self._rows) - first
        if (found_group, found_block) != (group, block):
            return first + rows - 1
        if block < 0:
            return first
        if self.problems is not None:
            return first + min(bisect_left(self.problems[group, block].places, place), rows - 1)
        return first + min(self.groups[group].blocks[block].index(place), rows - 1)

    def is_shown(self, address: Address) -> bool:
        """Whether the row of an address is neither folded nor left out."""
        row = self.row_of(address)
        return row >= 0 and self.address(row) == address

    def is_kept(self, address: Address) -> bool:
        """Whether `problems` leaves a row in."""
        if self.problems is None or address[1] < 0:
            return True
        hits = self.problems.get(address[:2])
        found = bisect_left(hits.places, address[2]) if hits else 0
        return hits is not None and found < len(hits.places) and hits.places[found] == address[2]

    def row(self, number: int) -> Row | Header:
        """What a row shows."""
        return self.row_at(self.address(number))

    def row_at(self, address: Address) -> Row | Header:
        """What the row of an address shows, or would show."""
        group, block, _ = address
        if block < 0:
            return self._header(group, block)
        return self._reader.row(address, self.groups[group].blocks[block])

    def bounds(self, address: Address) -> tuple[int, int]:
        """Where the bytes of a line of output begin and end; (0, 0) for a note."""
        block = self.groups[address[0]].blocks[address[1]]
        return block.bounds(address[2]) if isinstance(block, Output) else (0, 0)

    # Folding

    def _header(self, number: int, block: int) -> Header:
        if block == PASSED:
            passed = self._passed()
            groups = self.groups[:passed]
            said = ", ".join(filter(None, (each.said for each in groups)))
            title = f"Stages 1 to {passed} passed"
            seconds = sum(each.seconds for each in groups)
            return Header((number, block, 0), title, said, Condition.DONE, self._passed_open, seconds)
        group = self.groups[number]
        label = group.stage.label if group.stage else ""
        title = f"{number + 1} {label[:1].upper()}{label[1:]}"
        ended = bool(self.groups[EPILOGUE].blocks)
        return Header(
            (number, block, 0), title, group.said, group.condition(ended), self._is_open(number), group.seconds
        )

    def fold(self, row: int, open_: bool) -> None:
        """Open or close the stage that a row belongs to."""
        group, block, _ = self.address(row)
        if block == PASSED:
            self._passed_open = open_
        elif self.groups[group].stage is not None:
            if block == HEADER and not open_ and not self._is_open(group) and group < self._passed():
                self._passed_open = False
            self.groups[group].open = open_
        self.refresh()

    def reveal(self, address: Address) -> None:
        """Open whatever hides a row."""
        group = self.groups[address[0]]
        if group.stage is not None and address[1] != PASSED:
            self._passed_open = self._passed_open or address[0] < self._passed()
            group.open = True
            self.refresh()

    def header_of(self, stage: Stage) -> Address:
        """The address of a stage's row."""
        return list(Stage).index(stage), HEADER, 0

    def header_over(self, row: int) -> Address | None:
        """The address of the header that a row belongs to; None where it has none."""
        group, block, _ = self.address(row)
        if block == PASSED:
            return group, PASSED, 0
        return (group, HEADER, 0) if self.groups[group].stage is not None else None

    def is_header(self, row: int) -> bool:
        """Whether a row is a header."""
        return self._segment(row)[2] < 0

    def is_below_passed(self, row: int) -> bool:
        """Whether a row is one of those that the row of all passed stages folds."""
        _, group, block = self._segment(row)
        return block != PASSED and group < self._passed()

    def headers(self) -> list[int]:
        """The rows of all headers that are shown."""
        return [first for first, _, block in self._layout if block < 0]

    def row_at_time(self, moment: datetime) -> int:
        """The first row that is not older than `moment`, else the last one."""
        for first, group, block in self._layout:
            if block >= 0:
                rows = self._block_rows(group, block)
                found = bisect_left(range(rows), moment, key=lambda each: self._time(first + each))
                if found < rows:
                    return first + found
        return self._rows - 1

    def _time(self, row: int) -> datetime:
        group, block, place = self.address(row)
        return self.groups[group].blocks[block].time(place)
