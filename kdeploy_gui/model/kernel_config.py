"""What a plan requires of a kernel's configuration: `CONFIG_X=y`, `=m`, `!=n`, `>=14`, `="text"`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEED = re.compile(r"(?:CONFIG_)?([A-Za-z0-9_]{1,120})\s*(==|=|!=|>=|<=)\s*(\S.*)")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]{1,16}|\d{1,18})")
NOT_SET = "n"
"""What an option counts as that is not set, or that this kernel does not even offer."""


@dataclass(frozen=True, slots=True)
class ConfigNeed:
    """One requirement; `option` without CONFIG_. Numbers compare as numbers, whether they are written in hex or not."""

    option: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> ConfigNeed:
        """Read `CONFIG_MODULES!=n`. Raises ValueError that says what is wrong."""
        found = _NEED.fullmatch(text.strip())
        if found is None:
            raise ValueError('must be like "CONFIG_X=y", "CONFIG_X!=n" or "CONFIG_X>=14"')
        option, operator, value = found.groups()
        value = value.strip().strip('"')
        if operator in {">=", "<="} and not _NUMBER.fullmatch(value):
            raise ValueError(f'compares with a number: {operator} needs one, not "{value}"')
        return cls(option, "=" if operator == "==" else operator, value)

    def met_by(self, value: str | None) -> bool:
        """Whether the option's value will do; None: the kernel's configuration does not have it."""
        has = NOT_SET if value is None else value
        if self.operator in {">=", "<="}:
            if not _NUMBER.fullmatch(has):
                return False
            order = int(has, 0) - int(self.value, 0)
            return order >= 0 if self.operator == ">=" else order <= 0
        same = has == self.value
        if _NUMBER.fullmatch(has) and _NUMBER.fullmatch(self.value):
            same = int(has, 0) == int(self.value, 0)
        return same if self.operator == "=" else not same

    def __str__(self) -> str:
        return f"CONFIG_{self.option}{self.operator}{self.value}"
