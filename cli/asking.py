"""Questions at the keyboard, derived from what a guide and its form ask for."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
from rich.console import Console
from rich.text import Text

from cli.screens import NECESSITY, faults_table
from client.guides import LocalGuide
from schemas.applications import IdType
from schemas.checks import EXEMPTION_NAMES, ID_WORDS, may_follow
from schemas.codes import credit_code_fault, id_fault, landline_holds, mobile_holds
from schemas.forms import ORDER, WORDS
from schemas.guides import Material, Necessity

BACK = ":q"
ID_TYPES = {
    IdType.RESIDENT_ID: "居民身份证", IdType.RESIDENCE_PERMIT: "港澳台居民居住证",
    IdType.FOREIGN_PERMANENT_RESIDENT_ID: "外国人永久居留身份证", IdType.PASSPORT: "护照",
    IdType.TRAVEL_PERMIT: "来往内地通行证",
}  # fmt: skip
UNIT = {"name": "测试公司（样例）", "credit_code": "12339900YY000001XL", "phone": "0571-87654321"}
SAMPLE = {"name": "测试甲", "id_number": "339900189901010018", "phone": "13900000001"}
APPLICANT, OWNER = "申请人", "档案所属的人"
SCAN = (
    b"%PDF-1.7\n% \xe6\xa0\xb7\xe4\xbe\x8b\xe6\x89\xab\xe6\x8f\x8f\xe4\xbb\xb6\n"
    + b"sample " * 60_000
)
"""A scan for who has none at hand."""

Check = Callable[[str], str | None]
"""Says what is wrong with an answer, or nothing."""


class Left(Exception):
    """The person wants to go back."""


class Answers(NamedTuple):
    """What is handed in, and the scans that belong to it."""

    body: dict[str, Any]
    scans: dict[str, bytes | Path]


class Asker:
    """Asks one thing after another; `:q` goes back. `samples` offers sample values, as a demonstration does."""

    def __init__(self, console: Console, *, samples: bool) -> None:
        self.console, self.samples = console, samples

    def text(
        self,
        title: str,
        *,
        default: str | None = None,
        check: Check | None = None,
        needed: bool = True,
    ) -> str | None:
        """Ask for a text until it is right; None where it is left out."""
        shown = f" [dim]\\[{default}][/dim]" if default else ""
        if not needed and "回车" not in title:
            shown += " [dim](可不填)[/dim]"
        while True:
            said = self.console.input(f"[bold]{title}[/bold]{shown}：").strip()
            if said == BACK:
                raise Left
            said = said or default or ""
            if not said and not needed:
                return None
            fault = "请填写" if not said else check(said) if check else None
            if fault is None:
                return said
            self.console.print(Text(f"  ✗ {fault}", "red"))

    def choice(
        self,
        title: str,
        options: Mapping[str, str],
        *,
        default: str | None = None,
        needed: bool = True,
    ) -> str | None:
        """Ask for one of some, by number, code or name."""
        codes = list(options)
        self.console.print(Text(title, "bold"))
        for nth, (code, name) in enumerate(options.items(), 1):
            mark = " ◀" if code == default else ""
            self.console.print(f"  [cyan]{nth}[/cyan] {name}{mark}")
        named = {name: code for code, name in options.items()}

        def code_of(said: str) -> str | None:
            if said.isdecimal() and 1 <= int(said) <= len(codes):
                return codes[int(said) - 1]
            return said if said in options else named.get(said)

        def check(said: str) -> str | None:
            return None if code_of(said) is not None else "请选择列出的序号"

        first = str(codes.index(default) + 1) if default in codes else None
        said = self.text("  选择", default=first, check=check, needed=needed)
        return code_of(said) if said is not None else None

    def yes(self, title: str, *, default: bool) -> bool:
        """Ask for yes or no."""
        said = self.text(
            title + "（是/否）", default="是" if default else "否", check=_is_yes_or_no
        )
        return said in YES


YES, NO = frozenset("是yY1"), frozenset("否nN0")


def _is_yes_or_no(said: str) -> str | None:
    return None if said in YES | NO else "请回答是或否"


# The form


def needed(schema: Mapping[str, Any], form: dict[str, Any], defs: Mapping[str, Any]) -> list[str]:
    """List the fields that a form must have as it is filled so far, conditions included."""
    names = [*schema.get("required", ())]
    for part in schema.get("allOf", ()):
        names += needed(part, form, defs)
    if "if" in schema:
        branch = "then" if _holds(schema["if"], form, defs) else "else"
        names += needed(schema.get(branch, {}), form, defs)
    return names


def _holds(schema: Any, value: Any, defs: Mapping[str, Any]) -> bool:
    whole = {**schema, "$defs": dict(defs)} if isinstance(schema, dict) else schema
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(value)


def ask_form(asker: Asker, guide: LocalGuide) -> dict[str, Any]:
    """Fill the form in, in its order: what must be there, then what may; what does not fit is asked again."""
    schema = guide.guide.form_schema
    fields: dict[str, Any] = schema.get("properties", {})
    defs, form = schema.get("$defs", {}), dict[str, Any]()
    example = (schema.get("examples") or [{}])[0] if asker.samples else {}
    order = [name for name in schema.get(ORDER, fields) if name in fields]
    for name in order:
        if name in example or name in needed(schema, form, defs):
            form[name] = ask_field(asker, fields[name], defs, example.get(name), name)
    open_ = [name for name in order if name not in form]
    if open_ and asker.yes(f"另有 {len(open_)} 个选填栏目，是否填写", default=False):
        for name in open_:
            value = ask_field(
                asker, fields[name], defs, None, name, needed=name in needed(schema, form, defs)
            )
            form |= {} if value is None else {name: value}
    _mend(asker, guide, form, fields, defs)
    return form


def _mend(
    asker: Asker,
    guide: LocalGuide,
    form: dict[str, Any],
    fields: dict[str, Any],
    defs: Mapping[str, Any],
) -> None:
    while faults := guide.form_faults(form):
        names = list(
            dict.fromkeys(fault.at.split("/")[2] for fault in faults if fault.at.count("/") > 1)
        )
        for fault in faults:
            asker.console.print(Text(f"  ✗ {fault.message.zh}", "red"))
        if not names or not set(names) <= set(fields):
            raise Left
        for name in names:
            form[name] = ask_field(asker, fields[name], defs, None, name)


def ask_field(
    asker: Asker,
    field: dict[str, Any],
    defs: Mapping[str, Any],
    sample: Any,
    name: str,
    *,
    needed: bool = True,
) -> Any:
    """Ask for one field, of the kind that its schema says, and hold the answer against it at once."""
    field = defs.get(field["$ref"].rpartition("/")[2], field) if "$ref" in field else field
    title = field.get("title", name)
    if field.get("description"):
        asker.console.print(Text(f"  {field['description']}", "dim"))
    if "const" in field:
        return field["const"]
    if "enum" in field:
        labels = field.get("x-labels", {})
        options = {str(code): str(labels.get(str(code), code)) for code in field["enum"]}
        said = asker.choice(
            title, options, default=None if sample is None else str(sample), needed=needed
        )
        return next((code for code in field["enum"] if str(code) == said), None)
    kind = field.get("type", "string")
    if kind == "boolean":
        if not needed and sample is None:
            return asker.yes(title, default=False)
        return asker.yes(title, default=sample is not False)
    if kind == "object":
        return ask_object(asker, field, defs, sample or {}, title)

    def check(said: str) -> str | None:
        return _fault(field, defs, kind, said)

    shown = (
        None if sample is None else "、".join(map(str, sample)) if kind == "array" else str(sample)
    )
    said = asker.text(title, default=shown, check=check, needed=needed)
    return None if said is None else read(kind, said, field)


def ask_object(
    asker: Asker, field: dict[str, Any], defs: Mapping[str, Any], sample: dict[str, Any], title: str
) -> dict[str, Any]:
    """Ask for the fields of a field."""
    asker.console.print(Text(title, "bold"))
    parts, made = field.get("properties", {}), dict[str, Any]()
    for name, part in parts.items():
        must = name in needed(field, made, defs)
        value = ask_field(asker, part, defs, sample.get(name), name, needed=must)
        made |= {} if value is None else {name: value}
    return made


def read(kind: str, said: str, field: Mapping[str, Any]) -> Any:
    """Take what was typed for a value.

    Raises:
        ValueError: it is none of its kind.
    """
    if kind == "integer":
        return int(said)
    if kind == "number":
        return float(said)
    if kind == "array":
        item = field.get("items", {}).get("type", "string")
        return [
            read(item, one.strip(), field.get("items", {}))
            for one in said.replace("，", "、").split("、")
        ]
    return said


def _fault(field: Mapping[str, Any], defs: Mapping[str, Any], kind: str, said: str) -> str | None:
    try:
        value = read(kind, said, field)
    except ValueError:
        return "须为数字"
    whole = {**field, "$defs": dict(defs)}
    error = next(
        jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(value), None
    )
    return (
        None if error is None else WORDS.get(error.kind.name, ("不符合要求", ""))[0] + _rule(field)
    )


def _rule(field: Mapping[str, Any]) -> str:
    least, most = field.get("minLength"), field.get("maxLength")
    return f"（{least or 0}–{most} 字）" if most is not None else ""


# People and materials


def ask_person(asker: Asker, who: str, *, phone: bool = True) -> dict[str, Any]:
    """Ask for a person; numbers are checked at once."""
    sample = SAMPLE if asker.samples and who in (APPLICANT, OWNER) else {}
    name = asker.text(f"{who}姓名", default=sample.get("name"))
    kind = asker.choice("证件类型", {str(k): v for k, v in ID_TYPES.items()}, default="resident_id")
    checked = kind in ("resident_id", "residence_permit")

    def number_check(said: str) -> str | None:
        fault = id_fault(said, date.today()) if checked else None  # noqa: DTZ011 -- the terminal's own day
        return ID_WORDS[fault].zh if fault else None

    number = asker.text(
        "证件号码", default=sample.get("id_number") if checked else None, check=number_check
    )
    made = {"name": name, "id_type": kind, "id_number": number}
    if phone:
        made["phone"] = asker.text("手机号码", default=sample.get("phone"), check=_mobile)
    return made


def _mobile(said: str) -> str | None:
    return None if mobile_holds(said) else "手机号码格式不对"


def ask_applicant(asker: Asker, guide: LocalGuide) -> dict[str, Any]:
    """Ask who applies: a person or a unit, as the guide serves."""
    objects = set(guide.guide.service_objects)
    kinds = {"person": "个人", "organization": "单位"}
    offered = {
        k: v for k, v in kinds.items() if ("1" in objects if k == "person" else objects - {"1"})
    }
    kind = (
        asker.choice("申请人类型", offered, default="person")
        if len(offered) > 1
        else next(iter(offered))
    )
    if kind == "person":
        return {"kind": "person", **ask_person(asker, APPLICANT)}
    phone = lambda s: None if mobile_holds(s) or landline_holds(s) else "电话号码格式不对"  # noqa: E731
    code = lambda s: "统一社会信用代码不正确" if credit_code_fault(s.upper()) else None  # noqa: E731
    sample = UNIT if asker.samples else {}
    return {
        "kind": "organization", "name": asker.text("单位名称", default=sample.get("name")),
        "credit_code": asker.text("统一社会信用代码", default=sample.get("credit_code"), check=code),
        "phone": asker.text("联系电话", default=sample.get("phone"), check=phone),
    }  # fmt: skip


def ask_proxy(asker: Asker) -> dict[str, Any]:
    """Ask who acts for the applicant."""
    return {
        **ask_person(asker, "代办人"), "relation": asker.text("与申请人关系"),
        "authority": asker.text("委托事项和权限"),
    }  # fmt: skip


def ask_situations(asker: Asker, guide: LocalGuide) -> set[str]:
    """Ask what narrows the materials."""
    chosen = set()
    for situation in guide.guide.situations:
        options = {option.code: option.name for option in situation.options}
        chosen.add(asker.choice(situation.question, options, default=next(iter(options))) or "")
    return chosen


def ask_materials(
    asker: Asker, guide: LocalGuide, situations: set[str]
) -> tuple[list[dict[str, Any]], dict[str, bytes | Path]]:
    """Ask how each material comes: shown by another way, as a scan, or later."""
    handed: list[dict[str, Any]] = []
    scans: dict[str, bytes | Path] = {}
    optional = [m for m in guide.guide.materials if _is_optional(m, situations)]
    more = bool(optional) and asker.yes(f"另有 {len(optional)} 种选交材料，是否提交", default=False)
    for material in guide.guide.materials:
        optional_one = material in optional
        if (optional_one and not more) or (
            material.situations and not situations & set(material.situations)
        ):
            continue
        way = ask_way(asker, material, needed=not optional_one, later=may_follow(material, guide))
        if way == "file":
            scans[material.code] = ask_scan(asker)
        elif way == "later":
            handed.append(
                {
                    "code": material.code,
                    "promised_by": asker.text("承诺补交日期（YYYY-MM-DD）", check=_day),
                }
            )
        elif way is not None:
            handed.append({"code": material.code, "exemption": way})
    return handed, scans


def _is_optional(material: Material, situations: set[str]) -> bool:
    wanted = situations & set(material.situations)
    return material.necessity is Necessity.OPTIONAL and not wanted


def ask_way(asker: Asker, material: Material, *, needed: bool, later: bool) -> str | None:
    """Ask how a material comes: by a way that spares it, as a `file`, or `later`, where it may."""
    ways = {str(way): EXEMPTION_NAMES[way] for way in material.exemptions}
    ways["file"] = "上传扫描件"
    if later:
        ways["later"] = "容缺后补"
    title = Text.assemble(material.name, " · ", NECESSITY[material.necessity]).plain
    return asker.choice(title, ways, default=next(iter(ways)) if needed else None, needed=needed)


def ask_scan(asker: Asker) -> bytes | Path:
    """Ask for a scan; a demonstration has one at hand."""
    sample = "样例扫描件" if asker.samples else None

    def check(said: str) -> str | None:
        return None if said == sample or Path(said).is_file() else "没有这个文件"

    said = asker.text("扫描件路径（PDF、JPEG、PNG、OFD）", default=sample, check=check) or ""
    return SCAN if said == sample else Path(said)


def _day(said: str) -> str | None:
    try:
        date.fromisoformat(said)
    except ValueError:
        return "日期格式为 YYYY-MM-DD"
    return None


def ask_application(asker: Asker, guide: LocalGuide) -> Answers:
    """Ask for all that an application of a matter holds."""
    console = asker.console
    console.rule("[bold]一 申请人[/bold]", align="left")
    body: dict[str, Any] = {"matter": guide.guide.matter, "applicant": ask_applicant(asker, guide)}
    if body["applicant"]["kind"] == "organization" and any(s.archive for s in guide.guide.steps):
        body["subject"] = ask_person(asker, OWNER, phone=False)
    situations = ask_situations(asker, guide)
    if any("proxy" in one for one in situations):
        body["proxy"] = ask_proxy(asker)
    console.rule(f"[bold]二 {guide.guide.form_schema.get('title', '申请表')}[/bold]", align="left")
    body["form"] = ask_form(asker, guide)
    console.rule("[bold]三 申请材料[/bold]", align="left")
    body["materials"], scans = ask_materials(asker, guide, situations)
    console.rule("[bold]四 确认[/bold]", align="left")
    may_accept = guide.guide.outlet_delegation in ("D2", "D3")
    body["accept"] = may_accept and asker.yes("符合受理条件，当场受理", default=True)
    body["consent"] = asker.yes("已告知并取得申请人对个人信息处理的同意", default=True)
    return Answers(body, scans)


def show_faults(console: Console, errors: Any) -> None:
    """Show all that is wrong."""
    console.print(Text("以下内容须补正：", "bold red"))
    console.print(faults_table(errors))
