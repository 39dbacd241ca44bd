# Torc. `make help` lists what can be made.
#
# One file, no recursion. Each component lists its sources in a module.mk; a
# source that is not listed does not exist. Objects go to build/<variant>/.
#
# Variants: metal (the image that boots), host (a Linux process), asan (unit
# tests), cov (the same, counting), fuzz (clang, libFuzzer).

BUILD ?= build
CC = gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

SRCS-kernel :=
SRCS-metal :=
SRCS-posix-k :=
SRCS-posix-h :=
include kernel/module.mk drivers/module.mk fs/ext2/module.mk net/module.mk
include hal/baremetal/module.mk hal/posix/module.mk

APPS := $(patsubst apps/%/main.c,%,$(wildcard apps/*/main.c))
UNIT := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*/test_*.c)))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FAKES := $(wildcard tests/fakes/*.c tests/models/*.c)

# ---- Flags -------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-align -Wwrite-strings \
	-Wimplicit-fallthrough -Wframe-larger-than=1024
BASE := -std=c11 -g -O2 -fno-common -fno-omit-frame-pointer \
	-fno-strict-aliasing -ffile-prefix-map=$(CURDIR)/= -I. -Iinclude \
	-MMD -MP
# No libc: with -nostdinc only the compiler's own headers are there.
FREE := -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include)
METAL := -Ihal/baremetal -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
SLIRP_CFLAGS = $(shell pkg-config --cflags slirp 2>/dev/null)
SLIRP_LIBS = $(shell pkg-config --libs slirp 2>/dev/null)
HOSTED := -D_GNU_SOURCE -Ihal/posix -pthread

FLAGS-metal := $(METAL)
FLAGS-host := -Ihal/posix
FLAGS-asan := -Ihal/posix $(SAN) -O1
FLAGS-tsan := -Ihal/posix -fsanitize=thread -O1
FLAGS-cov := -Ihal/posix --coverage -fprofile-update=atomic -O0
FLAGS-fuzz := -Ihal/posix $(SAN) -fsanitize=fuzzer-no-link -O1
LINK-host :=
LINK-asan := $(SAN)
LINK-tsan := -fsanitize=thread
LINK-cov := --coverage
LINK-fuzz := $(SAN) -fsanitize=fuzzer
VARIANTS := metal host asan tsan cov fuzz

# ---- Objects -------------------------------------------------------------------

say = @printf '  %-5s %s\n' '$(1)' '$(2)'

WARN-extra = $(if $(filter fs/ext2/% net/%,$(1)),-Wconversion)

define variant_rules
$(BUILD)/$(1)/tests/%.o: tests/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(filter-out -Wframe%,$$(WARN)) $$(HOSTED) \
		$$(FLAGS-$(1)) -c $$< -o $$@

$(BUILD)/$(1)/hal/posix/host_%.o: hal/posix/host_%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(HOSTED) $$(SLIRP_CFLAGS) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(call WARN-extra,$$<) $$(FREE) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(call say,AS,$$<)
	$$(Q)$$(CC) $$(BASE) $$(FREE) $$(FLAGS-$(1)) -c $$< -o $$@

$(BUILD)/$(1)/libtorc.a: $$(SRCS-kernel:%.c=$(BUILD)/$(1)/%.o) \
		$$(if $$(filter metal,$(1)),,$$(OBJS-posix:%=$(BUILD)/$(1)/%))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/$(1)/tests/libfakes.a: $$(FAKES:%.c=$(BUILD)/$(1)/%.o)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/$(1)/unit/%: $(BUILD)/$(1)/tests/unit/%.o \
		$(BUILD)/$(1)/tests/libfakes.a $(BUILD)/$(1)/libtorc.a
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pthread $$(LINK-$(1)) -Wl,--start-group $$^ -Wl,--end-group \
		-lcmocka $$(SLIRP_LIBS) -o $$@
endef

OBJS-posix := $(patsubst %.c,%.o,$(patsubst %.S,%.o,$(SRCS-posix-k) $(SRCS-posix-h)))
OBJS-metal := $(patsubst %.c,%.o,$(patsubst %.S,%.o,$(SRCS-metal)))
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v))))

# Every source of apps/<name>/ is part of the application. Images are linked
# twice: the second time with the names of the first, for backtraces.
app_objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(wildcard apps/$(2)/*.c))
LINK-image := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-z,norelro -T hal/baremetal/link.ld

.SECONDEXPANSION:
$(APPS:%=$(BUILD)/metal/%.elf): $(BUILD)/metal/%.elf: $$(call app_objects,metal,$$*) $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/link.ld tools/symbols.sh
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o %.a,$^) -o $@.first
	$(Q)tools/symbols.sh $@.first >$@.symbols.S
	$(Q)$(CC) -c $@.symbols.S -o $@.symbols.o
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $@.symbols.o $(filter %.a,$^) -o $@

$(APPS:%=$(BUILD)/host/%): $(BUILD)/host/%: $$(call app_objects,host,$$*) $(BUILD)/host/libtorc.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $(filter %.o %.a,$^) $(SLIRP_LIBS) -o $@.first
	$(Q)tools/symbols.sh $@.first >$@.symbols.S
	$(Q)$(CC) -c $@.symbols.S -o $@.symbols.o
	$(Q)$(CC) -pthread -no-pie $(filter %.o %.a,$^) $@.symbols.o $(SLIRP_LIBS) -o $@

metal: $(APPS:%=$(BUILD)/metal/%.elf) ## the images that boot: build/metal/APP.elf
host: $(APPS:%=$(BUILD)/host/%) ## the same as Linux processes: build/host/APP

unit: $(UNIT:%=$(BUILD)/asan/unit/%) ## unit tests on the host, ASan and UBSan
	$(Q)tools/run_unit.sh $^

format: ## format the tree with clang-format
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i

clean: ## remove everything made
	rm -rf $(BUILD)

help: ## this list
	@awk -F':.*## ' '/^[a-z_-]+:.*## /{printf "  %-14s %s\n",$$1,$$2}' Makefile

.PHONY: metal host unit format clean help
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
