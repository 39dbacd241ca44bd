# Torc. `make help` lists what can be made.
#
# One file, no recursion. Each component lists its sources in a module.mk; a
# source that is not listed does not exist. Objects go to build/<variant>/.
#
# Variants: metal (the image that boots), host (a Linux process), asan (unit
# tests), cov (the same, counting), fuzz (clang, libFuzzer), sim (the simulated
# machine).

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
SRCS-posix-real :=
SRCS-posix-sim :=
include kernel/module.mk drivers/module.mk fs/ext2/module.mk fs/ext2/check/module.mk
include fs/make/module.mk fs/ext2/make/module.mk fs/fat/make/module.mk
include fs/memfs/module.mk fs/fat/module.mk fs/fuse/module.mk net/module.mk $(sort $(wildcard net/*/module.mk))
include hal/baremetal/module.mk hal/posix/module.mk

APPS := $(patsubst apps/%/main.c,%,$(wildcard apps/*/main.c))
UNIT := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*/test_*.c)))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# What no simulation and no fuzzer uses is not compiled for them.
WITHOUT-sim := net/% fs/fat/% fs/make/%
WITHOUT-fuzz := drivers/e1000% drivers/ide% drivers/ne2000% drivers/virtio_net% drivers/leaf% \
	tests/models/e1000% tests/models/ide% tests/models/ne2000% tests/models/virtio_net%
FAKES := $(wildcard tests/fakes/*.c tests/models/*.c) tests/stress/stress.c \
	tests/crash/disk.c tests/crash/states.c

# ---- Flags -------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-align -Wwrite-strings \
	-Wimplicit-fallthrough -Wframe-larger-than=1024
# A frame larger than a page is touched page by page, so that it cannot jump over a
# guard page.
DEBUG ?= -g
BASE := -std=c11 $(DEBUG) -O2 -fno-common -fno-omit-frame-pointer \
	-fstack-clash-protection \
	-fno-strict-aliasing -ffile-prefix-map=$(CURDIR)/= -I. -Iinclude \
	-MMD -MP
# No libc: with -nostdinc only the compiler's own headers are there.
# No red zone on either machine: hal_context_switch() pushes inline.
FREE := -ffreestanding -fbuiltin -nostdinc -mno-red-zone \
	-isystem $(shell $(CC) -print-file-name=include 2>/dev/null)
METAL := -Ihal/baremetal -mgeneral-regs-only -fno-pic -fno-pie \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
SLIRP_CFLAGS = $(shell pkg-config --cflags slirp 2>/dev/null)
HOST_LIBS = $(shell pkg-config --libs slirp liburing 2>/dev/null)
HOSTED := -D_GNU_SOURCE -mno-red-zone -Ihal/posix -pthread

# The image is built for size, but for what runs for each request, packet, page or switch:
# the files in which tools/profile counts most instructions, and where speed costs few bytes
# for those that it saves (docs/bench.md).
HOT := kernel/lib/checksum.c kernel/lib/siphash.c kernel/cpu/%.c kernel/trace/trace.c \
	kernel/thread/sched.c kernel/thread/wait.c kernel/thread/thread.c \
	kernel/thread/thread_memory.c kernel/thread/thread_table.c hal/baremetal/cpu/context.c \
	kernel/memory/page.c kernel/heap/heap_calls.c kernel/device/packet.c kernel/device/buf.c kernel/cache/run.c kernel/cache/page.c \
	kernel/file/walk.c \
	hal/baremetal/base/string.c hal/baremetal/time/clock.c \
	drivers/virtqueue_split.c drivers/virtio_net_tx.c drivers/virtio_net_rx.c \
	net/buffer.c net/stack.c net/flow.c net/wheel.c net/group/steer.c net/group/peek.c \
	net/ip/ip4.c net/link/neigh.c net/wire/ip4.c net/wire/tcp.c \
	net/tcp/in.c net/tcp/ack.c net/tcp/data.c net/tcp/out.c net/tcp/segment.c \
	net/tcp/timer.c net/tcp/socket.c apps/bench/% tests/%
# What gcc alone knows. No integer needs 16 bytes of alignment on the stack (what has vectors
# there aligns it): 1.5 kB. Copies are calls, not "rep movsb", which moves single bytes. Nothing
# is between functions for alignment: 3 kB; a function stays in one piece; no tables of jumps,
# and no code twice for threads of jumps: 1.5 kB. Functions of HOT that are not run for each
# packet, page or switch are cold.
STACK_GCC := -mpreferred-stack-boundary=3
COLD_GCC := $(STACK_GCC) -mstringop-strategy=libcall -fno-jump-tables -fno-tree-dominator-opts \
	-fno-move-loop-invariants
HOT_GCC := $(STACK_GCC) -fno-reorder-blocks-and-partition -falign-functions=1 -falign-jumps=1 \
	-falign-loops=1
gcc_only = $(if $(findstring clang,$(CC)),,$(1))
COLD_LEVEL := -Oz
COLD-metal := $(COLD_LEVEL) -include hal/baremetal/brief_assert.h $(call gcc_only,$(COLD_GCC))
HOT-metal := -include hal/baremetal/brief_assert.h $(call gcc_only,$(HOT_GCC))

# Applications, and the test of it, may use floating point; the kernel may not.
WITH-FLOAT := apps/% tests/integration/hal_contract_fp.c
flags = $(if $(filter $(WITH-FLOAT),$(1)),$(filter-out \
	-mgeneral-regs-only,$(FLAGS-$(2))),$(FLAGS-$(2))) $(if \
	$(filter $(HOT),$(1)),$(HOT-$(2)),$(COLD-$(2)))

FLAGS-metal := $(METAL)
FLAGS-host := -Ihal/posix
# Set by .ci/run: -g1 has line numbers and no variables, and compiles in three quarters
# of the time.
SAN_DEBUG ?=
FLAGS-asan := -Ihal/posix $(SAN) -O1 $(SAN_DEBUG)
FLAGS-tsan := -Ihal/posix -fsanitize=thread -O1
FLAGS-cov := -Ihal/posix --coverage -fprofile-update=atomic -O0 \
	-Wno-frame-larger-than
FLAGS-fuzz := -Ihal/posix $(SAN) -fsanitize=fuzzer-no-link -O1 $(SAN_DEBUG)
FLAGS-sim := -Ihal/posix -DHAL_SIM=1
# What tests have of the compiler's time is a fifth then, and they run no longer.
FLAGS-unit-asan := -O0
# Tests, fakes and models are not counted: half of what they would take is counters. Those
# are that include a source of the kernel, or a world that includes it.
FLAGS-tests-cov := -Ihal/posix -O1
FLAGS-unit-cov := -O0
COUNTED := $(shell grep -lE '^\#include "[^"]*(\.c|/(http|kv)_world\.h)"' tests/unit/*/*.c)
test_flags = $(if $(filter $(COUNTED),$(1)),,$(FLAGS-tests-$(2)))
LINK-host :=
LINK-sim :=
# gold links in half the time.
LINK-asan := $(SAN) -fuse-ld=gold
LINK-tsan := -fsanitize=thread
LINK-cov := --coverage -Wl,-u,__gcov_dump -fuse-ld=gold
LINK-fuzz := $(SAN) -fsanitize=fuzzer
VARIANTS := metal host asan tsan cov fuzz sim

# The image's objects are made again when they would be compiled otherwise than last time.
# The compiler does not count: fuzz-programs has clang, and leaves the image alone, which
# another make may be at.
IMAGE_FLAGS := $(strip $(FLAGS-metal) $(COLD_LEVEL) $(COLD_GCC) $(HOT_GCC) $(HOT))
ifneq ($(file <$(BUILD)/metal/flags),$(IMAGE_FLAGS))
$(shell mkdir -p $(BUILD)/metal && find $(BUILD)/metal -type f ! -name '*.d' -delete)
$(file >$(BUILD)/metal/flags,$(IMAGE_FLAGS))
endif

# ---- Objects -------------------------------------------------------------------

say = @printf '  %-5s %s\n' '$(1)' '$(2)'

WARN-extra = $(if $(filter fs/% net/%,$(1)),-Wconversion)

define variant_rules
$(BUILD)/$(1)/tests/%.o: tests/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(filter-out -Wframe%,$$(WARN)) $$(HOSTED) \
		$$(or $$(call test_flags,$$<,$(1)),$$(FLAGS-$(1))) \
		$$(if $$(filter tests/unit/%,$$<),$$(FLAGS-unit-$(1))) \
		-c $$< -o $$@

# It includes host/slirp.c.
$(BUILD)/$(1)/tests/unit/posix/test_slirp.o: HOSTED += $(SLIRP_CFLAGS)

$(BUILD)/$(1)/hal/posix/host/%.o: hal/posix/host/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(HOSTED) $$(SLIRP_CFLAGS) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(call WARN-extra,$$<) $$(FREE) \
		$$(call flags,$$<,$(1)) -c $$< -o $$@

$(BUILD)/$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(call say,AS,$$<)
	$$(Q)$$(CC) $$(BASE) $$(FREE) $$(FLAGS-$(1)) -c $$< -o $$@

$(BUILD)/$(1)/libtorc.a: $$(patsubst %.c,$(BUILD)/$(1)/%.o,$$(filter-out $$(WITHOUT-$(1)),$$(SRCS-kernel))) \
		$$(OBJS-hal-$(1):%=$(BUILD)/$(1)/%)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^

# The kernel alone.
$(BUILD)/$(1)/libkernel.a: $$(patsubst %.c,$(BUILD)/$(1)/%.o,$$(filter kernel/%,$$(SRCS-kernel))) \
		$$(OBJS-hal-$(1):%=$(BUILD)/$(1)/%)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/$(1)/tests/libfakes.a: $$(patsubst %.c,$(BUILD)/$(1)/%.o,$$(filter-out $$(WITHOUT-$(1)),$$(FAKES)))
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/$(1)/unit/%: $(BUILD)/$(1)/tests/unit/%.o \
		$(BUILD)/$(1)/tests/libfakes.a $(BUILD)/$(1)/libtorc.a
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pthread $$(LINK-$(1)) -Wl,--start-group $$^ -Wl,--end-group \
		-lcmocka $$(HOST_LIBS) -o $$@
endef

OBJS-posix := $(patsubst %.c,%.o,$(patsubst %.S,%.o,$(SRCS-posix-k) $(SRCS-posix-h) $(SRCS-posix-real)))
OBJS-sim := $(filter-out $(SRCS-posix-real:.c=.o),$(OBJS-posix)) $(SRCS-posix-sim:.c=.o)
$(foreach v,host asan tsan cov fuzz,$(eval OBJS-hal-$(v) := $(OBJS-posix)))
OBJS-hal-sim := $(OBJS-sim)
OBJS-metal := $(patsubst %.c,%.o,$(patsubst %.S,%.o,$(SRCS-metal)))
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v))))

# Every source in apps/<name>/ is part of the application, and those of the rooms that it
# shares with others (ROOMS-<name>). Images are linked twice: the second time with the names
# of the first, for backtraces; with LINES=1, or a LINES-<name>, also with its lines.
# APP.trace is the same with the trace (docs/trace.md).
ROOMS-webserver := apps/site
ROOMS-webnode := apps/site
ROOMS-fileserver := apps/site
LINES ?=
LINES-faults := --lines
SYMBOLS := $(BUILD)/tools/torc-symbols
$(SYMBOLS): $(wildcard tools/symbols/*.[ch])
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(filter-out -MMD -MP,$(BASE)) $(filter-out -Wframe%,$(WARN)) $(HOSTED) $(filter %.c,$^) -o $@
comma := ,
# Lines, and lines.c, which reads them.
lines_of = $(if $(LINES)$(LINES-$(basename $*)),-Wl$(comma)-u$(comma)symbol_line)
symbols_of = $(Q)$(SYMBOLS) $@.first $(if $(LINES),--lines,$(LINES-$(basename $*))) >$@.symbols.S
app_objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(wildcard apps/$(2)/*.c $(ROOMS-$(2):%=%/*.c)))
%.trace: LINK-trace := -Wl,-u,trace_boot
LINK-image := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--build-id=none \
	-Wl,-z,max-page-size=64 -Wl,-z,noexecstack -Wl,-z,norelro -T hal/baremetal/boot/link.ld

.SECONDEXPANSION:
$(APPS:%=$(BUILD)/metal/%.elf) $(APPS:%=$(BUILD)/metal/%.trace): $(BUILD)/metal/%: \
		$$(call app_objects,metal,$$(basename $$*)) $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld $(SYMBOLS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(LINK-trace) $(lines_of) $(filter %.o,$^) $(filter %.a,$^) -o $@.first
	$(symbols_of)
	$(Q)$(CC) -c $@.symbols.S -o $@.symbols.o
	$(Q)$(CC) $(LINK-image) $(LINK-trace) $(lines_of) $(filter %.o,$^) $(filter %.a,$^) $@.symbols.o -o $@

$(APPS:%=$(BUILD)/host/%) $(APPS:%=$(BUILD)/host/%.trace): $(BUILD)/host/%: \
		$$(call app_objects,host,$$(basename $$*)) $(BUILD)/host/libtorc.a $(SYMBOLS)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $(LINK-trace) $(lines_of) $(filter %.o %.a,$^) $(HOST_LIBS) -o $@.first
	$(symbols_of)
	$(Q)$(CC) -c $@.symbols.S -o $@.symbols.o
	$(Q)$(CC) -pthread -no-pie $(LINK-trace) $(lines_of) $(filter %.o %.a,$^) $@.symbols.o $(HOST_LIBS) -o $@

# What the second compiler reads (tools/check.sh). What it has compiled for bare metal it
# need not compile for the hosted machine: its warnings come before there is code.
SYNTAX := $(SRCS-kernel) $(foreach a,$(APPS),$(wildcard apps/$(a)/*.c apps/$(a)/*/*.c))
$(BUILD)/syntax/%.ok: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) -MF $(@:.ok=.d) -MT $@ $(WARN) $(call WARN-extra,$<) $(FREE) \
		$(call flags,$<,host) -fsyntax-only $< && touch $@
second-compiler: metal $(OBJS-posix:%=$(BUILD)/host/%) $(SYNTAX:%.c=$(BUILD)/syntax/%.ok)

# The simulated machine has a point at each atomic access of the slots and of the
# rings that are shared with devices. (gcc warns that ThreadSanitizer's own library
# does not know fences; step_atomic.c does.)
SIM_POINTS := kernel/cpu/exchange.c kernel/cpu/pass.c kernel/thread/sched.c \
	$(wildcard drivers/virtqueue*.c drivers/e1000_?x.c)
$(SIM_POINTS:%.c=$(BUILD)/sim/%.o): FLAGS-sim += -fsanitize=thread -Wno-tsan

SIMS := $(patsubst tests/sim/sim_%.c,%,$(wildcard tests/sim/sim_*.c))
SIM_PARTS := $(filter-out tests/sim/sim_% tests/sim/names_%,$(wildcard tests/sim/*.c)) \
	tests/stress/stress.c
SIM_PARTS-io := $(wildcard tests/sim/io/*.c) tests/models/fault.c \
	$(wildcard tests/models/*_*.c)
SIM_PARTS-names := tests/sim/names_order.c tests/fakes/ext2_image.c tests/fakes/ext2_check.c
sim_objects = $(patsubst %.c,$(BUILD)/sim/%.o,tests/sim/sim_$(1).c $(SIM_PARTS) $(SIM_PARTS-$(1)))
$(SIMS:%=$(BUILD)/sim/%): $(BUILD)/sim/%: $$(call sim_objects,$$*) $(BUILD)/sim/libtorc.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -Wl,--start-group $^ -Wl,--end-group $(HOST_LIBS) -o $@

$(BUILD)/%/stress: $(BUILD)/%/tests/stress/stress_main.o $(BUILD)/%/tests/stress/stress.o \
		$(BUILD)/%/tests/fakes/machine.o $(BUILD)/%/tests/fakes/beneath_machine.o \
		$(BUILD)/%/libkernel.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread $(LINK-$*) -Wl,--start-group $^ -Wl,--end-group \
		-lcmocka $(HOST_LIBS) -o $@

# How tools/sim_check.sh builds simulations with one mistake in them, as variables of a
# shell: make takes longer to read its files than the compiler for one of them.
sim-commands:
	@echo "compile='$(CC) $(BASE) $(FREE) $(FLAGS-sim) -g0 -w'"
	@echo "points=' $(SIM_POINTS) '"
	@$(foreach s,$(SIMS),echo "objects[$(s)]='$(call sim_objects,$(s)) $(BUILD)/sim/libtorc.a'";)
	@echo "libraries='$(HOST_LIBS)'"

# The contract test of the HAL is a kernel of its own: a HAL and kernel/lib.
CONTRACT := $(wildcard tests/integration/hal_contract*.c)
define contract_rules
$(BUILD)/$(1)/contract/%.o: tests/integration/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(FREE) $$(call flags,$$<,$(1)) -c $$< -o $$@
endef
$(foreach v,metal host asan tsan,$(eval $(call contract_rules,$(v))))
contract_objects = $(CONTRACT:tests/integration/%.c=$(BUILD)/$(1)/contract/%.o)

$(BUILD)/metal/hal_contract.elf: $(call contract_objects,metal) \
		$(BUILD)/metal/libtorc.a $(OBJS-metal:%=$(BUILD)/metal/%)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@
$(BUILD)/host/hal_contract: $(call contract_objects,host) $(BUILD)/host/libtorc.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread $^ $(HOST_LIBS) -o $@

# Faults by the machine's own instructions, which applications have none of.
$(BUILD)/metal/faults.elf: $(BUILD)/metal/contract/machine_faults.o $(BUILD)/metal/contract/kernel_faults.o
$(BUILD)/host/faults: $(BUILD)/host/contract/kernel_faults.o

# hello with more text and .bss than large pages hold.
$(BUILD)/metal/big_image.elf: $(BUILD)/metal/tests/integration/big_image.o \
		$(BUILD)/metal/apps/hello/main.o $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@

# Loaders that enter hello in 64-bit mode: its bzImage, or as an ELF file.
$(BUILD)/metal/linux64_elf.elf: ENTRY = -DENTRY=$(shell readelf -h $(BUILD)/metal/hello.elf | sed -n 's/.*Entry point address: *//p')
$(BUILD)/metal/linux64.elf $(BUILD)/metal/linux64_elf.elf: tests/integration/linux64.S $(BUILD)/metal/hello.bzimage
	$(call say,LD,$@)
	$(Q)$(CC) $(ENTRY) -m64 -nostdlib -static -no-pie -DBZIMAGE='"$(BUILD)/metal/hello.bzimage"' \
		-Wl,-Ttext=0x1000000,--build-id=none,-z,noexecstack,-z,max-page-size=4096 -e entry $< -o $@

$(BUILD)/metal/%.bzimage: $(BUILD)/metal/%.elf tools/bzimage/bzimage.sh tools/bzimage/setup.S
	$(call say,BZ,$@)
	$(Q)tools/bzimage/bzimage.sh $< $@

# What it executes between its marks is known.
$(BUILD)/metal/profile_app.elf: $(BUILD)/metal/contract/profile_app.o \
		$(BUILD)/metal/tests/integration/profile_known.o \
		$(BUILD)/metal/apps/bench/marks.o $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@

# It uses and frees memory as it is told.
$(BUILD)/metal/balloon_app.elf: $(BUILD)/metal/contract/balloon_app.o \
		$(BUILD)/metal/libtorc.a $(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@

include tests/wmm/rules.mk
include tests/qtest/rules.mk
include tools/fuse/rules.mk
include tools/fsck/rules.mk
include tools/mkimg/rules.mk
include tools/trace/rules.mk
include tools/boot/rules.mk
include tests/crash/rules.mk
include tests/sequences/rules.mk
include tests/agree/rules.mk
include tests/guest/rules.mk
include tests/flips/rules.mk

# ---- Targets --------------------------------------------------------------------

metal: $(APPS:%=$(BUILD)/metal/%.elf) ## the images that boot: build/metal/APP.elf
host: $(APPS:%=$(BUILD)/host/%) ## the same as Linux processes: build/host/APP

deps: ## install every Debian package needed (packages.txt)
	$(Q)tools/need.sh --install all

# What is missing is installed first; then make begins again, since the flags are
# read off the tools.
run: ## boot APP in QEMU: CPUS= MEM= (MiB) PORT= MACHINE= DIR= or DISK=; Ctrl-C ends
	$(Q)tools/need.sh --install build run
	$(Q)$(MAKE) --no-print-directory run-installed

APP ?= webserver
CPUS ?= 2
MEM ?= 64
PORT ?= 8080
MACHINE ?= microvm
DIR ?= apps/$(APP)/www
DISK ?= # an image that the machine may write
run-installed: $(BUILD)/metal/$(APP).elf $(BUILD)/host/torc-mkimg
	$(Q)[ -n "$(DISK)" ] || [ ! -d "$(DIR)" ] || BUILD=$(BUILD) tools/mkimg/mkimg.sh ext2 --dir "$(DIR)" \
		--out $(BUILD)/root.img
	$(Q)if [ -n "$(DISK)" ] || [ -d "$(DIR)" ]; then \
		tools/run.sh $(PORT) tools/qemu.sh --machine $(MACHINE) \
			--cpus $(CPUS) --mem $(MEM) --kernel $< --append "$(ARGS)" \
			--disk $(if $(DISK),$(DISK) --write,$(BUILD)/root.img) \
			--forward $(PORT); \
	else \
		tools/qemu.sh --machine $(MACHINE) --cpus $(CPUS) --mem $(MEM) \
			--kernel $< --append "$(ARGS)"; \
	fi

run-host: ## the same as a Linux process, without root
	$(Q)tools/need.sh build run
	$(Q)$(MAKE) --no-print-directory $(BUILD)/host/$(APP) $(BUILD)/host/torc-mkimg
	$(Q)BUILD=$(BUILD) tools/mkimg/mkimg.sh ext2 --dir "$(DIR)" --out $(BUILD)/root.img
	$(Q)tools/run.sh $(PORT) $(BUILD)/host/$(APP) --cpus $(CPUS) --mem $(MEM)m \
		--disk $(BUILD)/root.img \
		--net user,hostfwd=tcp:127.0.0.1:$(PORT)-:80 -- $(ARGS)

DEBUG_ARGS ?= --cpus $(CPUS) --mem $(MEM) --machine $(MACHINE) --no-net
debug: $(BUILD)/metal/$(APP).elf ## APP stopped in QEMU with gdb attached: torc threads, torc cpu ..; DEBUG_ARGS=
	$(Q)tools/need.sh build run debug
	$(Q)BUILD=$(BUILD) tools/debug.sh $(APP) $(DEBUG_ARGS) --append "$(ARGS)"

debug-host: $(BUILD)/host/$(APP) ## the same for the process: ARGS='--cpus 2 -- log=debug'
	$(Q)tools/need.sh build debug
	$(Q)BUILD=$(BUILD) tools/debug.sh --host $(APP) $(ARGS)

debug-server: $(BUILD)/metal/$(APP).elf # for editors: gdb connects to port 1234
	$(Q)echo "$(APP) waits for gdb"
	$(Q)tools/qemu.sh --kernel $< --cpus $(CPUS) --mem $(MEM) --machine $(MACHINE) --no-net \
		--append "$(ARGS)" -- -S -gdb tcp:127.0.0.1:1234

# A command for each source that editors show: those of images as the image has them.
IDE := $(BUILD)/ide.list
ide_line = $(file >>$(IDE),$(1) $(CC) $(BASE) $(WARN) $(2) -c $(1))
ide: ## compile_commands.json, clangd and VS Code: build, run, debug from an editor
	$(shell mkdir -p $(BUILD))$(file >$(IDE))
	$(foreach f,$(SRCS-kernel) $(filter %.c,$(SRCS-metal)) $(foreach a,$(APPS),$(wildcard apps/$(a)/*.c)),$(call \
		ide_line,$(f),$(call WARN-extra,$(f)) $(FREE) $(call flags,$(f),metal)))
	$(foreach f,$(filter %.c,$(SRCS-posix-k)),$(call ide_line,$(f),$(FREE) $(call flags,$(f),host)))
	$(foreach f,$(filter %.c,$(SRCS-posix-h) $(SRCS-posix-real)) $(wildcard tests/unit/*/*.c tests/fakes/*.c \
		tests/models/*.c),$(call ide_line,$(f),$(HOSTED) $(SLIRP_CFLAGS) $(FLAGS-host)))
	$(Q)tools/ide.sh <$(IDE)

faults: $(BUILD)/metal/faults.elf $(BUILD)/host/faults ## every planted fault, on both machines: its line, status, and what gdb sees
	$(Q)tools/need.sh build run test debug
	$(Q)BUILD=$(BUILD) tests/faults/run.sh

image: $(BUILD)/metal/$(APP).elf $(BUILD)/host/torc-mkimg ## bootable disk (img, qcow2, vmdk, vdi, vhdx) and ISO: build/APP.*
	$(Q)tools/need.sh build run
	$(Q)BUILD=$(BUILD) tools/mkimg/mkimg.sh disk --formats --kernel $< --dir "$(DIR)" --out $(BUILD)/$(APP).img
	$(Q)BUILD=$(BUILD) tools/mkimg/mkimg.sh iso --kernel $< --dir "$(DIR)" --out $(BUILD)/$(APP).iso
	$(Q)ls -lh $(foreach f,img qcow2 vmdk vdi vhdx iso,$(BUILD)/$(APP).$(f))

bzimage: $(BUILD)/metal/$(APP).bzimage ## the same for loaders that only know Linux: build/metal/APP.bzimage

boot-matrix: $(BUILD)/metal/hello.elf $(BUILD)/metal/hello.bzimage $(BUILD)/host/torc-mkimg | need-test ## boot by each firmware, medium and kernel: ROWS='OVMF q35'
	$(Q)BUILD=$(BUILD) tests/integration/boot_matrix.sh '$(ROWS)'

test: ## unit and integration tests
	$(Q)tools/need.sh --install build run test
	$(Q)$(MAKE) --no-print-directory unit
	$(Q)$(MAKE) --no-print-directory integration

need-build:
	$(Q)tools/need.sh build
need-test: need-build
	$(Q)tools/need.sh test

unit: $(UNIT:%=$(BUILD)/asan/unit/%) | need-test ## unit tests on the host, ASan and UBSan
	$(Q)tools/run_unit.sh $^

# What the integration tests run.
INTEGRATION := $(addprefix $(BUILD)/metal/,hal_contract.elf big_image.elf profile_app.elf balloon_app.elf web_virtio.elf \
		hello.bzimage webserver.bzimage linux64.elf linux64_elf.elf) \
	$(addprefix $(BUILD)/host/,hal_contract torc-fuse torc-mkimg torc-trace) \
	$(BUILD)/asan/torc-mkimg $(BUILD)/asan/agree/trees $(TOOLS:%=$(BUILD)/asan/%) \
	$(addprefix $(BUILD)/attack/,attack honest) $(BUILD)/bench/forward
integration: metal host $(INTEGRATION) | need-test ## boot the images, fetch files; MATRIX=1: on 240 machines and over every disk and card
	$(Q)BUILD=$(BUILD) $(if $(MATRIX),tests/integration/matrices.sh $(MATRIX),tests/integration/run.sh $(TESTS))

SEEDS ?= 1000
SECONDS ?= 30
FIRST ?= 1
sim-check: $(SIMS:%=$(BUILD)/sim/%) ## the core simulated: SEEDS=1000 FIRST=1, planted bugs found
	$(Q)BUILD=$(BUILD) tools/sim_check.sh $(SEEDS) $(FIRST)

STRESS_CPUS ?= 8
stress: $(BUILD)/tsan/stress ## the same mix on threads under ThreadSanitizer: SECONDS=60
	$(Q)TSAN_OPTIONS="die_after_fork=0 $$TSAN_OPTIONS" $< $(STRESS_CPUS) $(SECONDS)

tidy: ## what is in the tree by mistake, or missing from its lists
	$(Q)tools/tidy.sh

check: ## layers, no lock, format, second compiler, tidiness
	$(Q)tools/need.sh --install build check
	$(Q)$(MAKE) --no-print-directory metal host
	$(Q)BUILD=$(BUILD) tools/check.sh

coverage: ## lcov pages of the unit tests, and how much of hal/baremetal runs in QEMU
	$(Q)tools/need.sh build run test coverage mutants debug
	$(Q)$(MAKE) --no-print-directory coverage-programs
	$(Q)BUILD=$(BUILD) tools/coverage.sh $(UNIT:%=$(BUILD)/cov/unit/%)
# The application's objects: what no unit test links counts as never executed.
coverage-programs: $(UNIT:%=$(BUILD)/cov/unit/%) $(call app_objects,cov,webserver) \
		$(call app_objects,cov,fileserver) \
		metal host $(addprefix $(BUILD)/metal/,hal_contract.elf hello.bzimage webserver.bzimage \
		linux64.elf linux64_elf.elf) \
		$(BUILD)/host/torc-trace

include tests/attack/rules.mk
include tests/bench/rules.mk
include tools/profile/rules.mk

PART ?=
FILE ?=
MUTANT ?=
SHOW ?=
N ?= 200
SEED ?= 1
AGAIN ?=
QUICK ?=
QUICK_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard $(QUICK:%=tests/unit/%.c)))
mutants: ## do tests notice a changed line? PART=net N=200 SEED=1 FILE= AGAIN= MUTANT=id SHOW=1 QUICK='fat/test_*'
	$(Q)tools/need.sh build test mutants
	$(Q)$(MAKE) --no-print-directory $(if $(QUICK),$(QUICK_TESTS:%=$(BUILD)/host/unit/%), \
		$(UNIT:%=$(BUILD)/host/unit/%) $(UNIT:%=$(BUILD)/asan/unit/%) \
		$(UNIT:%=$(BUILD)/cov/unit/%) $(SIMS:%=$(BUILD)/sim/%))
	$(Q)BUILD=$(BUILD) tools/mutants/mutants.pl $(PART:%=--part %) \
		$(FILE:%=--file %) $(MUTANT:%=--mutant %) $(if $(SHOW),--show) \
		$(if $(QUICK),--quick $(QUICK_TESTS:%=--tests %)) \
		$(if $(AGAIN),--again) --count $(N) --seed $(SEED)

wmm: ## explore the weak-memory executions of kernel/cpu/exchange.c
	$(Q)tools/need.sh build
	$(Q)$(MAKE) --no-print-directory $(BUILD)/wmm/wmm
	$(Q)BUILD=$(BUILD) tools/wmm.sh

TARGET ?= ext2
fuzz: ## libFuzzer: TARGET=ext2 SECONDS=30
	$(Q)tools/need.sh build test check fuzz
	$(Q)[ -f tests/fuzz/fuzz_$(TARGET).c ] || { \
		echo "no such target; there are: $(FUZZ)"; exit 2; }
	$(Q)$(MAKE) --no-print-directory CC=clang-14 $(BUILD)/fuzz/fuzz_$(TARGET)
	$(Q)BUILD=$(BUILD) tools/fuzz.sh $(TARGET) $(SECONDS)

fuzz-all: ## each fuzzer, one after the other: SECONDS=30
	$(Q)tools/need.sh build test check fuzz
	$(Q)$(MAKE) --no-print-directory fuzz-programs
	$(Q)BUILD=$(BUILD) tools/fuzz.sh all $(SECONDS) $(FUZZ)
fuzz-programs:
	$(Q)$(MAKE) --no-print-directory CC=clang-14 $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)

unit-programs: $(UNIT:%=$(BUILD)/asan/unit/%)

# Everything that the tests of .ci/run use, so that they can run side by side.
all-tests: metal host unit-programs coverage-programs \
		$(INTEGRATION) $(TOOLS:%=$(BUILD)/host/%) \
		$(SIMS:%=$(BUILD)/sim/%) $(BUILD)/tsan/stress $(BUILD)/wmm/wmm \
		$(QTESTS:%=$(BUILD)/asan/qtest/%) $(BUILD)/crash/explore $(BUILD)/sequences \
		fuzz-programs

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o \
		$(BUILD)/fuzz/tests/libfakes.a $(BUILD)/fuzz/libtorc.a
	$(Q)$(CC) -pthread $(LINK-fuzz) -Wl,--start-group $^ -Wl,--end-group \
		-lcmocka $(HOST_LIBS) -o $@

format: ## format the tree with clang-format
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i

clean: ## remove everything made
	rm -rf $(BUILD)

help: ## this list
	@awk -F':.*## ' '/^[a-z_-]+:.*## /{printf "  %-14s %s\n",$$1,$$2}' Makefile tests/qtest/rules.mk tests/attack/rules.mk \
		tests/bench/rules.mk tools/profile/rules.mk tools/fuse/rules.mk tools/fsck/rules.mk tools/mkimg/rules.mk tools/trace/rules.mk tools/boot/rules.mk tests/crash/rules.mk tests/sequences/rules.mk tests/agree/rules.mk tests/guest/rules.mk tests/flips/rules.mk

.PHONY: tidy debug debug-host debug-server ide faults bzimage boot-matrix metal host deps run run-installed run-host image test need-build need-test \
	unit integration second-compiler sim-check sim-commands stress check coverage mutants wmm fuzz fuzz-all fuzz-programs all-tests unit-programs coverage-programs format clean help
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
