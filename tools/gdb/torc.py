"""Torc's kernel for gdb: gdb -x tools/gdb/torc.py IMAGE [CORE]

    torc threads          all threads of all CPUs: state, name, where they are
    torc thread ID [bt]   one of them, with its stack; ID as the list has it (0.3)
    torc cpu              what each CPU does
    torc slots            the exchange slots between CPUs
    torc heap             memory of each CPU: pages and blocks
    torc pages            runs of pages by state
    torc net              the stack of each CPU, and its connections

The same for a machine in QEMU (make debug), a hosted process, and a core file, which has
only a part of the memory: what is not there is said.
"""
import gdb

STATES = ["ready", "running", "waiting", "suspended", "moving", "ended"]
FRAMES_MAX = 40
LIST_MAX = 100000


def value(text):
    return gdb.parse_and_eval(text)


def cpus():
    """(number, struct cpu) of those that have started."""
    table = value("'percpu.c'::cpus")
    low, high = table.type.range()
    for i in range(low, high + 1):
        if int(table[i]) != 0:
            yield i, table[i].dereference()


def name_of(thread):
    try:
        return thread["name"].string() or "thread"
    except (gdb.MemoryError, UnicodeDecodeError):
        return "?"


def read_word(address):
    data = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(bytes(data), "little")


class Thread:
    """One thread; `cpu` is where it lives."""

    def __init__(self, thread, cpu, idle=False):
        self.thread, self.cpu, self.idle = thread, cpu, idle
        self.number = int(thread["id"])
        self.runs = int(cpu["current"]) == int(thread.address)

    @property
    def ident(self):
        if self.idle:
            return f"{int(self.cpu['id'])}.idle"
        return f"{self.number >> 24 & 255}.{self.number & 0xffffff}"

    @property
    def state(self):
        state = int(self.thread["state"])
        if self.runs:
            return "running"
        return STATES[state] if state < len(STATES) else f"damaged ({state})"

    def registers(self):
        """(ip, sp, fp), or None where nobody knows them."""
        if not self.runs:
            sp = int(self.thread["context"]["sp"])
            # as hal_context_switch() leaves it: hal_inline.h
            return (read_word(sp), sp + 24, read_word(sp + 16)) if sp else None
        # QEMU's threads are the CPUs
        alike = len(gdb.selected_inferior().threads()) == len(list(cpus()))
        chosen = gdb.selected_thread()
        frame = gdb.selected_frame() if chosen else None
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                newest = gdb.newest_frame()
                sp = int(newest.read_register("rsp"))
                if self.has_stack(sp) or (alike and thread.num == int(self.cpu["id"]) + 1):
                    return (int(newest.read_register("rip")), sp,
                            int(newest.read_register("rbp")))
        finally:
            if chosen:
                chosen.switch()
                frame.select()
        return None

    def has_stack(self, sp):
        low = int(self.thread["stack"])
        if low:
            return low <= sp < low + int(self.thread["stack_size"])
        idle = int(self.cpu["idle_stack"])
        return idle <= sp < idle + 16384 if idle else False

    def frames(self):
        """The addresses of the code it is in, the innermost first."""
        where = self.registers()
        if where is None:
            return
        ip, sp, fp = where
        yield ip, False
        for _ in range(FRAMES_MAX):
            if fp < sp or fp % 8:
                return
            try:
                caller, back = read_word(fp), read_word(fp + 8)
            except gdb.MemoryError:
                return
            if back == 0:
                return
            yield back, True
            if caller <= fp:
                return
            fp = caller


def function_at(ip):
    block = gdb.current_progspace().block_for_pc(ip)
    while block is not None and block.function is None:
        block = block.superblock
    return block.function.name if block is not None else f"{ip:#x}"


def place(ip, is_return):
    """The function and line of an address, as text."""
    ip -= is_return
    line = gdb.find_pc_line(ip)
    where = f"{line.symtab.filename}:{line.line}" if line.symtab else ""
    return function_at(ip), where


def threads():
    for _, cpu in cpus():
        if int(cpu["idle"]) != 0:
            yield Thread(cpu["idle"].dereference(), cpu, idle=True)
    every = dict(cpus())
    for _, cpu in every.items():
        for slot in range(int(cpu["thread_slots"])):
            try:
                entry = cpu["threads"][slot]
                where = int(entry["where"])
                if int(entry["thread"]) != 0 and where in every:
                    yield Thread(entry["thread"].dereference(), every[where])
            except gdb.MemoryError:
                print(f"(slot {slot} cannot be read)")
                break


def each(node, head):
    """The nodes of a struct list."""
    count = 0
    while int(node) != int(head) and count < LIST_MAX:
        yield node
        node = node["next"]
        count += 1


class Torc(gdb.Command):
    """Torc's kernel: torc threads, thread, cpu, slots, heap, pages, net"""

    def __init__(self):
        super().__init__("torc", gdb.COMMAND_DATA, prefix=True)


class Part(gdb.Command):
    def __init__(self, name):
        super().__init__("torc " + name, gdb.COMMAND_DATA)

    def invoke(self, text, from_tty):
        try:
            self.show(gdb.string_to_argv(text))
        except gdb.MemoryError as error:
            print(f"not in this memory: {error}")


class Threads(Part):
    """All threads of all CPUs"""

    def show(self, words):
        for thread in threads():
            try:
                frames = list(thread.frames())
                text = " < ".join(place(*frame)[0] for frame in frames[:8])
            except gdb.MemoryError as error:
                text = f"not in this memory: {error}"
            print(f"{thread.ident:>8} cpu {int(thread.cpu['id'])} {thread.state:9} "
                  f"{name_of(thread.thread):15} {text or 'where is not known'}")


class OneThread(Part):
    """One thread, with its stack: torc thread 0.3 [bt]"""

    def show(self, words):
        if not words:
            raise gdb.GdbError("which one? torc threads lists them")
        wanted = words[0] if "." in words[0] else "0." + words[0]
        for thread in threads():
            if thread.ident != wanted:
                continue
            print(f"thread {thread.ident} {name_of(thread.thread)}, {thread.state}, on cpu "
                  f"{int(thread.cpu['id'])}, struct thread at {int(thread.thread.address):#x}")
            for i, frame in enumerate(thread.frames()):
                function, line = place(*frame)
                print(f"#{i:<3} {frame[0]:#018x} in {function} {line}")
            return
        raise gdb.GdbError(f"there is no thread {wanted}: torc threads lists them")


class Cpus(Part):
    """What each CPU does"""

    def show(self, words):
        for i, cpu in cpus():
            current = int(cpu["current"])
            name = "no thread yet"
            if current:
                name = ("idle" if current == int(cpu["idle"])
                        else name_of(cpu["current"].dereference()))
            print(f"cpu {i}: {name}, {int(cpu['thread_count'])} threads, "
                  f"{int(cpu['switch_count'])} switches, {int(cpu['timer_count'])} timers, "
                  f"struct cpu at {int(cpu.address):#x}")


class Slots(Part):
    """The exchange slots: what has gone from one CPU to another"""

    def show(self, words):
        every = dict(cpus())
        for i, cpu in every.items():
            links = cpu["exchange"][0]["links"]
            for j in every:
                if int(links) == 0:
                    continue
                link = links[j]
                try:
                    slot = int(link["slot"].dereference()) if int(link["slot"]) else 0
                except gdb.MemoryError:  # of another CPU, and not in a dump
                    slot = 0
                print(f"cpu {i} to {j}: slot {'full' if slot else 'empty'}, "
                      f"{int(link['batches'])} lists, {int(link['blocked'])} waited, "
                      f"{'something waits' if int(link['newest']) else 'nothing waits'}; "
                      f"taken from there {int(link['taken'])}")


class Heap(Part):
    """Memory of each CPU"""

    def show(self, words):
        heap_type = gdb.lookup_type("struct heap").pointer()
        offset = int(value("MEM_QUICK_OFFSET"))
        for i, cpu in cpus():
            heap = gdb.Value(int(cpu.address) + offset).cast(heap_type)
            pages = heap["pages"]
            print(f"cpu {i}: {int(pages['free_pages'])} of {int(pages['total_pages'])} pages are "
                  f"free; {int(heap['taken'])} blocks of slabs, {int(heap['run_count'])} of whole "
                  f"pages; {int(heap['failed'])} failed; sent home {int(heap['sent_home'])}, "
                  f"came home {int(heap['came_home'])}")


class Pages(Part):
    """Runs of pages by state"""

    def show(self, words):
        heap_type = gdb.lookup_type("struct heap").pointer()
        offset = int(value("MEM_QUICK_OFFSET"))
        names = ["free", "inner", "run", "slab"]
        for i, cpu in cpus():
            pages = gdb.Value(int(cpu.address) + offset).cast(heap_type)["pages"]
            for j in range(int(pages["range_count"])):
                area = pages["range"][j]
                fresh, count = int(area["fresh"]), dict.fromkeys(names, 0)
                for k in range(min(fresh, LIST_MAX)):
                    count[names[int(area["pages"][k]["state"]) & 3]] += 1
                told = ", ".join(f"{n} {name}" for name, n in count.items())
                print(f"cpu {i}, {int(area['base']):#x}: {int(area['page_count'])} pages, "
                      f"{fresh} ever used: {told}")


class Net(Part):
    """The network stack of each CPU, and its TCP connections"""

    def show(self, words):
        try:
            stack_type = gdb.lookup_type("struct net_stack").pointer()
        except gdb.error:
            print("this image has no network")
            return
        for i, cpu in cpus():
            if int(cpu["net_stack"]) == 0:
                print(f"cpu {i}: no stack")
                continue
            stack = cpu["net_stack"].cast(stack_type)
            print(f"cpu {i}: {stack['dev']['device']['name'].string()}")
            for conn in self.connections(stack["conns"]):
                state = conn["state"].cast(gdb.lookup_type("enum tcp_state"))
                print(f"  {state}: {conn['flow']}")
            waits = stack["waits"]
            for j in range(int(waits["size"]) if int(waits) != 0 else 0):
                wait = waits["row"][j]
                if int(wait) != 0:
                    print(f"  TCP_TIME_WAIT: {wait.dereference()}")

    @staticmethod
    def connections(table):
        """Those of a table that may be growing: what has moved left no chain"""
        chains = [table["chain"][i] for i in range(int(table["size"]))]
        if int(table["old"]) != 0:
            chains += [table["old"][i] for i in range(int(table["moved"]),
                                                      int(table["old_size"]))]
        for conn in chains:
            for _ in range(LIST_MAX):
                if int(conn) == 0:
                    break
                yield conn
                conn = conn["next"]


Torc()
for _name, _part in (("threads", Threads), ("thread", OneThread), ("cpu", Cpus),
                     ("slots", Slots), ("heap", Heap), ("pages", Pages), ("net", Net)):
    _part(_name)
