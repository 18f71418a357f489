# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.training.adversaries import (adversarial as adversarial, virtual_adversarial as virtual_adversarial)
from fnmlp.training.checking import (checked_step as checked_step,)
from fnmlp.training.consumers import (best_state as best_state, early_stopping as early_stopping, scored as scored)
from fnmlp.training.loop import (
    TrainState as TrainState,
    apply_remainder as apply_remainder,
    epochs as epochs,
    evaluate as evaluate,
    predict as predict,
    train_state as train_state,
    train_step as train_step,
)
from fnmlp.training.objectives import (Objective as Objective, value_and_grad as value_and_grad)
from fnmlp.training.outlines import (summary as summary,)
from fnmlp.training.rates import (rate_range as rate_range, suggested_rate as suggested_rate)
from fnmlp.training.replaying import (ReplayedStep as ReplayedStep, replay as replay)
from fnmlp.training.statistics import (
    LeafStatistics as LeafStatistics,
    statistics_table as statistics_table,
    tree_statistics as tree_statistics,
    update_ratios as update_ratios,
)

__all__: list[str]
