# The front door. Meson does the work; `make help` says what there is.
BUILD ?= build
SAN   ?= build-san
PREFIX ?= /usr/local

all: deps $(BUILD)/build.ninja
	@ninja --quiet -C $(BUILD) src/aditd src/adit

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --buildtype=release --prefix=$(PREFIX) >/dev/null

deps:
	@tools/deps.sh build

demo: deps-run all
	@tools/demo.sh $(BUILD)

test: deps-test
	@tools/test.sh

bench: deps-test all
	@tools/bench.sh $(BUILD)

mutate: deps-test
	@tools/mutate.py $(if $(FAULTS),"$(FAULTS)")

deps-run:
	@tools/deps.sh build run
deps-test:
	@tools/deps.sh build run test

install: all
	@meson install -C $(BUILD) --no-rebuild --skip-subprojects

clean:
	@rm -rf $(BUILD) $(SAN) build-clang build-fuzz build-mutate

help:
	@echo "make        build aditd and adit into $(BUILD)/src"
	@echo "make demo   two routers of the first seed, an IPv6-in-IPv4 GRE tunnel under IPsec, live"
	@echo "make test   all tests, with sanitizers"
	@echo "make mutate FAULTS=REGEX   puts faults into a copy, one at a time: is there a test that notices?"
	@echo "make bench  measurements beside the raw cipher, plain forwarding and strongSwan"
	@echo "make install PREFIX=$(PREFIX)"

.PHONY: all deps deps-run deps-test demo test bench mutate install clean help
