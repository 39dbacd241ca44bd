# Trees of files: Linux and we agree on them (docs/agree.md).
AGREE := $(wildcard tests/agree/*.c)
define agree_rules
$(BUILD)/$(1)/agree/trees: $$(AGREE:%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/tests/libfakes.a \
		$(BUILD)/$(1)/libtorc.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -pthread $$(LINK-$(1)) -Wl,--start-group $$^ -Wl,--end-group -lcmocka \
		$$(HOST_LIBS) -o $$@
endef
$(foreach v,host asan,$(eval $(call agree_rules,$(v))))

agree: $(BUILD)/host/agree/trees ## ext2 as Linux has it, by loop mounts: SEEDS=1000 FIRST=1
	$(Q)tools/need.sh build run test
	$(Q)python3 tests/agree/agree.py --seeds $(SEEDS) --first $(FIRST) --jobs 2 $<

.PHONY: agree
