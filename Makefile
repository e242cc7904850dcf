# Each target does all its own set-up. ARGS=... goes to the program a target runs:
#   make test ARGS="tests/model -x"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-lab check fix bench soak pictures lock clean

BIN := .venv/bin
export QT_QPA_PLATFORM ?= offscreen

help:
	@echo 'make demo    the window on six SSH servers on this machine; without a display pictures of it'
	@echo 'make test    run the tests with branch coverage'
	@echo 'make test-lab   build kernels with instruments, boot them, and run the tests that need them'
	@echo 'make check   formatting, lint, types, import contracts, shell syntax'
	@echo 'make fix     format, and mend what the linter can mend'
	@echo 'make bench   compare with rsync, pyinfra and ansible, then measure the window under load and the splat recogniser'
	@echo 'make soak    kill deployments at random points and count what is left (ARGS="--points 20" for fewer)'
	@echo 'make pictures   accept how the window looks now as how it shall look'
	@echo 'make lock    write packaging/locks/ again (ARGS=--upgrade for newer versions)'
	@echo 'make clean   remove what the other targets made'

# With a display: the window on the embedded lab. Without one: the table of `kdeploy demo`, and pictures of the window.
# Status 1 is what the contract asks for: some boards failed. A crash of Python has it too, but writes no report.
demo:
	@packaging/setup.sh demo
	@rm -rf build/demo
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then exec env -u QT_QPA_PLATFORM $(BIN)/kdeploy-gui --demo $(ARGS); fi; \
	demo='kdeploy-gui --demo'; \
	$(BIN)/python -c 'import PySide6.QtWidgets' 2>/dev/null || { \
		echo 'make demo: Qt cannot be loaded here, so there are no pictures of the window'; demo='kdeploy demo'; \
	}; \
	status=0; $(BIN)/$$demo --out build/demo $(ARGS) || status=$$?; \
	if [ $$status -ne 1 ] || [ ! -s build/demo/report.html ]; then \
		echo "make demo: exit status $$status; expected were 1 and a report, because three of the six boards fail on purpose" >&2; exit 1; \
	fi; \
	echo 'As it should be: three of the six boards fail on purpose. The report is in build/demo.'

test:
	@packaging/setup.sh test
	@without=; \
	$(BIN)/python -c 'import PySide6.QtWidgets' 2>/dev/null || { \
		echo 'make test: Qt cannot be loaded here, so the tests of the window are left out'; \
		without='-p no:pytest-qt -W ignore::pytest.PytestConfigWarning'; \
	}; \
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov $$without $(if $(ARGS),--cov-fail-under=0) $(ARGS)

test-lab:
	@packaging/setup.sh lab
	@$(BIN)/python -m tests.lab.kernels
	@$(BIN)/python -m pytest -n0 -m debugkernel $(ARGS)

check:
	@packaging/setup.sh test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@find resources packaging -name '*.sh' -exec sh -c 'for script; do sh -n "$$script" || exit 1; done' sh {} +

fix:
	@packaging/setup.sh test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench:
	@packaging/setup.sh bench
	@$(BIN)/python -m tests.bench $(ARGS)
	@$(BIN)/python -m tests.bench.window
	@$(BIN)/python -m tests.bench.log_view
	@$(BIN)/python -m tests.bench.splats

soak:
	@packaging/setup.sh test
	@$(BIN)/python -m tests.soak.kills $(ARGS)

pictures:
	@packaging/setup.sh test
	@$(BIN)/python -m tests.ui.pictures

lock:
	packaging/lock.sh $(ARGS)

clean:
	rm -rf .venv .venv-bench build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
