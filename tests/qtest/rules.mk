# The drivers against QEMU's devices, by the qtest protocol: docs/testing.md.

QTESTS := $(patsubst tests/qtest/test_%.c,%,$(wildcard tests/qtest/test_*.c))
QTEST_PARTS := $(filter-out tests/qtest/test_%,$(wildcard tests/qtest/*.c))

$(QTESTS:%=$(BUILD)/asan/qtest/%): $(BUILD)/asan/qtest/%: \
		$(BUILD)/asan/tests/qtest/test_%.o \
		$(QTEST_PARTS:%.c=$(BUILD)/asan/%.o) \
		$(BUILD)/asan/tests/libfakes.a $(BUILD)/asan/libtorc.a
	@mkdir -p $(@D)
	$(Q)$(CC) -pthread $(LINK-asan) -Wl,--start-group $^ -Wl,--end-group \
		-lcmocka $(HOST_LIBS) -o $@

qtest: $(QTESTS:%=$(BUILD)/asan/qtest/%) | need-test ## drivers against QEMU's devices and the models
	$(Q)tools/run_unit.sh --name qtest $^

.PHONY: qtest
