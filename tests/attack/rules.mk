# Attacks from a network namespace beside honest clients: docs/attacks.md.

ATTACK := $(BUILD)/attack
ATTACK_SOURCES := main wire flood peer hold
ATTACK_PROGRAMS := $(ATTACK)/attack $(ATTACK)/honest

$(ATTACK)/attack: $(ATTACK_SOURCES:%=$(BUILD)/host/tests/attack/%.o)
$(ATTACK)/honest: $(BUILD)/host/tests/attack/honest.o
$(ATTACK_PROGRAMS): $(BUILD)/host/tests/bench/link_end.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread $^ -o $@

attack: $(ATTACK_PROGRAMS) host ## all attacks beside honest clients: NAMES= SECONDS_EACH=8 STRICT=1
	$(Q)BUILD=$(BUILD) STRICT=$(STRICT) SECONDS_EACH=$(SECONDS_EACH) tests/attack/run.sh $(NAMES)

.PHONY: attack
