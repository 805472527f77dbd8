"""Write what injection makes of each case now."""

from tests.golden import cases

for case in cases():
    told = case.told()
    for name in case.written().keys() - told.keys():
        (case.folder / name).unlink()
    for name, text in told.items():
        (case.folder / name).write_text(text, "utf8")
