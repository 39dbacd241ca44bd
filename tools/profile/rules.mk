# Guest instructions by function and by room: docs/profile.md.
REQUESTS ?= 200
TOP ?= 25
profile: ## guest instructions by function: APP=webserver LOAD=get REQUESTS=200 TOP=25
	$(Q)tools/need.sh --install build run profile
	$(Q)$(MAKE) -s --no-print-directory $(BUILD)/metal/$(APP).elf
	$(Q)BUILD=$(BUILD) LOAD='$(subst ','\'',$(value LOAD))' \
		$(foreach v,CPUS MEM MACHINE DIR,$(if \
		$(filter command,$(origin $(v))),$(v)='$($(v))')) \
		ARGS='$(ARGS)' REQUESTS=$(REQUESTS) TOP=$(TOP) \
		tools/profile/profile.sh $(APP)

profile-of: ## who calls FUNCTION in the last profile of APP, and what its lines execute
	$(Q)tools/profile/report.pl --profile $(BUILD)/profile/$(APP) \
		--requests "$$(cat $(BUILD)/profile/$(APP).requests)" \
		--function $(FUNCTION) --image $(BUILD)/metal/$(APP).elf

profile-diff: ## what has changed between two profiles: OLD=a.csv NEW=b.csv
	$(Q)tools/profile/report.pl --diff --top $(TOP) $(OLD) $(NEW)

.PHONY: profile profile-of profile-diff
