"""Matters, packages and documents: as files hold them, and as they are shown."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from schemas.base import FILLED, Listing, LongText, Request, Response, Text
from schemas.base import Day as AskedDay
from schemas.codes import BaseCode, DivisionCode, base_code_fault
from schemas.guides import (
    Code,
    Delegation,
    Exemption,
    GuideVersionView,
    Necessity,
    ServiceClass,
)

ServiceObject = Literal["1", "2", "3", "4", "5", "6"]
InsuranceKind = Literal["110", "120", "170", "210", "410"]
Fit = Literal["basic", "premium", "forward", "none"]
DocumentKind = Literal["law", "regulation", "local_regulation", "rule", "notice", "standard"]
DocumentState = Literal["in_force", "replaced", "abolished"]
OutletNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
Query = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=FILLED)]


def _apart(value: Any) -> Any:
    """Take a text of several words, as a table holds it, for a list."""
    return value.split() if isinstance(value, str) else value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _base_code(code: str) -> str:
    if (fault := base_code_fault(code)) is not None:
        raise ValueError(f"not a base code of a matter: {fault}")
    return code


CheckedBaseCode = Annotated[str, AfterValidator(_base_code)]
Day = Annotated[date | None, BeforeValidator(_empty_is_none)]
NoneYet = Annotated[str | None, BeforeValidator(_empty_is_none)]
APART = BeforeValidator(_apart)


class MatterRow(Request):
    """A line of `data/catalogue/matters.csv`."""

    base_code: CheckedBaseCode
    number: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}[a-z]?$")]
    name: Text
    group_name: Text
    category: Code
    service_objects: Annotated[list[ServiceObject], APART]
    insurance_kinds: Annotated[list[InsuranceKind], APART]
    items: Annotated[list[int], APART]
    fit: Fit
    covered_by: str
    national_code: str
    aliases: Annotated[list[Text], APART]
    is_reconstruction: bool


class ItemRow(Request):
    """A line of `data/catalogue/items.csv`."""

    item: int = Field(ge=1, le=999)
    aspect: Text
    category: Text
    name: Text


class DocumentRow(Request):
    """A line of `data/catalogue/documents.csv`."""

    document: Code
    number: str = Field(max_length=100)
    title: Text
    kind: DocumentKind
    state: DocumentState
    in_force_from: Day
    ended_on: Day
    replaces: NoneYet
    is_verified: bool
    note: str = Field(max_length=200)

    @model_validator(mode="after")
    def _period_holds(self) -> "DocumentRow":
        if (self.state == "in_force") != (self.ended_on is None):
            raise ValueError(
                "what is replaced or abolished has a day on which it ended, and nothing else"
            )
        if self.in_force_from and self.ended_on and self.ended_on <= self.in_force_from:
            raise ValueError("it ended before it began")
        return self


class PackageMatter(Request):
    """A matter of a package, and from where its form is filled."""

    matter: CheckedBaseCode
    form: dict[Code, Code] = Field(
        default_factory=dict,
        description="Field of the matter's form to the field of the package that fills it, where their"
        " names differ.",
    )


class PackageFile(Request):
    """Matters of one occasion (一件事), in the order in which they are done."""

    package: Code
    name: Text
    summary: LongText
    matters: list[PackageMatter] = Field(min_length=1)
    is_sample: bool
    source_note: LongText


class PackagesFile(Request):
    """`data/catalogue/packages.yaml`."""

    packages: list[PackageFile]


class MatterFilter(Listing):
    """How matters are narrowed."""

    q: Query | None = Field(
        None, description="Name, code, pinyin or initials, or a part of them; the best match first."
    )
    category: Annotated[str, StringConstraints(max_length=40)] | None = None
    division: DivisionCode | None = Field(None, description="With the guides of this place.")
    outlet: OutletNumber | None = Field(None, description="Only what this outlet may hand in.")
    service_object: ServiceObject | None = Field(None, description="Whom it serves (A.4).")
    insurance_kind: InsuranceKind | None = None
    delegation: Delegation | None = Field(None, description="How much of it is let to outlets.")
    fit: Fit | None = Field(None, description="For which class of outlets it is proposed.")
    item: int | None = Field(
        None, ge=1, le=18, description="Of the 18 items of the national standard."
    )
    has_guide: bool | None = Field(None, description="Whether a guide is in force.")


class MatterEntry(Response):
    """A matter, in lists. What only a guide can say is null where none is in force."""

    matter: str
    name: str
    short_name: str
    number: str = Field(description="Running number in our reconstruction of the list.")
    group: str
    category: str
    service_objects: list[str]
    insurance_kinds: list[str]
    items: list[int]
    fit: Fit | None
    covered_by: str | None = Field(description="Matter whose guide covers this one too.")
    national_code: str | None
    has_guide: bool
    guide_version: int | None
    case_kind: str | None
    outlet_delegation: Delegation | None
    outlet_classes: list[ServiceClass]
    is_sample: bool
    is_reconstruction: bool


class MatterDetail(MatterEntry):
    """A matter and its versions; those that are to come and those that were too."""

    versions: list[GuideVersionView]


class ItemView(Response):
    """One of the 18 items, and its matters."""

    item: int
    aspect: str
    category: str
    name: str
    matters: list[str]


class DocumentFilter(Listing):
    """How documents are narrowed."""

    state: DocumentState | None = Field(None, description="Today.")
    kind: DocumentKind | None = None


class DocumentView(Response):
    """A law, notice or standard that guides rest on."""

    document: str
    number: str
    title: str
    kind: str
    state: DocumentState = Field(description="Today: what is to end is in force until then.")
    in_force_from: date | None
    ended_on: date | None
    replaces: str | None
    replaced_by: str | None
    is_verified: bool
    note: str


class Outdated(Response):
    """A guide that rests on a document which is no longer in force."""

    matter: str
    name: str
    version: int
    article: str
    document: str
    number: str
    title: str
    state: DocumentState
    ended_on: date | None
    replaced_by: str | None


class PackageMaterial(Response):
    """A material of a package: handed in once, used by these matters."""

    code: str
    name: str
    necessity: Necessity
    exemptions: list[Exemption]
    matters: list[str]


class PackagePart(Response):
    """A matter of a package."""

    matter: str
    name: str
    has_guide: bool
    form: dict[str, str]


class PackageView(Response):
    """Matters of one occasion that share one form and their materials."""

    package: str
    name: str
    summary: str
    matters: list[PackagePart]
    form_schema: dict[str, Any] | None = Field(
        description="Put together from the guides in force; null where fewer than two have one."
    )
    materials: list[PackageMaterial]
    is_sample: bool
    source_note: str


class AskedMaterial(Response):
    """A material that is asked for in a situation."""

    code: str
    name: str
    necessity: Necessity
    exemptions: list[Exemption]
    fill_note: str


class Asked(Response):
    """What a guide asks for once its questions are answered."""

    matter: BaseCode
    version: int
    open_questions: list[str] = Field(description="Questions without an answer so far.")
    materials: list[AskedMaterial]


class AnswersFilter(Request):
    """Answers to the questions of a guide."""

    answer: list[Code] = Field(default_factory=list, max_length=20, description="Codes of options.")
    division: DivisionCode | None = Field(None, description="For which place.")
    on: AskedDay | None = Field(None, description="For which day; today.")
