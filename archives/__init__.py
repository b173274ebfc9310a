"""The register of personal archives (流动人员人事档案): which agency keeps whose, and what became of it."""
