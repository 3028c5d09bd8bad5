"""Make `schema.json` from the published Bot API schema; run by hand for a new Bot API version.

Usage: python -m bot.sandbox.telegram.trim_schema AIOGRAM_SDIST/.butcher/schema/schema.json

The source is the schema in aiogram's source distribution (MIT, (c) Alex Root Junior, see NOTICE
beside this file). Kept: names, types, whether required, limits given in the descriptions, constant
discriminators and the members of unions. The documentation texts are dropped.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("schema.json")
SIZE = re.compile(r"(\d+)[-–](\d+) (characters|bytes)")
ITEMS = re.compile(r"must include (\d+)[-–](\d+) items|list of (\d+)[-–](\d+) ")
CONST = re.compile(r"(?:must be|always) [\"'“]?([a-z_]+)[\"'”]?(?:\.|$)")
ONE_OF = re.compile(r"[Mm]ust be one of ([^.]*)")
MEMBER = re.compile(r"^ - (\w+)$", re.MULTILINE)


def trim_field(field: dict[str, Any]) -> dict[str, Any]:
    """Return one parameter or field, with limits taken from its description."""
    text, kind = field["description"], field["type"]
    short: dict[str, Any] = {"type": kind}
    if field["required"]:
        short["required"] = True
    if size := SIZE.search(text):
        short[size[3]] = [int(size[1]), int(size[2])]
        if "after entit" in text:
            short["after_entities"] = True
    if kind.startswith("Array of ") and (items := ITEMS.search(text)):
        low, high = (int(group) for group in items.groups() if group)
        short["items"] = [low, high]
    if kind == "String" and (const := CONST.search(text)):
        short["const"] = const[1]
    if kind == "String" and (one_of := ONE_OF.search(text)):
        values = re.findall(r"['“](\w+)['”]", one_of[1])
        if values:
            short["one_of"] = values
    return short


def trim(schema: dict[str, Any]) -> dict[str, Any]:
    """The whole schema: methods start with a small letter, types with a capital."""
    methods: dict[str, Any] = {}
    types: dict[str, Any] = {}
    for section in schema["items"]:
        for entry in section["children"]:
            fields = {field["name"]: trim_field(field) for field in entry["annotations"]}
            if entry["name"][0].islower():
                methods[entry["name"]] = fields
            elif not fields and (members := MEMBER.findall(entry["description"])):
                types[entry["name"]] = {"union": members}
            else:
                types[entry["name"]] = {"fields": fields}
    return {"version": schema["api"]["version"], "methods": methods, "types": types}


def dump(trimmed: dict[str, Any]) -> str:
    """Write one line per entry, so that a new version gives a readable diff."""
    parts = [f'"version": {json.dumps(trimmed["version"])}']
    for name in ("methods", "types"):
        lines = [
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
            for key, value in sorted(trimmed[name].items())
        ]
        parts.append(f'"{name}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    OUT.write_text(dump(trim(json.loads(Path(sys.argv[1]).read_text()))))
