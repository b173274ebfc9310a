"""Numbers of telephones, told by their form alone: for processes too that load no library of models."""

import re

LANDLINE_FORM = re.compile(r"0[1-9][0-9]{1,2}-?[0-9]{7,8}", re.ASCII)
"""Landline with its area code, 0 and two or three digits before it."""

MOBILE_FORM = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
"""Mobile number of mainland China."""
