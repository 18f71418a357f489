# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.tables.encoding import (encode as encode, encode_target as encode_target, unknown_values as unknown_values)
from fnmlp.tables.features import (fit_features as fit_features, table_features as table_features)
from fnmlp.tables.fitting import (fit_schema as fit_schema, fit_target as fit_target)
from fnmlp.tables.notes import (schema_from_json as schema_from_json, schema_to_json as schema_to_json)
from fnmlp.tables.schema import (
    CategoryColumn as CategoryColumn,
    NumberColumn as NumberColumn,
    TableSchema as TableSchema,
    Target as Target,
)

__all__: list[str]
