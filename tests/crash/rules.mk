# The crash explorer: docs/crash.md.
CRASH := tests/crash/explore.c tests/crash/world.c
$(BUILD)/crash/explore: $(CRASH:%.c=$(BUILD)/host/%.o) $(BUILD)/host/tests/libfakes.a \
		$(BUILD)/host/libtorc.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pthread -Wl,--start-group $^ -Wl,--end-group -lcmocka $(HOST_LIBS) -o $@

# Torn blocks and whole ones; blocks of 4 KiB; groups; no file types; an index, with whole
# blocks and torn ones.
CRASH_VOLUMES := "" "--atom 2" "--image '-b 4096 -N 64 -I 256' --kib 512 --atom 8" \
	"--image '-b 1024 -g 256 -N 64 -O meta_bg,^resize_inode' --kib 700" \
	"--image '-b 2048 -N 64 -I 128 -O ^filetype,^dir_index' --kib 400 --atom 4" \
	"--names 60 --image '-b 1024 -N 96 -I 256' --kib 400 --atom 2" \
	"--names 60 --image '-b 1024 -N 96 -I 256' --kib 400"
# Longer sequences that have found something.
CRASH_SEQUENCES := many,link,unlink exchange,exchange,across \
	xattr-block,many,link,big,chmod,fsync-n,unlink,unlink,mkdir,xattr-block \
	touch,touch,fsync,many,link,big,unlink,sync,append,chmod
LENGTH ?= 2
# SHARE=I/N: the I-th of N parts of the sequences.
SHARE ?= 0/1
crash: $(BUILD)/crash/explore ## every crash of ext2 in sequences of LENGTH=2 operations: SHARE=0/10; docs/crash.md
	$(Q)tools/need.sh build run test
	$(Q)status=0; for volume in $(CRASH_VOLUMES); do \
		eval "$< --length $(LENGTH) --share $(SHARE) --seed $(SEED) $$volume" || status=1; \
	done; \
	for sequence in $(CRASH_SEQUENCES); do \
		$< --seed $(SEED) --fsck 1000 --ops $$sequence || status=1; \
	done; exit $$status

# The operations that change names, which order between blocks is about.
CRASH_NAMES := create,many,fsync,rename,replace,across,exchange,move-dir,link,unlink
CRASH_NIGHT = --alphabet $(CRASH_NAMES) --share $(SHARE) --seed $(SEED) --progress 500
crash-nightly: $(BUILD)/crash/explore ## all sequences of up to four operations on names: SHARE=0/10
	$(Q)tools/need.sh build run test
	$(Q)status=0; for length in 1 2 3 4; do for volume in $(CRASH_VOLUMES); do \
		echo "length $$length: $$volume"; \
		eval "$< --length $$length $(CRASH_NIGHT) $$volume" || status=1; \
	done; done; exit $$status

.PHONY: crash crash-nightly
