PYTHON ?= python3
BIN := .venv/bin
# The tests to which versions of other packages matter most.
VERSIONED := ipython/completion/ $(addsuffix .py, \
  $(addprefix ipython/test_,cell config extension kernel kernel_pictures look mistakes parser watch) \
  $(addprefix explorer/test_,encoding explorer page) files/test_files grid/test_drawing \
  $(addprefix recording/test_,attention compiled threads_of_control torch_private) \
  $(addprefix faults/test_,loading_from_any_state overlaps) files/test_places \
  $(addprefix render/test_,figure terminal) support/test_interrupts)

.PHONY: demo gallery frontend docs readme-media test test-browser test-faults wheel mutants bench matrix \
  matrix-fast clean

# Train the example, show its feature maps in the terminal, write the notebooks as pages.
demo: .venv/examples
	@$(BIN)/python examples/demo.py

# A page with a picture for each layout and option, on a light and on a dark ground.
gallery: .venv/examples
	@$(BIN)/python examples/gallery.py

# Check, test and bundle the explorer's script and styles, which are committed. Needs Node 20.
frontend:
	npm ci --prefix frontend --silent
	cd frontend && npm run check && npm test && npm run build

# The documentation in docs/_build/html; its notebooks run, and a warning is an error.
docs: .venv/docs
	rm -rf docs/_build
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --jobs auto docs docs/_build/html

# The README's pictures, recorded from JupyterLab in Chromium and from a terminal.
readme-media: .venv/browser .venv/docs
	PYTHONPATH=tests $(BIN)/python docs/media/record.py

# Lint, types, import contracts and every test.
test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# JupyterLab, Notebook and the explorer in real browsers: Debian's, installed here if there are none.
# Node 20 drives Firefox and has axe-core.
test-browser: .venv/browser frontend/node_modules
	@missing=; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  missing="chromium fonts-dejavu-core"; \
	command -v firefox-esr >/dev/null || command -v firefox >/dev/null || \
	  missing="$$missing firefox-esr"; \
	[ -z "$$missing" ] || { \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	  $$sudo apt-get update --quiet --quiet && \
	  $$sudo apt-get install --quiet --quiet --yes --no-install-recommends $$missing; \
	} || { echo "There is no $$missing here; apt-get install as root installs it." >&2; exit 1; }
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/browser

# What the front end's tools and tests need, from its lock file; Node 20.
frontend/node_modules: frontend/package-lock.json
	npm ci --prefix frontend --silent
	touch $@

# Interrupts at every place and 10,000 random cells, with a table of what was left behind.
test-faults: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto -m faults tests/faults

# The sdist and the wheel in dist/, and tests of the wheel in an environment of its own.
wheel: .venv/dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m pytest tests/packaging

# Mutation tests: change lines of the package one at a time, and see whether a test notices. Takes SEED, COUNT and JOBS.
mutants: .venv/dev
	PYTHONPATH=tests $(BIN)/python -m mutants $(addprefix --seed ,$(SEED)) \
	  $(addprefix --count ,$(COUNT)) $(addprefix --jobs ,$(JOBS))

# Ratios against the bare forward pass, matplotlib and torchvision.
bench: .venv/examples
	$(BIN)/python benchmarks/bench.py

# Every row of noxfile.py with every test, from the lowest versions there may be to the newest.
matrix: .venv/dev
	rm -rf .nox
	$(BIN)/nox

# The lowest versions, with the tests to which versions matter most.
matrix-fast: .venv/dev
	rm -rf .nox
	$(BIN)/nox --session lowest -- $(addprefix tests/,$(VERSIONED))

# An environment with one of the extras of pyproject.toml; made once, and anew when that changes.
.venv/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv .nox build dist docs/_build examples/out
