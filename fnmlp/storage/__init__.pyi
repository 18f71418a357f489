# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.storage.format import (Checkpoint as Checkpoint, load as load, restore as restore, save as save)
from fnmlp.storage.models import (SavedModel as SavedModel, load_model as load_model, save_model as save_model)
from fnmlp.storage.runs import (
    best_checkpoint as best_checkpoint,
    checkpoints as checkpoints,
    resume as resume,
    saved_score as saved_score,
)

__all__: list[str]
