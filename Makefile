# Each target sets up what it needs: an environment in .venv from requirements.lock (names, versions, hashes), with the
# command dawnchorus.
PYTHON ?= python3
CORES ?= 8
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test test-table test-sequences test-kills test-sed test-s3 bench bench-survey lint format lock generated clean

run: .venv/ready $(BIN)/dawnchorus
	@echo "snakemake --cores $(CORES): on two cores 10 to 20 minutes the first time, each step says how far it is, on the simulated set"
	@$(BIN)/snakemake --cores $(CORES)

# Unit tests and the workflow on seconds of sound. `make test-table` runs the long table of Snakemake against DVC, and what
# else takes long: damage by the hundred, kills, whole runs by both tools.
test: .venv/ready $(BIN)/dawnchorus
	@echo "make test: some 3,800 tests, 5 to 12 minutes on two cores; each line ends with the share that is done"
	@$(BIN)/python -m pytest -n 2 -q

# CI leaves out what is more of the same (TABLE='(table or long) and not again'), and runs three at a time on two cores:
# many of these tests wait for what they have started.
TABLE ?= table or long
WORKERS ?= 2
test-table: .venv/ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(TABLE)"

# Random sequences of what people do, against runs from nothing; each takes half a minute. SEED is the number of the
# first: `make test-sequences SEED=101 SEQUENCES=100` runs the second hundred.
test-sequences: .venv/ready
	SEED=$${SEED:-1} SEQUENCES=$${SEQUENCES:-500} $(BIN)/python -m pytest -m table tests/workflow/test_sequences.py

# Kills a run at fifty random moments, and likewise the server of a review and the browser.
test-kills: .venv/ready
	KILLS=$${KILLS:-50} $(BIN)/python -m pytest -m long tests/workflow/test_kills.py tests/test_review_kills.py

# The metrics of detection against the field's own packages, which live in a venv of theirs.
test-sed: .venv/ready .venv-sed/ready
	$(BIN)/python -m pytest tests/test_sed_agreement.py

.venv-sed/ready: tests/sed/requirements.txt
	$(PYTHON) -m venv --clear .venv-sed
	.venv-sed/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/sed/requirements.txt
	touch $@

# The workflow in a bucket, on a server of S3 on this machine. Its packages live in a venv of theirs, on top of .venv.
test-s3: .venv/ready .venv-s3/ready
	$(BIN)/python -m pytest -m long tests/workflow/test_bucket.py

.venv-s3/ready: tests/s3/requirements.txt .venv/ready
	.venv/bin/python -m venv --clear .venv-s3
	.venv-s3/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/s3/requirements.txt
	.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$(.venv-s3/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth
	touch $@

bench: .venv/ready
	PYTHONPATH=src $(BIN)/python bench/workflow.py
	PYTHONPATH=src $(BIN)/python bench/training.py
	PYTHONPATH=src $(BIN)/python bench/extraction.py
	PYTHONPATH=src $(BIN)/python bench/detection.py

# What a survey of many recordings costs, step by step: `make bench-survey SIZES="1000 10000 100000"`. The largest takes an
# hour on two cores, and 2 GB of the disk, or of FOLDER.
SIZES ?= 1000 10000
bench-survey: .venv/ready
	PYTHONPATH=src $(BIN)/python bench/survey.py $(SIZES) $(if $(FOLDER),--folder $(FOLDER))

.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "error: $(PYTHON) is $$($(PYTHON) --version); expected Python 3.11, 3.12 or 3.13: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
		{ echo "error: $(PYTHON) cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@test ! -L .venv || { echo "error: .venv is a link: what it names would be emptied; remove the link, or make it there" >&2; exit 1; }
	@echo "making .venv: more than 100 packages, 1 GB to download, 3.5 GB on the disk; 2 to 10 minutes, this once"
	@$(PYTHON) -m venv --clear .venv
	@{ $(BIN)/pip install --progress-bar off --disable-pip-version-check --require-hashes --no-deps -r requirements.lock || \
		touch .venv/failed; } | { n=0; while read -r word rest; do case $$word in \
			Collecting) n=$$((n + 1)); test $$((n % 25)) != 0 || echo "making .venv: $$n packages are here" ;; \
			Installing) echo "making .venv: all $$n packages are here; they are unpacked, a minute or two" ;; \
		esac; done; }
	@test ! -e .venv/failed || { echo "error: .venv: a package could not be installed, see above; make again goes on" >&2; exit 1; }
	@touch $@
	@echo "making .venv: done; source .venv/bin/activate puts dawnchorus, snakemake and dvc on the PATH"

$(BIN)/dawnchorus: bin/dawnchorus .venv/ready
	@install -m 755 bin/dawnchorus $@

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# The pins, for every Python that pyproject.toml allows, and the same ones for conda; needs uv.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements.lock
	sed -i '/^      - /d' environment.yml
	sed -n 's/^\([a-z0-9].*==[^ ]*\)\(.*\) \\$$/      - "\1\2"/p' requirements.lock >> environment.yml
	uv pip compile tests/sed/requirements.in --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-emit-index-url --no-annotate -o tests/sed/requirements.txt
	sed -n 's/^\([a-z0-9].*==[^ ]*\)\(.*\) \\$$/\1\2/p' requirements.lock | grep -v '^python-dateutil==' > tests/s3/pins.txt
	uv pip compile tests/s3/requirements.in --constraint tests/s3/pins.txt --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-header --no-emit-index-url --no-annotate -o tests/s3/requirements.txt
	rm tests/s3/pins.txt

# What is written from the code: presets, params.yaml while it is the default one, and the JSON schema, from the models of
# the parameters; the table of what runs when a value changes; dvc.yaml, from the rules.
generated: .venv/ready
	PYTHONPATH=src $(BIN)/python -m dawnchorus.workflow.params_texts
	PYTHONPATH=src $(BIN)/python -m dawnchorus.workflow.dvc_file
	PYTHONPATH=src $(BIN)/python -m dawnchorus.workflow.reruns

# The picture of the DAG in docs/extending.md, made from the workflow; needs graphviz.
docs/dag.svg: Snakefile $(wildcard workflow/rules/*.smk) | .venv/ready
	$(BIN)/snakemake --rulegraph -- reports/report.html | dot -Tsvg > $@.new && mv $@.new $@

clean:
	rm -rf .venv .venv-sed .venv-s3 logs benchmarks
