# torc-fsck, a tool of the host: docs/fsck.md.
FSCK_TOOL := $(wildcard tools/fsck/*.c fs/ext2/check/*.c) fs/ext2/hash.c \
	kernel/lib/siphash.c kernel/lib/str.c kernel/lib/crc32.c kernel/device/mbr.c \
	kernel/device/gpt.c
define fsck_rules
$(BUILD)/$(1)/tools/fsck/%.o: tools/fsck/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(filter-out -Wframe%,$$(WARN)) -Wconversion $$(HOSTED) \
		$$(FLAGS-$(1)) -c $$< -o $$@

$(BUILD)/$(1)/torc-fsck: $$(FSCK_TOOL:%.c=$(BUILD)/$(1)/%.o)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LINK-$(1)) $$^ -o $$@
endef
$(foreach v,host asan cov,$(eval $(call fsck_rules,$(v))))

fsck: $(BUILD)/host/torc-fsck ## the checker of ext2 images: build/host/torc-fsck

COUNT ?= 300
fsck-compare: $(BUILD)/host/torc-fsck ## damaged images: do torc-fsck and e2fsck agree? COUNT=300 SEED=1
	$(Q)tools/need.sh build run test
	$(Q)python3 tests/fsck/compare.py --count $(COUNT) --seed $(SEED) --jobs 2 $<

.PHONY: fsck fsck-compare
