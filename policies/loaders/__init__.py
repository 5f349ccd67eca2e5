"""Files to documents: Terraform and OpenTofu, their plans, Kubernetes manifests, specs and plans of our own.

Callers: `duoyun policy check`, benchmarks. `load` is all they need. Documents are what policies.documents describes, in
the words of model.vocabulary, with three additions:

- `sources`: field (or `rules[2]`) -> {address, position} of what wrote it, where that is told; a bucket that five
  Terraform resources make is one document, at the address of the first, whose fields name the others here;
- `change` and `before`, where the input is a plan: create, update, replace, delete, none or read, and the document
  as it was;
- `native_type`: the type as its own tool names it.

Words that a kind has no field for stand beside its fields, as a managed service's do. Nothing passes in silence: what
cannot be read is a mistake, what no table maps is judged by its native settings and listed as unassessed. Importing
this package costs little; parsers are imported with the first file that needs them.
"""

from __future__ import annotations

from policies.loaders.files import Options, Stream, load, no_collection
from policies.loaders.report import REASONS, Loaded, Unassessed

__all__ = ["REASONS", "Loaded", "Options", "Stream", "Unassessed", "load", "no_collection"]
