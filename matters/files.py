"""Guides as files that people keep: read with the place of every fault, written in one way only."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar, get_args

import jsonschema_rs
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kit import yaml
from kit.yaml import Notes, Path, Places, YamlFault
from schemas.forms import ORDER
from schemas.guides import GuideFile

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1 << 20
"""Twenty times the longest guide; looked at before anything is read."""

Citations: TypeAlias = Mapping[str, tuple[str, str]]
"""Name and number of a document by its code in the register."""

SECTIONS = {
    "base_code": "A 标识", "legal_bases": "B 依据与主体", "service_objects": "C 对象与方式",
    "legal_limit": "D 时限", "materials": "E 材料", "situations": "F 情形引导",
    "is_charged": "G 收费与结果", "handle_address": "H 地点与咨询", "steps": "办理规则", "is_sample": "来源",
}  # fmt: skip
"""First field of each part of a guide, as the standard divides it."""

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "matter_type": {
        "01": "行政许可", "02": "行政处罚", "03": "行政强制", "04": "行政征收", "05": "行政给付",
        "06": "行政检查", "07": "行政确认", "08": "行政奖励", "09": "行政裁决", "10": "其他行政权力",
        "20": "公共服务",
    },
    "exercise_level": {
        "1": "国家级", "2": "省级", "3": "市级", "4": "县级", "5": "乡镇（街道）级",
        "6": "村（社区）级", "7": "分级",
    },
    "agency_nature": {"1": "法定机关", "2": "授权组织", "3": "受委托组织", "9": "其他"},
    "power_source": {
        "1": "法定本级行使", "2": "上级下放", "3": "上级授权", "4": "同级授权", "5": "上级委托",
        "6": "同级委托",
    },
    "service_objects": {
        "1": "自然人", "2": "企业法人", "3": "事业法人", "4": "社会组织法人", "5": "行政机关", "6": "其他组织",
    },
    "case_kind": {"1": "即办件", "2": "承诺件", "9": "其他"},
    "handling_forms": {"1": "窗口", "2": "电脑端", "3": "移动端", "4": "快递", "9": "其他"},
    "insurance_kinds": {
        "110": "企业职工基本养老", "120": "机关事业单位养老", "170": "城乡居民养老", "210": "失业",
        "410": "工伤",
    },
}  # fmt: skip
"""What codes mean (GB/T 39046 annex A, AAE140), written beside them."""

META = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
EMPTY_REGISTER = "; it is empty: load the catalogue first"


class Broken(NamedTuple):
    """One thing that is wrong with a file."""

    line: int
    words: str


class FileUnreadable(Exception):
    """The file is not what it should be; `faults` are in the order of lines."""

    def __init__(self, faults: Iterable[Broken]) -> None:
        self.faults = sorted(faults)
        super().__init__("; ".join(f"line {line}: {words}" for line, words in self.faults))


def read_guide(data: bytes, citations: Citations) -> GuideFile:
    """Read a version of a guide.

    Raises:
        FileUnreadable: with every fault and its line.
    """
    value, places = _read(data)
    faults = [*_cite(value, places, citations), *_check_form(value, places)]
    try:
        wanted = _validated(GuideFile, value, places)
    except FileUnreadable as error:
        raise FileUnreadable([*faults, *error.faults]) from None
    if faults:
        raise FileUnreadable(faults)
    return wanted


def read_as(model: type[M], data: bytes) -> M:
    """Read a file that holds one of `model`.

    Raises:
        FileUnreadable: with every fault and its line.
    """
    return _validated(model, *_read(data))


def _read(data: bytes) -> tuple[Any, Places]:
    if len(data) > MAX_BYTES:
        raise FileUnreadable([Broken(1, f"the file is longer than {MAX_BYTES} bytes")])
    try:
        return yaml.read(data)
    except YamlFault as fault:
        raise FileUnreadable([Broken(fault.line, fault.words)]) from None


def _validated(model: type[M], value: Any, places: Places) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise FileUnreadable(_broken(model, fault, places) for fault in found) from None


def _broken(model: type[BaseModel], fault: ErrorDetails, places: Places) -> Broken:
    at = fault["loc"]
    where = "/".join(map(str, at[:-1])) or "the file"
    if fault["type"] == "extra_forbidden":
        words = (
            f"{where}: there is no field `{at[-1]}`{_nearest(str(at[-1]), fields(model, at[:-1]))}"
        )
    elif fault["type"] == "missing":
        words = f"{where}: `{at[-1]}` is missing"
    else:
        quotes = "; put it in quotes" if fault["type"] == "string_type" else ""
        words = f"{'/'.join(map(str, at)) or 'the file'}: {fault['msg']}{quotes}"
    return Broken(_line(at, places), words)


def _line(at: Path, places: Places) -> int:
    """Give the line of a place, or of the nearest that holds it."""
    return next((places[at[:end]] for end in range(len(at), 0, -1) if at[:end] in places), 1)


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{found[0]}`?" if found else ""


def fields(model: type[BaseModel], at: Path) -> Iterable[str]:
    """Name the fields that may stand at a place of a model."""
    kind: type[BaseModel] | None = model
    for part in at:
        if isinstance(part, str):
            field = kind.model_fields.get(part) if kind else None
            kind = _model_in(field.annotation) if field else None
    return kind.model_fields if kind else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model within `list[Model]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _cite(value: Any, places: Places, citations: Citations) -> Iterator[Broken]:
    """Fill in name and number of the documents that the legal bases refer to."""
    for at, basis in _bases(value):
        code = basis.get("document")
        if not isinstance(code, str):
            continue
        if code not in citations:
            nearest = _nearest(code, citations) if citations else EMPTY_REGISTER
            words = f"{'/'.join(map(str, at))}: the register has no document `{code[:60]}`{nearest}"
            yield Broken(_line((*at, "document"), places), words)
        law, number = citations.get(code, ("?", ""))
        basis.setdefault("law", law)
        basis.setdefault("document_no", number)


def _bases(value: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    guide = value.get("guide") if isinstance(value, dict) else None
    bases = guide.get("legal_bases") if isinstance(guide, dict) else None
    for number, basis in enumerate(bases if isinstance(bases, list) else ()):
        if isinstance(basis, dict):
            yield ("guide", "legal_bases", number), basis


def _check_form(value: Any, places: Places) -> Iterator[Broken]:
    """Find what in the form is no JSON Schema."""
    guide = value.get("guide") if isinstance(value, dict) else None
    form = guide.get("form_schema") if isinstance(guide, dict) else None
    if not isinstance(form, dict):
        return
    for error in jsonschema_rs.Draft202012Validator(META).iter_errors(form):
        at = ("guide", "form_schema", *error.instance_path)
        words = f"{'/'.join(map(str, at))}: this is no JSON Schema ({error.kind.name})"
        yield Broken(_line(at, places), words)


def write_guide(wanted: GuideFile) -> str:
    """Write a version of a guide: the same content always gives the same text.

    What is empty and need not be there is left out, and so is what the register knows.
    """
    value = _filled(wanted)
    for _, basis in _bases(value):
        if "document" in basis:
            basis.pop("law")
            basis.pop("document_no", None)
    value["guide"]["form_schema"].pop(ORDER, None)
    above: dict[Path, str] = {("guide", name): words for name, words in SECTIONS.items()}
    return yaml.write(value, Notes(above, dict(_meanings(value["guide"]))))


def _filled(model: BaseModel) -> dict[str, Any]:
    """Turn a model into plain values, without what is empty and would be so by itself."""
    plain = model.model_dump(mode="json")
    found = {}
    for name, field in type(model).model_fields.items():
        default = field.get_default(call_default_factory=True)
        if plain[name] not in ("", [], {}, None) or field.is_required() or default != plain[name]:
            found[name] = _filled_value(getattr(model, name), plain[name])
    return found


def _filled_value(value: Any, plain: Any) -> Any:
    if isinstance(value, BaseModel):
        return _filled(value)
    if isinstance(value, list):
        return [_filled_value(v, p) for v, p in zip(value, plain, strict=True)]
    return plain


def _meanings(guide: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, meanings in MEANINGS.items():
        codes = guide.get(name, [])
        words = [meanings[code] for code in ([codes] if isinstance(codes, str) else codes)]
        if words:
            yield ("guide", name), "、".join(words)
