# Everything a fresh Debian 12 machine needs is installed by the targets themselves; each is safe to repeat.
#   make fast                      style, types, layers and unit tests: some minutes on two cores, without root, nothing built
#   make unit FILE=tests/unit/…    the unit tests of one file or folder
#   make test                      all tests of the project itself
#   make scenarios                 the quick scenarios on the lab, real Kubernetes on this machine; SCENARIOS=: all of them;
#                                  IMAGE=…: one that gameday lab load put there
#   make scenarios KUBERNETES=1.34 the same on another version of it; KUBELET=1.33 gives it older nodes
#   make scenarios CONTEXT=name    the same on a cluster of yours; CLUSTER_UID=…, IMAGE=… and SERVICE_URL=… as docs/staging.md says
#   make safety                    runs with a full disk, and runs killed at any moment of each fault: what they left is healed
#   make mutants                   systems and faults broken on purpose, each caught by the check that it names
#   make soak                      an hour of steady load with a fault every few minutes, from a seed
#   make staging                   every scenario on a service that others deployed, compared before and after
#   make vllm                      kill, drain, hang, termination, release and spike on real vLLM, two replicas on processors; 7 GB, once
#   make matrix                    the mutants, and every scenario on every healthy variant; writes docs/matrix.md. Several hours: may be
#                                  stopped and run again, what is in runs/matrix is not run again
#   make versions                  the quick scenarios, those of evictions, drains, probes and autoscaler, and the property tests, on each
#                                  Kubernetes; writes docs/versions.md. Some hours, likewise with runs/versions
#   make addons                    the add-ons of the lab: compiles prometheus-adapter, KEDA and kube-network-policies the first time
#   make peers                     our drain beside kubectl's, and gameday plan beside real drains
#   make prepared                  builds what the lab needs, and starts nothing
#   make lint                      style, types and layers alone
#   make clean                     removes the Python environment and the caches of the tools, not the builds in ~/.cache/gameday
# ARGS=… gives the tests more options of pytest.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SCENARIOS ?= -m quick
FILE ?= tests/unit
# What mostly waits for Kubernetes' own timers runs side by side, each worker with a control plane on free ports; of what
# judges load of its own only two, which take a quarter of two cores: a generator that is kept waiting makes verdicts UNKNOWN.
WORKERS ?= 4

ifdef CONTEXT
TARGET := --gameday-kube-context '$(CONTEXT)' $(if $(CLUSTER_UID),--gameday-cluster-uid '$(CLUSTER_UID)') $(if $(IMAGE),--gameday-image '$(IMAGE)') $(if $(SERVICE_URL),--gameday-service-url '$(SERVICE_URL)')
READY := .venv/ready
else
TARGET := $(if $(IMAGE),--gameday-image '$(IMAGE)') $(if $(KUBERNETES),--gameday-lab-kubernetes $(KUBERNETES)) $(if $(KUBELET),--gameday-lab-kubelet $(KUBELET))
READY := prepared
endif

.PHONY: fast unit scenarios test kwok safety mutants staging vllm matrix versions addons peers soak prepared browser lint clean

fast: lint
	$(BIN)/pytest tests/unit -n auto -q $(ARGS)

unit: .venv/ready
	$(BIN)/pytest $(FILE) $(ARGS)

scenarios: $(READY)
	$(BIN)/pytest scenarios $(SCENARIOS) $(TARGET) $(ARGS)

test: prepared kwok browser lint
	$(BIN)/pytest tests/unit tests/control_plane tests/packaging/test_clash.py -m 'not slow and not timed' -n $(WORKERS) --dist loadfile $(ARGS)
	$(BIN)/pytest tests/control_plane -m timed -n 2 --dist loadfile $(ARGS)
	$(BIN)/pytest tests/lab tests/loadgen tests/model tests/browser tests/packaging/test_wheel.py -m 'not slow' $(ARGS)

# Before the tests, as compiling takes the whole machine from them.
kwok: prepared
	@PYTHONPATH=tests/support $(BIN)/python -c 'from kwok_program import kwok_program; from chaos.progress import Terminal; kwok_program(Terminal())'

safety: prepared
	$(BIN)/pytest tests/control_plane/test_full_disk.py tests/control_plane/test_undo_after_kill.py tests/lab/test_undo_in_containers.py -m slow $(ARGS)

mutants: prepared
	$(BIN)/pytest tests/mutants $(ARGS)

staging: prepared
	$(BIN)/pytest tests/staging -s $(ARGS)

vllm: prepared
	$(BIN)/pytest tests/vllm -s $(ARGS)

matrix: prepared
	mkdir -p runs/matrix
	-for file in tests/mutants/test_*.py tests/matrix/test_broken_services.py; do \
	    kept=runs/matrix/$$(basename $$file .py).xml; \
	    test -s $$kept || $(BIN)/pytest $$file --junitxml $$kept $(ARGS); \
	done
	-$(BIN)/pytest tests/matrix/test_healthy_variants.py $(ARGS)
	PYTHONPATH=tests/support $(BIN)/python tests/matrix/table.py

# A control plane and its nodes, by minor versions; of those with older nodes only the quick scenarios.
RELEASES ?= 1.33-1.33 1.34-1.34 1.35-1.35 1.36-1.36 1.37-1.37 1.37-1.36 1.37-1.35
THEMES := scenarios/test_eviction.py scenarios/test_node_drain.py scenarios/test_probe_recovery.py scenarios/test_load_spike.py scenarios/test_scale_down.py
PROPERTIES := tests/control_plane/test_budget_properties.py tests/control_plane/test_eviction_decisions.py

versions: prepared kwok $(RELEASES:%=version-%)
	PYTHONPATH=tests/support $(BIN)/python tests/versions/table.py

version-%: CONTROL = $(firstword $(subst -, ,$*))
version-%: NODES = $(lastword $(subst -, ,$*))
version-%: KEPT = runs/versions/$*
version-%:
	mkdir -p $(KEPT)
	$(BIN)/gameday lab prepare --kubernetes $(CONTROL) --kubelet $(NODES)
	-test -s $(KEPT)/quick.xml || $(BIN)/pytest scenarios -m quick --gameday-lab-kubernetes $(CONTROL) --gameday-lab-kubelet $(NODES) --junitxml $(KEPT)/quick.xml
	-test $(CONTROL) != $(NODES) || test -s $(KEPT)/themes.xml || $(BIN)/pytest $(THEMES) --gameday-lab-kubernetes $(CONTROL) --junitxml $(KEPT)/themes.xml
	-test $(CONTROL) != $(NODES) || test -s $(KEPT)/properties.xml || $(BIN)/pytest $(PROPERTIES) --kubernetes $(CONTROL) --junitxml $(KEPT)/properties.xml

addons: prepared
	$(BIN)/pytest tests/lab/test_lab_addons.py tests/control_plane/test_by_keda.py -m slow $(ARGS)

peers: prepared
	$(BIN)/pytest tests/peers $(ARGS)

soak: $(READY)
	$(BIN)/pytest scenarios/test_soak.py --gameday-soak-s 3600 $(TARGET) $(ARGS)

browser:
	@{ command -v chromium && command -v chromedriver; } >/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium chromium-driver fonts-dejavu-core)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prepared: .venv/ready
	$(BIN)/gameday lab prepare $(if $(KUBERNETES),--kubernetes $(KUBERNETES)) $(if $(KUBELET),--kubelet $(KUBELET))

.venv/ready: pyproject.toml .ci/constraints.txt
	@echo "Python environment in .venv"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends python3 python3-venv)
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --upgrade --constraint .ci/constraints.txt pip
	@$(BIN)/pip install --quiet --constraint .ci/constraints.txt --group dev --editable .
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
