# Unit tests in a Torc image (`make test-guest`): docs/testing.md.
#
# An image a test program: the objects of tests/unit, tests/fakes and tests/models, compiled
# for the image with the headers of tests/guest/include; tests/guest, which is CMocka, a
# bit of a C library and machines for tests; the kernel's objects as they are released
# (build/metal); and those of hal/baremetal, in which the names of GUEST_RENAMED begin with
# metal_, so that tests/guest can stand in between.

GUEST := $(BUILD)/guest
GUEST_HOST_ONLY := $(shell awk '/^[^#]/ { print $$1 }' tests/guest/host_only.txt)
GUEST_UNIT := $(filter-out $(GUEST_HOST_ONLY),$(UNIT))
GUEST_TESTS ?= %
GUEST_CHOSEN = $(filter $(GUEST_TESTS),$(GUEST_UNIT))
GUEST_RENAMED := hal_exit hal_abort hal_console_write hal_time_ns hal_wall_ns hal_timer_set \
	hal_entropy hal_irq_attach hal_irq_msi hal_irq_restore hal_cpu_idle hal_cpu_relax \
	hal_page_attr hal_io_map hal_io_read8 hal_io_read16 hal_io_read32 hal_io_write8 \
	hal_io_write16 hal_io_write32 hal_pci_read32 hal_pci_write32 hal_platform_device \
	hal_dma_map hal_dma_unmap hal_dma_addr clock_now
# Where models of devices plug in: the hosted machine's own.
GUEST_BUS := $(patsubst %,hal/posix/kernel/%.c,io pci platform dma)
GUEST_FAKES := $(filter-out $(addprefix tests/fakes/,beneath.c beneath_machine.c drill.c drill_parse.c),$(FAKES))
GUEST_FLAGS = $(filter-out -O2,$(BASE)) -O1 $(filter-out -Wframe%,$(WARN)) -Wno-format-truncation $(FREE) -Itests/guest/include \
	$(METAL) $(foreach o,read write,$(foreach w,8 16 32,-Dhal_io_$(o)$(w)=model_$(o)$(w)))

$(GUEST)/renamed: tests/guest/rules.mk
	@mkdir -p $(@D)
	$(Q)printf '%s\n' 'kernel_main guest_start' $(foreach n,$(GUEST_RENAMED),'$(n) $(if $(filter hal_%,$(n)),$(n:hal_%=metal_%),metal_$(n))') >$@
$(GUEST)/hal/baremetal/%.o: $(BUILD)/metal/hal/baremetal/%.o $(GUEST)/renamed
	@mkdir -p $(@D)
	$(Q)objcopy --redefine-syms=$(GUEST)/renamed $< $@
# boot.o is not in it: the link script knows its name.
GUEST_BOOT := $(GUEST)/hal/baremetal/boot/boot.o
$(GUEST)/libhal.a: $(filter-out $(GUEST_BOOT),$(OBJS-metal:%=$(GUEST)/%))
	$(Q)rm -f $@ && ar rcs $@ $^

# What is not put back when a child ends, apart: tests/guest/child.c.
$(GUEST)/link.ld: hal/baremetal/boot/link.ld tests/guest/rules.mk
	@mkdir -p $(@D)
	$(Q)awk '/^    \.bss : / { print "    .guest_keep (NOLOAD) : {\n        guest_keep_start = .;"; \
		print "        *(.bss.guest_keep)\n        . = ALIGN(64);\n        guest_keep_end = .;\n    } :bss" } \
		{ print }' $< >$@

$(GUEST)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@
# These use floating point.
$(patsubst %,$(GUEST)/tests/unit/%.o,kernel/test_catch hal/test_discipline net/test_dns net/test_dhcp net/test_tcp_pair net/test_tcp_path net/test_tcp_table): \
	METAL := $(filter-out -mgeneral-regs-only,$(METAL))
# The library is not made of calls of itself.
$(GUEST)/tests/guest/%.o: GUEST_FLAGS += -fno-builtin -fno-tree-loop-distribute-patterns
$(GUEST)/tests/guest/irq.o: GUEST_FLAGS := $(filter-out -Dhal_io_%,$(GUEST_FLAGS))
$(GUEST)/tests/%.o: tests/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(FREE) -c $< -o $@
$(GUEST)/hal/posix/%.o: hal/posix/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@
$(GUEST)/libguest.a: $(patsubst %,$(GUEST)/%.o,$(basename $(wildcard tests/guest/*.[cS]) $(GUEST_BUS) $(GUEST_FAKES)))
	$(Q)rm -f $@ && ar rcs $@ $^

GUEST_LINK = $(LINK-image:hal/baremetal/boot/link.ld=$(GUEST)/link.ld) -Wl,--wrap=stop_here,--wrap=thread_yield
$(GUEST)/unit/%.elf: $(GUEST)/tests/unit/%.o $(GUEST_BOOT) $(GUEST)/libguest.a $(BUILD)/metal/libtorc.a \
		$(GUEST)/libhal.a $(GUEST)/link.ld
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(GUEST_LINK) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lgcc -o $@

# ---- Images that count ----------------------------------------------------------------
#
# The same with the kernel and the HAL compiled as the host's unit tests that count (-O0), so
# that both have the same lines; and the tests that include sources.

COUNT := $(BUILD)/guestcov
COUNT_FLAGS := -O0 --coverage -fprofile-info-section -fprofile-update=atomic -Wno-frame-larger-than
COUNT_UNIT := $(filter hal/% apps/%,$(GUEST_UNIT))
COUNT_HAL := $(OBJS-metal:%=$(COUNT)/renamed/%)

$(COUNT)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -O1,$(GUEST_FLAGS)) $(COUNT_FLAGS) -c $< -o $@
$(patsubst %,$(COUNT)/tests/unit/%.o,hal/test_discipline): \
	METAL := $(filter-out -mgeneral-regs-only,$(METAL))
# A site of the trace cannot be compiled with -O0, and only such a file is with -Og.
$(COUNT)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)export LC_ALL=C; command="$(CC) $(filter-out -O2,$(BASE)) $(FREE) $(METAL) $(COUNT_FLAGS) -c $< -o $@"; \
		$$command 2>$@.log || { ! grep 'error:' $@.log | grep -qv 'impossible constraint' && $$command -Og; } || \
		{ cat $@.log >&2; exit 1; }
$(COUNT)/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(FREE) $(METAL) -c $< -o $@
$(COUNT)/renamed/%.o: $(COUNT)/%.o $(GUEST)/renamed
	@mkdir -p $(@D)
	$(Q)objcopy --redefine-syms=$(GUEST)/renamed $< $@
$(COUNT)/libcount.a: $(patsubst %.c,$(COUNT)/%.o,$(SRCS-kernel)) $(filter-out %/boot/boot.o,$(COUNT_HAL))
	$(Q)rm -f $@ && ar rcs $@ $^
$(COUNT)/link.ld: $(GUEST)/link.ld
	@mkdir -p $(@D)
	$(Q)awk '/guest_keep_start = / { print; print "        *(.bss.__gcov*)"; next } \
		/^    \.trace_sites : / { print "    .gcov_info : {\n        counters_begin = .;\n        KEEP(*(.gcov_info))\n" \
			"        counters_end = .;\n    } :rodata" } { print }' $< >$@
count_test = $(if $(filter $(COUNT_UNIT),$(1)),$(COUNT),$(GUEST))/tests/unit/$(1).o
$(GUEST_UNIT:%=$(COUNT)/unit/%.elf): $(COUNT)/unit/%.elf: $$(call count_test,$$*) \
		$(COUNT)/renamed/hal/baremetal/boot/boot.o $(GUEST)/tests/guest/counters/dump.o \
		$(GUEST)/libguest.a $(COUNT)/libcount.a $(COUNT)/link.ld
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(GUEST_LINK:$(GUEST)/link.ld=$(COUNT)/link.ld) $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -lgcov -Wl,--end-group -lgcc -o $@

coverage-union: ## lines that unit tests execute on the host, in the guest, in both: by room
	$(Q)tools/need.sh build run test coverage
	$(Q)$(MAKE) --no-print-directory coverage-union-built
coverage-union-built: $(GUEST_CHOSEN:%=$(COUNT)/unit/%.elf)
	$(Q)BUILD=$(BUILD) tools/coverage_union.sh $^

guest-programs: $(GUEST_UNIT:%=$(GUEST)/unit/%.elf)
test-guest: ## unit tests in QEMU, as images: GUEST_TESTS='kernel/test_fmt net/%'
	$(Q)tools/need.sh build run
	$(Q)$(MAKE) --no-print-directory test-guest-built
# Those of CI: the room that all else stands on, with several CPUs; one image after the other,
# since CI runs other tests beside them.
GUEST_FEW := $(addprefix kernel/test_,str heap heap_home exchange thread thread_journey timer)
test-guest-few: need-build $(GUEST_FEW:%=$(GUEST)/unit/%.elf)
	$(Q)MEM=640 JOBS=1 tools/test_guest.sh $(GUEST_FEW:%=$(GUEST)/unit/%.elf)
test-guest-built: $(GUEST_CHOSEN:%=$(GUEST)/unit/%.elf)
	$(Q)tools/test_guest.sh $^
.PHONY: test-guest-few coverage-union coverage-union-built guest-programs test-guest test-guest-built
