"""The page of help of `gensample fit | validate | test`; nothing heavy is imported for it."""

import ast
import importlib.util
from importlib.abc import InspectLoader

from gensample import registry

KINDS = {"models": registry.TASKS, "networks of DynamicsTask": registry.NETWORKS, "data": registry.DATA}


def help_page(command: str) -> str:
    """What the command is given, and the classes that a config may name."""
    start = {
        "fit": "gensample fit --config FILE.yaml [--KEY VALUE ...] [--out FOLDER]",
        "validate": "gensample validate --config FILE.yaml --ckpt_path FILE.ckpt [--KEY VALUE ...]",
        "test": "gensample test --config FILE.yaml --ckpt_path FILE.ckpt [--KEY VALUE ...]",
    }
    lines = [
        f"usage: {start[command]}",
        "",
        "  --config FILE      yaml; `gensample config` lists those that come along, and prints one by name",
        "  --out FOLDER       of the run (runs/CONFIG/version_N)",
        "  --ckpt_path FILE   a checkpoint; `last` goes on with the run in --out",
        "  --from MODEL       begin with its weights, and without --config with its settings",
        "  --wandb MODE       offline or online: log to Weights & Biases too; --tensorboard true",
        "  --force            with data outside the domain of the checkpoint",
        "  --model CLASS, --data CLASS, --model.KEY VALUE, --data.KEY VALUE, --trainer.KEY VALUE",
        "                     anything that the config says, on top of it",
        "  --model.help CLASS, --data.help CLASS",
        "                     the settings of a class, with their defaults",
        "  --print_config     all settings as yaml, to begin a config with",
        "  --help-all         every option, those of Lightning's Trainer among them",
        "",
        "`gensample fit heated --help` and `fit harmonic --help`: generators that need no training.",
    ]
    for kind, paths in KINDS.items():
        lines += ["", f"{kind}:"]
        lines += [f"  {path.rpartition('.')[2]:<21}{_purpose(path)}" for path in sorted(paths)]
    callbacks = ", ".join(sorted(path.rpartition(".")[2] for path in registry.TRAINER))
    return "\n".join([*lines, "", f"of the trainer: {callbacks}"])


def _purpose(path: str) -> str:
    """The first line that a class says of itself; nothing is imported for it."""
    module, _, name = path.rpartition(".")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert isinstance(spec.loader, InspectLoader)
    tree = ast.parse(spec.loader.get_source(module) or "")
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return (ast.get_docstring(found) or "").partition("\n")[0]
