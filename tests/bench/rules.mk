# The measuring programs of `make bench-core`: docs/bench.md.
#
# core has Torc and its peers in one process; alloc_torc and alloc_libc are the
# same loads with Torc's allocator and with malloc(), which LD_PRELOAD replaces.

BENCH := $(BUILD)/bench
BENCH_CORE := core host pair torc_trace torc_switch torc_slots torc_wake peer_posix
BENCH_FLAGS := $(BASE) $(filter-out -Wframe%,$(WARN)) $(HOSTED) $(FLAGS-host)
DPDK_FLAGS := -isystem /usr/include/dpdk -isystem /usr/include/x86_64-linux-gnu/dpdk \
	-include rte_config.h -march=corei7
BENCH_PROGRAMS := $(BENCH)/core $(BENCH)/alloc_torc $(BENCH)/alloc_libc \
	$(BENCH)/insn_marks.so

$(BENCH)/peer_ring.o: tests/bench/peer_ring.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BENCH_FLAGS) $(DPDK_FLAGS) -c $< -o $@

$(BENCH)/peer_boost.o: tests/bench/peer_boost.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)g++ -std=c++14 -O2 -g -Wall -Wextra -Werror -I. -MMD -MP -c $< -o $@

# The loads, once for each allocator. The compiler must not see through malloc().
$(BENCH)/loops_torc.o: tests/bench/alloc_loops.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BENCH_FLAGS) -Itests/bench/torc -c $< -o $@
$(BENCH)/loops_libc.o: tests/bench/alloc_loops.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BENCH_FLAGS) -fno-builtin -fno-plt -Itests/bench/libc -c $< -o $@

$(BENCH)/core: $(BENCH_CORE:%=$(BUILD)/host/tests/bench/%.o) $(BENCH)/peer_ring.o \
		$(BENCH)/peer_boost.o $(BUILD)/host/libtorc.a
	$(call say,LD,$@)
	$(Q)g++ -pthread -no-pie $^ -l:libboost_context.a -lrte_ring $(HOST_LIBS) -o $@

$(BENCH)/alloc_torc: $(BUILD)/host/tests/bench/alloc_torc.o $(BENCH)/loops_torc.o \
		$(BUILD)/host/tests/bench/pair.o $(BUILD)/host/tests/bench/host.o \
		$(BUILD)/host/libtorc.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

$(BENCH)/alloc_libc: $(BUILD)/host/tests/bench/alloc_libc.o $(BENCH)/loops_libc.o \
		$(BUILD)/host/tests/bench/pair.o $(BUILD)/host/tests/bench/host.o
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ -o $@

$(BENCH)/io_host: $(BUILD)/host/tests/bench/io_host.o $(BUILD)/host/tests/bench/io_tap.o \
		$(BUILD)/host/tests/bench/host.o \
		$(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

# The forwarder and the peer are programs for Linux alone.
$(BENCH)/net_host: $(BUILD)/host/tests/bench/net_host.o $(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

$(BENCH)/forward: $(BUILD)/host/tests/bench/link_end.o
$(BENCH)/forward $(BENCH)/net_peer: $(BENCH)/%: $(BUILD)/host/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@

$(BENCH)/fs_host: $(BUILD)/host/tests/bench/fs_host.o $(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

$(BENCH)/fs_limits: $(BUILD)/host/tests/bench/fs_limits.o $(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

$(BENCH)/fs_peer: $(BUILD)/host/tests/bench/fs_peer.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $^ -o $@

$(BENCH)/insn_marks.so: tests/bench/insn_marks.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WARN) -shared -fPIC $< -o $@

# Frames and disk requests, and idle connections, in images that boot. They use interfaces
# of the kernel, so they are no applications, and are built as the kernel is.
$(BUILD)/metal/guest/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WARN) $(FREE) $(FLAGS-metal) -c $< -o $@
$(BUILD)/metal/io_guest.elf $(BUILD)/metal/idle_guest.elf: \
		$(BUILD)/metal/%_guest.elf: $(BUILD)/metal/guest/%_guest.o \
		$(BUILD)/metal/apps/bench/marks.o $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@

# An application, of <torc/...> only.
$(BUILD)/metal/fs_guest.elf: $(BUILD)/metal/guest/fs_guest.o \
		$(BUILD)/metal/apps/bench/marks.o $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@

# The web server with virtio devices alone, without and with IPv6, linked twice as images
# are (tools/check.sh).
$(BUILD)/metal/web_virtio.elf $(BUILD)/metal/web_virtio6.elf: \
		$(BUILD)/metal/web_%.elf: $(BUILD)/metal/guest/web_%.o \
		$(patsubst %.c,$(BUILD)/metal/%.o,$(wildcard apps/site/*.c)) $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld $(SYMBOLS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@.first
	$(symbols_of)
	$(Q)$(CC) -c $@.symbols.S -o $@.symbols.o
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) $@.symbols.o -o $@

bench-core: ## Torc's core beside its peers: times, guest instructions; STRICT=1
	$(Q)tools/need.sh --install build run bench
	$(Q)$(MAKE) -s --no-print-directory $(BENCH_PROGRAMS) $(BUILD)/metal/bench.elf
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_core.sh

bench-io: ## disks and cards beside fio and a bare loop, hosted; guest instructions; STRICT=1
	$(Q)tools/need.sh --install build run test bench
	$(Q)$(MAKE) -s --no-print-directory $(BENCH)/io_host $(BUILD)/metal/io_guest.elf
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_io.sh

bench-net: ## TCP over bad cables beside the kernel's TCP: ROWS= ROUNDS= SECONDS= STRICT=1
	$(Q)tools/need.sh --install build run bench
	$(Q)$(MAKE) -s --no-print-directory $(addprefix $(BENCH)/,net_host net_peer forward)
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_net.sh

bench-idle: ## 100,000 idle connections in a guest: bytes of each, instructions for a packet; STRICT=1
	$(Q)tools/need.sh --install build run bench
	$(Q)$(MAKE) -s --no-print-directory $(BENCH)/insn_marks.so $(BUILD)/metal/idle_guest.elf
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_idle.sh

packetdrill: $(BUILD)/asan/unit/net/test_drill ## scripts of packetdrill on our TCP: PACKETDRILL_DIR=directory
	$(Q)BUILD=$(BUILD) tools/packetdrill.sh $(PACKETDRILL_DIR)

BYTES ?= 10000000
pair: $(BUILD)/host/unit/net/test_tcp_pair ## two of our stacks over a bad link: SEEDS=1000 FIRST=1 BYTES=10000000
	$(Q)SEEDS=$(SEEDS) FIRST=$(FIRST) BYTES=$(BYTES) $<

fs-limits: $(BENCH)/fs_limits ## ext2 with 1 GiB in a file, 100,000 entries, no inodes, full: MIB= ENTRIES= BLOCKS=
	$(Q)BUILD=$(BUILD) tools/fs_limits.sh

bench-power: $(BUILD)/metal/webserver.elf $(BUILD)/host/webserver $(BUILD)/host/torc-mkimg ## CPU of an idle machine, and of traffic in bursts: docs/power.svg; IDLE= BURSTS= ON= OFF= RATE=
	$(Q)BUILD=$(BUILD) tools/power/bench_power.sh docs/power.svg

.PHONY: bench-power bench-core bench-io bench-net bench-idle packetdrill pair fs-limits
