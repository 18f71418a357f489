# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.torch.building import (to_torch as to_torch,)
from fnmlp.interop.torch.data import (from_loader as from_loader, to_loader as to_loader)
from fnmlp.interop.torch.files import (read_safetensors as read_safetensors, write_safetensors as write_safetensors)
from fnmlp.interop.torch.functions import (as_function as as_function,)
from fnmlp.interop.torch.reading import (from_torch as from_torch,)
from fnmlp.interop.torch.states import (from_state_dict as from_state_dict, to_state_dict as to_state_dict)

__all__: list[str]
