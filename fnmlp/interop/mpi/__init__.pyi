# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.mpi.ending import (ending_together as ending_together,)
from fnmlp.interop.mpi.evaluation import (
    parallel_evaluate as parallel_evaluate,
    parallel_outputs as parallel_outputs,
    parallel_predict as parallel_predict,
)
from fnmlp.interop.mpi.exchange import (world as world,)
from fnmlp.interop.mpi.shards import (Shards as Shards, parallel_batches as parallel_batches)
from fnmlp.interop.mpi.steps import (parallel_grad as parallel_grad, parallel_step as parallel_step)
from fnmlp.interop.mpi.streaming import (parallel_stream as parallel_stream,)

__all__: list[str]
