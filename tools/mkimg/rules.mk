# torc-mkimg, a tool of the host: docs/man/torc-mkimg.1.
MKIMG_TOOL := $(wildcard tools/mkimg/*.c fs/make/*.c fs/ext2/make/*.c fs/fat/make/*.c) \
	fs/ext2/hash.c fs/ext2/inode_time.c fs/ext2/write/xattr_build.c fs/ext2/xattr_area.c \
	fs/fat/name.c fs/fat/short.c fs/fat/time.c kernel/lib/str.c kernel/lib/crc32.c \
	kernel/lib/siphash.c
define mkimg_rules
$(BUILD)/$(1)/tools/mkimg/%.o: tools/mkimg/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(filter-out -Wframe%,$$(WARN)) $$(HOSTED) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/torc-mkimg: $$(MKIMG_TOOL:%.c=$(BUILD)/$(1)/%.o)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LINK-$(1)) $$^ -o $$@
endef
$(foreach v,host asan cov,$(eval $(call mkimg_rules,$(v))))

mkimg: $(BUILD)/host/torc-mkimg ## the maker of images: build/host/torc-mkimg

.PHONY: mkimg

# Its test includes main.c.
MKIMG_TESTED := $(filter-out tools/mkimg/main.c,$(wildcard tools/mkimg/*.c))
$(foreach v,host asan cov,$(eval $(BUILD)/$(v)/unit/tools/test_mkimg: \
	$(MKIMG_TESTED:%.c=$(BUILD)/$(v)/%.o)))
