# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.data.array_files import (array_shards as array_shards,)
from fnmlp.data.datasets import (
    Dataset as Dataset,
    digits as digits,
    emnist as emnist,
    fashion_mnist as fashion_mnist,
    kmnist as kmnist,
    load_dataset as load_dataset,
    mnist as mnist,
    qmnist as qmnist,
)
from fnmlp.data.drawings import (Fit as Fit, fit_drawing as fit_drawing)
from fnmlp.data.folders import (data_sets_in as data_sets_in,)
from fnmlp.data.idx import (read_idx as read_idx, write_idx as write_idx)
from fnmlp.data.images import (read_image as read_image,)
from fnmlp.data.prefetching import (prefetch as prefetch,)
from fnmlp.data.shards import (Shard as Shard, ShardedData as ShardedData, split_by_rank as split_by_rank)
from fnmlp.data.sources import (SOURCES as SOURCES, Source as Source)
from fnmlp.data.streaming import (stream_batches as stream_batches,)
from fnmlp.data.table_files import (table_shards as table_shards,)

__all__: list[str]
