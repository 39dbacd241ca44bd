# The crash explorer: docs/crash.md.
CRASH := tests/crash/explore.c tests/crash/world.c
$(BUILD)/crash/explore: $(CRASH:%.c=$(BUILD)/host/%.o) $(BUILD)/host/tests/libfakes.a \
		$(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -Wl,--start-group $^ -Wl,--end-group -lcmocka $(HOST_LIBS) -o $@

LENGTH ?= 2
crash: $(BUILD)/crash/explore ## every crash of ext2 in sequences of LENGTH=2 operations; docs/crash.md
	$(Q)tools/need.sh build run test
	$(Q)$< --length $(LENGTH) --seed $(SEED)

.PHONY: crash
