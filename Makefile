# Evenkeel's front door; CMake is underneath (CMakePresets.json).

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
CMAKE_FLAGS ?=
PACKAGES = sh tools/install_packages.sh
TSAN = base_|plan_|runtime_|train_dataset|train_events|train_fit# tests that have threads
QUIET = cmake --log-level=WARNING

.DEFAULT_GOAL := all
.PHONY: all demo test bench fuzz asan tsan install packages clean help

all: ## build the release into build/: evenkeel, libevenkeel.so and .a, op_cases, graph_cases, trajectories, bench/*
	@$(QUIET) --preset release $(CMAKE_FLAGS) > /dev/null
	@cmake --build build -j$(JOBS)

packages: ## install the Debian packages that are missing, or print the command that does
	@$(PACKAGES) tools/packages.txt

demo: packages ## build, run the article side by side with what TensorFlow prints, a frozen graph, and a training
	@$(QUIET) --preset release $(CMAKE_FLAGS) > /dev/null
	@cmake --build build -j$(JOBS) --target evenkeel article digits # not the tests: half the time
	@sh tools/demo.sh build

test: packages ## build and run every test
	@$(MAKE) --no-print-directory all
	@ctest --test-dir build -j$(JOBS) --output-on-failure

bench: packages ## build and run the benchmarks; each ends with a RESULT line
	@$(MAKE) --no-print-directory all
	@for program in build/bench/*; do [ ! -x $$program ] || [ -d $$program ] || $$program || exit 1; done

fuzz: ## run every fuzzer for FUZZ_SECONDS (60) on top of its corpus; needs clang
	@$(PACKAGES) tools/packages.txt tools/packages_ci.txt
	@$(QUIET) --preset fuzz $(CMAKE_FLAGS) > /dev/null
	@cmake --build build/fuzz-build -j$(JOBS)
	@sh tools/fuzz.sh build/fuzz-build/fuzz $(FUZZ_SECONDS) $(JOBS)

# detect_stack_use_after_return stays off: GCC 12 then puts vectors of 64 bytes at multiples of 32.
asan: packages ## every test under AddressSanitizer and UBSan
	@$(QUIET) --preset asan $(CMAKE_FLAGS) > /dev/null
	@cmake --build build/asan -j$(JOBS)
	@ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  ctest --test-dir build/asan -j$(JOBS) --output-on-failure

tsan: packages ## the tests with threads under ThreadSanitizer
	@$(QUIET) --preset tsan $(CMAKE_FLAGS) > /dev/null
	@cmake --build build/tsan -j$(JOBS) --target \
	  $$(ninja -C build/tsan -t targets all | sed -n 's/: phony$$//p' | grep -E '^test_($(TSAN))')
	@ctest --test-dir build/tsan -j$(JOBS) --output-on-failure -R '^($(subst _,\.,$(TSAN)))'

install: all ## install into PREFIX (/usr/local)
	@DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-9s %s\n", $$1, $$2 }'
