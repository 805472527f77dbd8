"""Write what is rendered for each case now."""

from tests.golden.redis import cases

for case in cases():
    (case.folder / "manifests.yaml").write_text(case.told(), "utf8")
