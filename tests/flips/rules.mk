# Random flips of a bit in a machine that runs: docs/faults.md.
$(BUILD)/metal/flips/app.o $(BUILD)/host/flips/app.o: $(BUILD)/%/flips/app.o: tests/flips/app.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WARN) $(FREE) $(call flags,$<,$*) -c $< -o $@
$(BUILD)/metal/flips.elf: $(BUILD)/metal/flips/app.o $(BUILD)/metal/libtorc.a \
		$(OBJS-metal:%=$(BUILD)/metal/%) hal/baremetal/boot/link.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK-image) $(filter %.o,$^) $(filter %.a,$^) -o $@
$(BUILD)/host/flips/app: $(BUILD)/host/flips/app.o $(BUILD)/host/libtorc.a
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -no-pie $^ $(HOST_LIBS) -o $@

FLIPS ?= 100
SEED ?= 1
.PHONY: flips
flips: $(BUILD)/host/flips/app $(BUILD)/metal/flips.elf ## random bits are turned over in a machine that runs: FLIPS=N SEED=S, as a process and in QEMU
	$(Q)tools/need.sh build run test
	$(Q)tests/flips/flips.py --host $(BUILD)/host/flips/app --flips $(FLIPS) --seed $(SEED)
	$(Q)tests/flips/flips.py --qemu $(BUILD)/metal/flips.elf --flips $$(($(FLIPS) / 20)) --seed $(SEED)
