"""The products of an observation that the search uses, as the archive's query names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ephemera.xmm.product_names import ProductName

_TYPE = re.compile(r"[A-Z0-9_]{6,10}")
_EPIC = frozenset({"PN", "M1", "M2", "EP"})


@dataclass(frozen=True)
class Product:
    """One query: a product type (`PIEVLI`, `IMAGE_8000`), of one instrument or of any.

    Without `instname` a reply may hold files of several instruments; `accepts` are those wanted.
    """

    name: str
    instname: str | None
    accepts: frozenset[str]

    def __str__(self) -> str:
        return f"{self.instname} {self.name}" if self.instname else self.name

    def query(self, obsid: str) -> dict[str, str]:
        """Parameters of the request."""
        camera = {"instname": self.instname} if self.instname else {}
        return {"obsno": obsid, "level": "PPS", **camera, "name": self.name}

    def matches(self, file: ProductName) -> bool:
        """Whether a file is of this product."""
        return file.instrument in self.accepts and (file.product_type + file.tail).startswith(self.name)


#: What every observation is searched with: imaging event lists of the cameras, and the source list.
REQUIRED: tuple[Product, ...] = (
    Product("PIEVLI", "PN", frozenset({"PN"})),
    Product("MIEVLI", "M1", frozenset({"M1"})),
    Product("MIEVLI", "M2", frozenset({"M2"})),
    Product("OBSMLI", None, frozenset({"EP"})),
)


def optional_products(names: Sequence[str]) -> tuple[Product, ...]:
    """Queries for extra products such as `FBKTSR`, `IMAGE_8000`, `EXPMAP8000` or `ATTTSR`.

    Raises ValueError for a name that is no product type.
    """
    for name in names:
        if _TYPE.fullmatch(name) is None:
            msg = f"optional_products must be types of 6 to 10 capitals, digits or _, got {name!r}"
            raise ValueError(msg)
    return tuple(Product(name, None, _EPIC | {"OB"}) for name in dict.fromkeys(names))
