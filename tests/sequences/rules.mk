# Every short sequence of operations on each file system: docs/sequences.md.
SEQUENCES := tests/sequences/sequences.c tests/sequences/ops.c
$(BUILD)/sequences: $(SEQUENCES:%.c=$(BUILD)/host/%.o) $(BUILD)/host/tests/libfakes.a \
		$(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -Wl,--start-group $^ -Wl,--end-group -lcmocka $(HOST_LIBS) -o $@

# SHARE=I/N: of those with faults, which take a hundred times as long, an N-th.
SHARE ?= 0/1
sequences: $(BUILD)/sequences ## all sequences of LENGTH=2 operations on ext2, FAT and in memory; docs/sequences.md
	$(Q)tools/need.sh build run test
	$(Q)status=0; for options in "" "--memory --share $(SHARE)" "--disk --share $(SHARE)"; do \
		$< --length $(LENGTH) $$options || status=1; \
	done; exit $$status

.PHONY: sequences
