"""Tables of agencies."""

from sqlmodel import Field

from kit.db import Stamped


class Agency(Stamped, table=True):
    """A handling agency (经办机构). City-level ones are coded city + 99, the province's 339900."""

    __tablename__ = "agency"

    code: str = Field(primary_key=True, max_length=6)
    name: str = Field(max_length=100)
    level: str = Field(max_length=8, description="province, city or county")
    division: str = Field(max_length=6)
    phone: str = Field(default="12333", max_length=20)


class AgencyCoverage(Stamped, table=True):
    """Which agency of a level covers a county; the key says that there is only one."""

    __tablename__ = "agency_coverage"

    level: str = Field(primary_key=True, max_length=8)
    county: str = Field(primary_key=True, max_length=6)
    agency: str = Field(foreign_key="agency.code", max_length=6, index=True)
