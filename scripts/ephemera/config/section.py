"""The base of all configuration sections, and how an option is declared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Formats of tables beside Parquet, under the names that all branches give them.
TableFormat = Literal["fits", "votable", "ecsv", "csv"]


class Section(BaseModel):
    """A block of the configuration: unknown keys are refused, values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def settings(self) -> dict[str, Any]:
        """Values as plain JSON types, as steps receive them and as recipes hash them."""
        return self.model_dump(mode="json")


def option(default: Any, description: str, *, unit: str | None = None, **constraints: Any) -> Any:
    """Declare one option: default, one-line description, unit and constraints (gt, ge, le, ...).

    Mutable defaults are copied for each instance.
    """
    extra: Any = {"unit": unit} if unit else None
    if isinstance(default, list | dict):
        return Field(
            default_factory=lambda: type(default)(default),
            description=description,
            json_schema_extra=extra,
            **constraints,
        )
    return Field(default, description=description, json_schema_extra=extra, **constraints)


def subsection(kind: type[Section], description: str) -> Any:
    """Declare a block inside a block; absent means all its defaults."""
    return Field(default_factory=kind, description=description)
