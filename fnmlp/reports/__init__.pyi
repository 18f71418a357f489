# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.reports.charts import (curves as curves,)
from fnmlp.reports.images import (
    confusion as confusion,
    png as png,
    samples as samples,
    worst_mistakes as worst_mistakes,
)
from fnmlp.reports.pages import (
    Html as Html,
    facts as facts,
    page as page,
    save_page as save_page,
    section as section,
    table as table,
    verbatim as verbatim,
)

__all__: list[str]
