"""Supplying at the terminal what an agency asked for (补正), or what was promised (容缺后补)."""

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cli import screens
from cli.asking import Asker, ask_form, ask_scan, ask_way
from client import Client
from client.guides import LocalGuide
from schemas.applications import ApplicationDetail

CORRECTION = "correction"


def told(one: ApplicationDetail) -> list[dict[str, Any]]:
    """Give what the agency told to put right, while that can be supplied."""
    if one.state != CORRECTION:
        return []
    reasons: list[dict[str, Any]] = one.notices.get(CORRECTION, {}).get("reasons", [])
    return reasons


def lacking(one: ApplicationDetail) -> list[str]:
    """List the materials that are waited for, by their codes: named by the agency, or promised."""
    named = [reason["material"] for reason in told(one) if reason.get("material")]
    promised = [item["code"] for item in one.materials if item.get("promised_by")]
    return list(dict.fromkeys([*named, *promised]))


def page(one: ApplicationDetail, guide: LocalGuide) -> RenderableType:
    """Show all that is waited for, and until when."""
    rows = [f"{_name(guide, r.get('material'))}：{r['text']}" for r in told(one)]
    rows += [
        f"{_name(guide, item['code'])}：承诺于 {item['promised_by']} 前补交"
        for item in one.materials if item.get("promised_by")
    ]  # fmt: skip
    until = f"（{one.notices[CORRECTION]['by']} 前）" if told(one) else ""
    return screens.section(f"须补正的内容{until}", screens.lines(rows))


def _name(guide: LocalGuide, code: str | None) -> str:
    if code is None:
        return "申请表"
    material = guide.materials.get(code)
    return material.name if material is not None else code


def ask(asker: Asker, client: Client, one: ApplicationDetail, guide: LocalGuide) -> dict[str, Any]:
    """Ask for each material that lacks, and for the form where it is wrong; scans are sent at once."""
    given: dict[str, Any] = {
        "materials": [_material(asker, client, guide, code) for code in lacking(one)]
    }
    of_form = any(not reason.get("material") for reason in told(one))
    if told(one) and asker.yes("是否重填申请表", default=of_form):
        given["form"] = ask_form(asker, guide)
    return given


def _material(asker: Asker, client: Client, guide: LocalGuide, code: str) -> dict[str, Any]:
    material = guide.materials.get(code)
    way = ask_way(asker, material, needed=True, later=False) if material else None
    if way not in (None, "file"):
        return {"code": code, "exemption": way}
    sent = client.upload(ask_scan(asker))
    asker.console.print(Text("  ✓ 已上传", "green"))
    return {"code": code, "file": sent.file}
