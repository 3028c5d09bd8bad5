"""Compare the provider's behaviour with the documentation: one line for each fact.

Values come from outside: they are described or scrubbed here, so that no line contains a key, a
link or a prompt. It must not know HTTP or the order of the calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.core.catalog import Model
from bot.provider import documented
from bot.provider.documented import Mark
from bot.provider.scrubbing import Scrubber


class Verdict(StrEnum):
    """Only DIFFERENT and NEW are deviations."""

    AS_DOCUMENTED = "as documented"
    DIFFERENT = "different"
    NEW = "new"  # a field, status or code that is not documented
    MEASURED = "measured"  # nothing is documented about it
    NOT_SEEN = "not seen"


_WEIGHT = [Verdict.NOT_SEEN, Verdict.MEASURED, Verdict.AS_DOCUMENTED, Verdict.NEW,
           Verdict.DIFFERENT]  # fmt: skip


@dataclass
class Fact:
    """One fact; the values from several answers are joined."""

    topic: str
    verdict: Verdict
    documented: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    mark: Mark | None = None

    @property
    def is_deviation(self) -> bool:
        """Whether the provider differs from its documentation here."""
        return self.verdict in (Verdict.DIFFERENT, Verdict.NEW)

    @property
    def line(self) -> str:
        """Return the row of the table."""
        row = f"{self.verdict:<14} {self.topic}: {'; '.join(self.seen) or '-'}"
        if self.documented and self.verdict in (Verdict.DIFFERENT, Verdict.NOT_SEEN):
            row += f" (documented: {'; '.join(self.documented)}; {self.mark})"
        elif self.mark:
            row += f" ({self.mark})"
        return row

    def as_json(self) -> dict[str, Any]:
        """Return the fact as the report holds it."""
        return {
            "topic": self.topic,
            "verdict": self.verdict.value,
            "seen": self.seen,
            "documented": self.documented,
            "mark": self.mark and self.mark.value,
        }


class Comparison:
    """Collects facts in the order in which they are first seen."""

    def __init__(self, scrub: Scrubber) -> None:
        self._scrub = scrub
        self._facts: dict[str, Fact] = {}

    @property
    def facts(self) -> list[Fact]:
        """Return all facts, grouped by topic."""
        groups = list(dict.fromkeys(topic.partition(":")[0] for topic in self._facts))
        return sorted(
            self._facts.values(), key=lambda fact: groups.index(fact.topic.partition(":")[0])
        )

    def expect(
        self, topic: str, seen: object, wanted: object, mark: Mark, *, holds: bool | None = None
    ) -> None:
        """Compare a value; `holds` gives the result when the values need not be equal."""
        well = str(seen) == str(wanted) if holds is None else holds
        verdict = Verdict.AS_DOCUMENTED if well else Verdict.DIFFERENT
        self._add(topic, verdict, str(seen), str(wanted), mark)

    def new(self, topic: str, seen: object) -> None:
        """Record an undocumented field, status or code."""
        self._add(topic, Verdict.NEW, str(seen))

    def measured(self, topic: str, seen: object) -> None:
        """Record a value about which nothing is documented."""
        self._add(topic, Verdict.MEASURED, str(seen))

    def not_seen(self, topic: str, why: object) -> None:
        """Record why a fact could not be observed."""
        self._add(topic, Verdict.NOT_SEEN, str(why))

    def _add(
        self, topic: str, verdict: Verdict, seen: str, wanted: str = "", mark: Mark | None = None
    ) -> None:
        fact = self._facts.setdefault(topic, Fact(topic, verdict, mark=mark))
        seen = self._scrub.text(seen)
        fact.verdict = max(fact.verdict, verdict, key=_WEIGHT.index)
        if seen not in fact.seen:
            fact.seen.append(seen)
        if wanted and wanted not in fact.documented:
            fact.documented.append(wanted)

    # --- whole answers ---------------------------------------------------------------------------

    def answer(self, call: str, http_status: int, answer: Mapping[str, Any]) -> None:
        """Compare the HTTP status, the code and every field of an answer to `call`."""
        wanted, mark = documented.HTTP_STATUS[call]
        self.expect(f"{call}: HTTP status", http_status, wanted, mark)
        fields = documented.FIELDS[call]
        if not answer:
            self.expect(f"{call}: body", "no JSON object", "a JSON object", Mark.DOC)
            return
        self._fields(call, fields, answer)
        code = answer.get("code")
        if call in documented.CODES and documented.CODE.holds(code):
            if call == "result" and code:
                self.code(int(code))
            else:
                self.expect(f"{call}: code", code, documented.CODES[call], fields["code"].mark)
        if call in ("create", "result"):
            self._status(answer.get("status"))

    def code(self, code: int) -> None:
        """Record the code of an order that was refused or failed."""
        if code in documented.ERROR_CODES:
            self.expect(f"code: {code}", "seen", "seen", Mark.DOC)
        else:
            self.new(f"code: {code}", "seen")

    def _fields(
        self, call: str, fields: Mapping[str, documented.Field], answer: Mapping[str, Any]
    ) -> None:
        for name, known in fields.items():
            topic = f"{call}: {'code' if name == 'code' else f'field {name}'}"
            if name in answer:
                value, holds = answer[name], known.form.holds(answer[name])
                # The number of a code is compared with the documented one.
                if not (name == "code" and holds and call in documented.CODES):
                    said = known.form.words if holds else self._scrub.describe(value)
                    self.expect(topic, said, known.form.words, known.mark, holds=holds)
            elif known.always:
                self.expect(topic, "missing", known.form.words, known.mark)
        for name in answer.keys() - fields.keys():
            self.new(f"{call}: field {self._scrub.name(name)}", self._scrub.describe(answer[name]))

    def _status(self, status: object) -> None:
        if not isinstance(status, str):
            return
        mark = documented.STATUSES.get(status)
        topic = f"status: {self._scrub.name(status)}"
        if mark is None:
            self.new(topic, "seen")
        else:
            self.expect(topic, "seen", "seen", mark)

    def price_list(
        self, http_status: int, answer: Mapping[str, Any], models: Iterable[Model]
    ) -> None:
        """Compare the provider's list with the documented prices."""
        self.answer("models", http_status, answer)
        listed = answer.get("models")
        prices: dict[str, Any] = {}
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, dict):
                self._fields("model", documented.FIELDS["model"], one)
                prices[str(one.get("id"))] = one.get("price")
        if not prices:
            return
        same = 0
        for model in models:
            price = prices.get(model.id)
            if documented.NUMBER.holds(price) and model.price == Decimal(str(price)):
                same += 1
            else:
                said = "not listed" if price is None else f"{price}".removesuffix(".0")
                self.expect(f"price: {model.id}", said, model.price, Mark.SEEN, holds=False)
        self.expect("price: models listed at the documented price", same, same, Mark.SEEN)
