# The weak-memory explorer: docs/wmm.md. Kernel sources and tests are compiled
# for ThreadSanitizer, and linked to tests/wmm/hooks.c instead of to it. Each
# atomic operation of the source is one in the code: nothing inlined.
WMM := $(BUILD)/wmm
WMM_KERNEL := kernel/cpu/exchange.c kernel/heap/heap.c kernel/heap/heap_check.c kernel/heap/heap_home.c kernel/heap/dma.c \
	kernel/thread/idle.c kernel/memory/mem.c kernel/memory/page.c kernel/cpu/percpu.c \
	kernel/cpu/pass.c kernel/cpu/irq_work.c drivers/virtqueue.c \
	drivers/virtqueue_split.c drivers/virtqueue_packed.c tests/wmm/timeline.c
WMM_WATCHED := tests/wmm/litmus.c tests/wmm/scenarios.c tests/wmm/virtqueue.c
WMM_RUNTIME := tests/wmm/explore.c tests/wmm/hooks.c tests/wmm/machine.c \
	tests/wmm/main.c tests/wmm/model.c tests/wmm/mutant.c tests/wmm/race.c \
	tests/wmm/switch.S tests/wmm/threads.c tests/wmm/trail.c
WMM_OBJECTS := $(patsubst %,$(WMM)/%.o,$(WMM_KERNEL) $(WMM_WATCHED) $(WMM_RUNTIME))
WMM_FLAGS := $(WARN) -Itests/wmm/include -fno-pie
# (gcc warns that its own library does not know fences; hooks.c does.)
WMM_WATCH := -fsanitize=thread -Wno-tsan --param=tsan-instrument-func-entry-exit=0 -O1 \
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
	$(Q)$(CC) $(BASE) $(WMM_FLAGS) -D_GNU_SOURCE -O3 -flto -msse4.1 -c $< -o $@

$(WMM)/wmm: $(WMM_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) -no-pie -O3 -flto $^ -o $@
