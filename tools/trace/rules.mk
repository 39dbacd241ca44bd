# torc-trace, a tool of the host, and what makes traces: docs/trace.md.
TRACE_TOOL := $(wildcard tools/trace/*.c)
define trace_rules
$(BUILD)/$(1)/tools/trace/%.o: tools/trace/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE) $$(filter-out -Wframe%,$$(WARN)) $$(HOSTED) $$(FLAGS-$(1)) \
		-c $$< -o $$@

$(BUILD)/$(1)/torc-trace: $$(TRACE_TOOL:%.c=$(BUILD)/$(1)/%.o)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LINK-$(1)) $$^ -o $$@
endef
$(foreach v,host asan cov,$(eval $(call trace_rules,$(v))))

# Its tests include main.c.
TRACE_TESTED := $(filter-out tools/trace/main.c,$(TRACE_TOOL))
$(foreach v,host asan cov,$(eval $(BUILD)/$(v)/unit/kernel/test_trace: \
	$(BUILD)/$(v)/tools/trace/decode.o))
$(foreach v,host asan cov,$(eval $(BUILD)/$(v)/unit/net/test_status: \
	$(BUILD)/$(v)/tools/trace/decode.o))
$(foreach v,host asan cov,$(eval $(BUILD)/$(v)/unit/tools/test_trace: \
	$(TRACE_TESTED:%.c=$(BUILD)/$(v)/%.o)))

TRACE ?= all
trace: $(BUILD)/metal/$(APP).trace $(BUILD)/host/torc-trace ## run APP traced: build/trace/APP.json, .svg, .ctf; TRACE=switch,slot,... ARGS=
	$(Q)BUILD=$(BUILD) CPUS=$(CPUS) MEM=$(MEM) MACHINE=$(MACHINE) ARGS='$(ARGS)' \
		tools/trace/trace.sh $(APP) $(TRACE)

.PHONY: trace
