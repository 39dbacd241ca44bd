# The weak-memory explorer: docs/wmm.md. Kernel sources and tests are compiled
# for ThreadSanitizer, and linked to tests/wmm/hooks.c instead of to it. Each
# atomic operation of the source is one in the code: nothing inlined.
WMM := $(BUILD)/wmm
WMM_KERNEL := kernel/exchange.c kernel/heap.c kernel/heap_check.c kernel/heap_home.c \
	kernel/idle.c kernel/mem.c kernel/percpu.c tests/wmm/pass.c
WMM_WATCHED := tests/wmm/litmus.c tests/wmm/scenarios.c
WMM_RUNTIME := tests/wmm/explore.c tests/wmm/hooks.c tests/wmm/machine.c \
	tests/wmm/main.c tests/wmm/model.c tests/wmm/mutant.c tests/wmm/race.c \
	tests/wmm/switch.S tests/wmm/threads.c
WMM_OBJECTS := $(patsubst %,$(WMM)/%.o,$(WMM_KERNEL) $(WMM_WATCHED) $(WMM_RUNTIME))
WMM_FLAGS := $(WARN) -Itests/wmm/include -fno-pie
WMM_WATCH := -fsanitize=thread --param=tsan-instrument-func-entry-exit=0 -O1 \
	-fno-inline -fno-optimize-sibling-calls -fno-builtin -fno-stack-protector

$(WMM_KERNEL:%=$(WMM)/%.o): $(WMM)/%.o: %
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WMM_FLAGS) $(FREE) $(WMM_WATCH) -c $< -o $@
	$(Q)objcopy --rename-section .text=kernel_text --redefine-sym memcpy=wmm_memcpy \
		--redefine-sym memmove=wmm_memmove --redefine-sym memset=wmm_memset $@

$(WMM_WATCHED:%=$(WMM)/%.o): $(WMM)/%.o: %
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WMM_FLAGS) $(WMM_WATCH) -c $< -o $@

$(WMM_RUNTIME:%=$(WMM)/%.o): $(WMM)/%.o: %
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE) $(WMM_FLAGS) -D_GNU_SOURCE -O3 -msse4.1 -c $< -o $@

$(WMM)/wmm: $(WMM_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) -no-pie $^ -o $@
