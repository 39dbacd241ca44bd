# Programs for Linux, made of the kernel's archive: torc-fuse (docs/fuse.md) and
# torc-img (docs/man/torc-img.1).
FUSE_CFLAGS = $(shell pkg-config --cflags fuse3 2>/dev/null)
FUSE_LIBS = $(shell pkg-config --libs fuse3 2>/dev/null)
FUSE_SRCS := $(wildcard tools/fuse/*.c tools/fuse/host/*.c) tools/image/mount.c
IMG_SRCS := $(wildcard tools/image/*.c tools/image/host/*.c)
TOOLS := torc-fuse torc-img

define tool_rules
$(BUILD)/$(1)/tools/fuse/host/%.o: tools/fuse/host/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(HOSTED) $$(FUSE_CFLAGS) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/tools/image/host/%.o: tools/image/host/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(WARN) $$(HOSTED) $$(FLAGS-$(1)) -c $$< -o $$@

$(BUILD)/$(1)/torc-fuse: $$(FUSE_SRCS:%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/libtorc.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -pthread -no-pie $$(LINK-$(1)) $$^ $$(HOST_LIBS) $$(FUSE_LIBS) -o $$@

$(BUILD)/$(1)/torc-img: $$(IMG_SRCS:%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/libtorc.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -pthread -no-pie $$(LINK-$(1)) $$^ $$(HOST_LIBS) -o $$@
endef
$(foreach v,host asan,$(eval $(call tool_rules,$(v))))

tools: $(TOOLS:%=$(BUILD)/host/%) ## programs for Linux: build/host/torc-fuse, torc-img

.PHONY: tools

# ---- make bench-fs: docs/bench.md --------------------------------------------

$(BUILD)/bench/fs_floor: tests/bench/fs_floor.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -g -D_GNU_SOURCE -MMD -MP $(WARN) $(FUSE_CFLAGS) $< $(FUSE_LIBS) -o $@
$(BUILD)/bench/fs_client: tests/bench/fs_client.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -g -D_GNU_SOURCE -MMD -MP $(WARN) $< -o $@

bench-fs: ## files: by FUSE beside fuse2fs, in process beside Linux, guest instructions: FS=ext2|memory STRICT=1
	$(Q)tools/need.sh --install build run bench
	$(Q)$(MAKE) -s --no-print-directory $(BUILD)/host/torc-fuse $(BUILD)/bench/fs_floor \
		$(BUILD)/bench/fs_client $(BUILD)/bench/fs_host $(BUILD)/bench/fs_peer \
		$(BUILD)/metal/fs_guest.elf
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_fs.sh
	$(Q)echo; echo "In process, calls a second: ROW TORC PEER WHO RATIO BAR"
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_fs_host.sh | column -t
	$(Q)echo; echo "Guest instructions: ROW COUNT BAR"
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) tools/bench_fs_guest.sh | column -t

.PHONY: bench-fs

# Its tests have what is in no archive; test_fuse_args.c includes its source.
FUSE_TESTED := $(wildcard tools/fuse/serve_*.c) tools/image/mount.c
$(foreach v,host asan cov,$(eval $(BUILD)/$(v)/unit/tools/test_fuse_serve: \
	$(FUSE_TESTED:%.c=$(BUILD)/$(v)/%.o)))
