"""One file per format. A reader is a function `read(path, report, **options) -> Iterator[Dialogue]`.

`path` is the user's `data.path` (None: the reader knows where its corpus lives); `report` is a
`yuhee.data.report.ReadReport` that it fills. Readers return what people wrote, without cleaning; each record
they cannot use goes to the report with its line and a reason.
"""
