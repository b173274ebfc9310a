"""What a row says by itself, cell by cell: name, bank and number, place, point, telephones, hours, matters."""

from functools import lru_cache
from typing import Any

from judging import cells
from judging.columns import Columns
from judging.places import Said, Where
from judging.reference import KIND, Reference, bank_key, fitting, proposed_code
from judging.rows import Row
from judging.words import ALL_MATTERS, CHOSEN, KINDS, SYSTEMS, chosen
from kit.coordinates import Point, looks_swapped, to_cgcs2000
from outlets import checks
from outlets.contacts import Contact
from schemas import hours
from schemas.codes import mod_11_10


class Content:
    """Reads what rows say."""

    def __init__(self, reference: Reference, columns: Columns) -> None:
        self._of, self._columns = reference, columns
        self._is_register = columns.is_register
        self._classes: dict[str, frozenset[str]] = {}

    def read(self, row: Row) -> None:
        """Turn a row's cells into an outlet's columns, and say what is wrong with them."""
        for step in (self._name, self._bank, self._number, self._where):
            step(row)
        for step in (self._point, self._phone, self._hours, self._matters, self._rest):
            step(row)

    def _name(self, row: Row) -> None:
        name = row.values.get("outlet_name", "")
        if not name:
            row.say("name_missing", "outlet_name")
            return
        if any(f.fault == "mojibake" for f in row.findings):
            return
        row.outlet["name"] = name
        if row.registered is not None and row.registered.name == name:
            return
        if (back := cells.BACK_OFFICE.search(name)) and not self._is_register:
            row.say("not_a_service_outlet", "outlet_name", word=back[0])
        if doubled := cells.DOUBLED.search(name):
            fixed = cells.DOUBLED.sub(r"\1", name)
            if self._is_register:
                row.mend("real_name_doubled_word", "outlet_name", fixed)
                row.outlet["name"] = fixed
            else:
                row.say("real_name_doubled_word", "outlet_name", fixed=fixed, word=doubled[1])
        if len(name) >= cells.CUT_AT:
            self._cut(row, name)

    def _cut(self, row: Row, name: str) -> None:
        for end, whole in cells.CUT.items():
            if name.endswith(end):
                row.outlet["name"] = name[: -len(end)] + whole
                row.mend("real_name_truncated", "outlet_name", row.outlet["name"])
                return
        if cells.CUT_MAYBE.search(name) and len(name) == cells.CUT_AT:
            row.say("name_cut", "outlet_name")

    def _bank(self, row: Row) -> None:
        name, own = row.values.get("bank", ""), self._of.reach.banks
        if not name and len(own) == 1:
            (row.outlet["bank"],) = own
        elif not name:
            row.say("bank_missing", "bank")
        else:
            known = self._of.banks.get(name) or self._of.banks.get(bank_key(name))
            row.outlet["bank"] = known or proposed_code(name)
            if own and known not in own:
                row.say("bank_not_yours", "bank")
            elif row.registered is not None and row.registered.bank == known:
                return
            elif known in self._of.closed:
                row.say("bank_closed", "bank")
            elif known is None:
                row.note("bank_proposed", "bank")

    def _number(self, row: Row) -> None:
        code = row.values.get("cnaps_code", "")
        row.outlet["cnaps"] = code or None
        if row.registered is not None and (code or None) in (None, row.registered.cnaps):
            row.outlet["cnaps"] = row.registered.cnaps
        elif not code:
            if chosen(KINDS, row.values.get("kind", "")) not in checks.POINTS_OF:
                row.say("cnaps_missing", "cnaps_code")
        elif bad := cells.code_fault(code):
            row.say(bad, "cnaps_code")
        elif not (code.isascii() and code.isdigit()):
            strange = "".join(dict.fromkeys(c for c in code if not (c.isascii() and c.isdigit())))
            row.say("cnaps_not_digits", "cnaps_code", found=strange[:6])
        elif len(code) != 12:
            row.say("cnaps_length", "cnaps_code", found=len(code))
        elif (right := mod_11_10(code[:11])) != code[11]:
            row.say("cnaps_check_digit", "cnaps_code", found=code[11], right=right)
        else:
            self._against_classes(row, code[:3])

    def _against_classes(self, row: Row, found: str) -> None:
        bank = self._of.bank_names.get(row.outlet.get("bank", ""), row.values.get("bank", ""))
        names = (self._of.classes or {}).get(found)
        if names is None or not bank:
            return
        fitting = self._fitting(bank)
        if found not in fitting and (fitting or not names[0].startswith(KIND)):
            said = "、".join(name.lstrip(KIND) for name in names)
            row.say("cnaps_bank_mismatch", "cnaps_code", found=found, bank=said)

    def _fitting(self, bank: str) -> frozenset[str]:
        if bank not in self._classes:
            self._classes[bank] = fitting(bank, self._of.classes or {})
        return self._classes[bank]

    def _where(self, row: Row) -> None:
        there = row.registered
        if there is not None and row.values.get("township_code") == there.division:
            row.outlet |= {"division": there.division, "village": there.village}
            return
        where = self._found(row)
        self._against_areas(row, where)
        row.findings += where.findings
        self._place(row, where)

    def _found(self, row: Row) -> Where:
        said = {
            name: row.values.get(name, "")
            for name in ("city", "county", "township", "county_code", "city_code")
        }
        code = row.values.get("township_code", "")
        if bad := cells.code_fault(code):
            row.say(bad, "township_code")
            code = ""
        return self._of.places.where(Said(**said, code=code), lowest=not self._is_register)

    def _against_areas(self, row: Row, where: Where) -> None:
        """Hold the area in the number against the county; decide which of the two is the odd one."""
        code = row.values.get("cnaps_code", "")
        area = (self._of.areas or {}).get(code[3:7]) if len(code) == 12 and code.isdigit() else None
        if area is None or not area.city or self._is_register:
            return
        county, city = where.county, where.city
        if county is None:
            agrees = not (where.is_county_doubtful and area.county)
        else:
            is_own = county.code == area.county
            has_none = not area.county or county.code not in self._of.area_counties
            agrees = is_own or (county.parent == area.city and has_none)
        if agrees or any(f.field == "cnaps_code" and f.is_fatal for f in row.findings):
            return
        unsupported = not row.values.get("township") and not row.values.get("township_code")
        if unsupported and city is not None and city.code == area.city:
            row.say("real_area_mismatch", "county", area=area.name)
        elif county is not None:
            row.say(
                "cnaps_area_mismatch",
                "cnaps_code",
                found=code[3:7],
                area=area.name,
                county=county.name,
            )

    def _place(self, row: Row, where: Where) -> None:
        if where.place is None:
            if not row.is_bad:
                row.say("county_missing", "county")
            return
        row.outlet |= {"division": where.place.code, "village": where.village}
        if self._of.places.is_bare(where.place) and where.place is where.county:
            row.note("county_without_townships", "township")
        if self._of.reach.areas and not where.place.code.startswith(self._of.reach.areas):
            row.say("outside_your_division", "county")

    def _point(self, row: Row) -> None:
        lng, lat = row.values.get("lng", ""), row.values.get("lat", "")
        if not lng and not lat:
            if "lng" in self._columns.at:
                row.note("coords_absent", "lng")
            return
        system = SYSTEMS.get(row.values.get("coordinate_system", "").lower().replace("-", ""))
        if not (lng and lat):
            row.say("coords_incomplete", "lng" if not lng else "lat")
        elif system is None:
            row.say("coordinate_system_unknown", "coordinate_system")
        elif not (cells.NUMBER.fullmatch(lng) and cells.NUMBER.fullmatch(lat)):
            row.say("coords_not_number", "lat" if cells.NUMBER.fullmatch(lng) else "lng")
        else:
            self._put_point(row, Point(float(lat), float(lng)), system)

    def _put_point(self, row: Row, point: Point, system: str) -> None:
        if looks_swapped(point):
            point = Point(point.lng, point.lat)
            fixed = f"{row.values['lat']} {row.values['lng']}"
            row.mend("coords_swapped", "lng", fixed)
        there = to_cgcs2000(point, system)
        row.outlet |= {"lat": there.lat, "lng": there.lng, "coordinate_system": system}
        if system not in ("cgcs2000", "wgs84"):
            row.outlet |= {"original_lat": point.lat, "original_lng": point.lng}

    def _phone(self, row: Row) -> None:
        for column in ("phone", "address"):
            if said := row.values.get(column, ""):
                row.outlet[column] = said
        said = row.values.get("contact_phone", "")
        if said and not checks.is_phone(said):
            row.say("phone_invalid", "contact_phone")
        row.contact = Contact(row.values.get("contact_name", ""), said)

    def _hours(self, row: Row) -> None:
        if said := row.values.get("hours", ""):
            row.outlet |= {"hours": said, "opening": (opening := _opening(said))}
            if opening is None:
                row.note("hours_unread", "hours")

    def _matters(self, row: Row) -> None:
        if "matters" not in self._columns.at:
            return
        codes, tidy = cells.matters(row.values.get("matters", ""))
        if codes == (ALL_MATTERS,):
            row.outlet["allowed"] = None
            return
        if row.registered is not None and (
            not codes or row.registered.says("allowed", sorted(codes))
        ):
            return  # Known by our number: nothing said is nothing changed.
        if not codes:
            row.say("matters_missing", "matters")
            return
        row.put("matters", tidy)
        strange = [code for code in codes if code not in self._of.matters]
        if strange:
            row.say("matter_unknown", "matters", found="、".join(strange)[:60])
        else:
            row.outlet["allowed"] = sorted({self._of.matters[code] for code in codes})

    def _rest(self, row: Row) -> None:
        for name, words, fault in CHOSEN:
            said = row.values.get(name, "")
            value = chosen(words, said)
            if value is None and not self._is_register:
                row.say(fault, name)
            elif said and value is not None:
                row.outlet[name] = value
        if said := row.values.get("windows", ""):
            if said.isdigit() and 1 <= int(said[:4]) <= 99:
                row.outlet["windows"] = int(said)
            else:
                row.say("windows_invalid", "windows")
        if said := row.values.get("licence", ""):
            row.outlet["licence"] = said.upper()


@lru_cache(maxsize=2000)
def _opening(said: str) -> dict[str, Any] | None:
    opening = hours.parse(said)
    return None if opening is None else opening.model_dump(mode="json")
