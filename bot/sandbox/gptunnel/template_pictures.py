"""Draw the pictures of the templates in bot/scenes, with the drawing code of the sandbox.

`python -m bot.sandbox.gptunnel.template_pictures` writes them anew. Each shows where the photo
goes: a print with a figure, in the landscape of its prompt.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from bot.sandbox.gptunnel.render import Scene, still

FOLDER = Path(__file__).parents[2] / "scenes"
SIDE = 480
"""px; pictures are square, since the photo decides the aspect ratio."""
_PRINT = 300
_WHITE, _INK = (250, 248, 244), (38, 34, 52)


def draw(prompt: str, name: str) -> Image.Image:
    """Return the picture of one template."""
    picture = still(Scene(SIDE, SIDE, 5, prompt, ""), 0.3).filter(ImageFilter.GaussianBlur(5))
    photo = still(Scene(_PRINT, _PRINT, 5, f"{prompt} inside", ""), 0.9)
    _figure(photo, name)
    if name == "film":
        photo = ImageOps.colorize(ImageOps.grayscale(photo), _INK, _WHITE)
    if name == "painting":
        photo = photo.filter(ImageFilter.ModeFilter(9))
    sheet = Image.new("RGB", (_PRINT + 28, _PRINT + 60), _WHITE)
    sheet.paste(photo, (14, 14))
    _camera(ImageDraw.Draw(sheet), sheet.width / 2, _PRINT + 37)
    dice = random.Random(name)
    mask = Image.new("L", sheet.size, 255)
    turn = dice.uniform(-6, 6)
    sheet, mask = (
        one.rotate(turn, Image.Resampling.BICUBIC, expand=True) for one in (sheet, mask)
    )
    at = ((SIDE - sheet.width) // 2, (SIDE - sheet.height) // 2)
    shadow = Image.new("L", picture.size)
    shadow.paste(mask.point(lambda value: value * 0.5), (at[0] + 6, at[1] + 10))
    picture.paste((0, 0, 0), mask=shadow.filter(ImageFilter.GaussianBlur(8)))
    picture.paste(sheet, at, mask)
    _happening(picture, name, dice)
    return picture


def _figure(photo: Image.Image, name: str) -> None:
    """Draw who or what is in the photo: a person, people, an animal or a thing."""
    pen, foot = ImageDraw.Draw(photo), _PRINT
    if name == "product":
        pen.rounded_rectangle((105, 120, 195, foot - 20), 18, fill=_INK)
        pen.rounded_rectangle((128, 90, 172, 124), 8, fill=_INK)
        pen.rectangle((118, 135, 126, foot - 40), fill=_WHITE)
        return
    if name == "pet":
        pen.polygon([(85, 130), (95, 60), (140, 105)], fill=_INK)
        pen.polygon([(215, 130), (205, 60), (160, 105)], fill=_INK)
        pen.ellipse((78, 90, 222, 230), fill=_INK)
        pen.ellipse((60, 200, 240, foot + 120), fill=_INK)
        for eye in (122, 178):
            pen.ellipse((eye - 9, 145, eye + 9, 163), fill=_WHITE)
        return
    people = {"dance": (70, 150, 230), "balloons": (110, 195)}.get(name, (150,))
    size = 1.0 if len(people) == 1 else 0.7
    for middle in people:
        head, top = 46 * size, foot - 215 * size
        pen.ellipse((middle - head, top, middle + head, top + 2 * head), fill=_INK)
        wide = 92 * size
        pen.ellipse(
            (middle - wide, top + 2 * head + 8, middle + wide, foot + 150 * size), fill=_INK
        )
        if name in ("wave", "dance"):
            arm = (middle + wide * 0.7, foot - 70 * size, middle + wide * 1.15, top + head)
            pen.line(arm, fill=_INK, width=round(26 * size))


def _camera(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    pen.rounded_rectangle((x - 22, y - 12, x + 22, y + 14), 5, fill=_INK)
    pen.rectangle((x - 8, y - 17, x + 8, y - 10), fill=_INK)
    pen.ellipse((x - 9, y - 8, x + 9, y + 10), fill=_WHITE)
    pen.ellipse((x - 5, y - 4, x + 5, y + 6), fill=_INK)


def _happening(picture: Image.Image, name: str, dice: random.Random) -> None:
    """Draw what happens over the print: snow, balloons, light."""
    pen = ImageDraw.Draw(picture)
    if name == "snow":
        for _ in range(90):
            x, y, r = dice.uniform(0, SIDE), dice.uniform(0, SIDE), dice.uniform(2, 6)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=_WHITE)
    elif name == "balloons":
        for colour in ((226, 74, 82), (248, 186, 60), (74, 144, 226), (120, 200, 120)) * 2:
            x, y = dice.uniform(30, SIDE - 30), dice.uniform(30, SIDE - 110)
            pen.line((x, y, x + dice.uniform(-10, 10), y + 95), fill=_WHITE, width=2)
            pen.ellipse((x - 22, y - 28, x + 22, y + 28), fill=colour)
    elif name in ("closer", "takeoff", "product"):
        for step in range(3):
            cut = 14 + 16 * step
            box = (cut, cut, SIDE - cut, SIDE - cut)
            pen.rounded_rectangle(box, 14, outline=_WHITE, width=2)
    elif name == "golden":
        light = Image.radial_gradient("L").resize((SIDE, SIDE))
        warm = light.point(lambda away: max(0, 150 - away))
        picture.paste((255, 210, 120), mask=warm)


def main() -> None:
    """Write the picture of each template whose picture is drawn here."""
    scenes = tomllib.loads((FOLDER / "scenes.toml").read_text(encoding="utf-8"))["scenes"]
    for scene in scenes:
        name = scene["picture"].removeprefix("photo-").removesuffix(".jpg")
        if scene.get("needs_photo"):
            draw(scene["prompt"], name).save(
                FOLDER / scene["picture"], quality=50, optimize=True, progressive=True
            )


if __name__ == "__main__":
    main()
