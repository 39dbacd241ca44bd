boot-chart: $(BUILD)/metal/webserver.elf ## guest instructions of the boot by phase: docs/boot_chart.svg
	$(Q)BUILD=$(BUILD) tools/boot/boot_chart.sh docs/boot_chart.svg

# Wants Debian's chromium, which nothing else does.
status-shot: $(BUILD)/host/hello_service ## the status page in Chromium: docs/status.png
	$(Q)BUILD=$(BUILD) tools/status_shot.sh docs/status.png

.PHONY: boot-chart status-shot
