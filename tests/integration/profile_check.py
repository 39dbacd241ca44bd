#!/usr/bin/env python3
"""Is the profile of profile_app.c what profile_known.S says it must be?

    profile_check.py PREFIX MARKS

PREFIX.csv, .stacks and .svg are what tools/profile/report.pl wrote. MARKS is what
tests/bench/insn_marks.c has counted in the same run, by another way.
"""
import csv
import sys
import xml.dom.minidom

ROUNDS = 10
# For each round: how often it is called, what it executes itself, and how much of
# that are repetitions of a string instruction.
KNOWN = {
    "known_leaf": (14, 14 * 202, 0),
    "known_middle": (1, 7, 0),
    "known_tail": (1, 1, 0),
    "known_deep": (5, 19, 0),
    "known_string": (1, 69, 64),
    "known_spin": (1, 400002, 0),
    "known_outer_a": (1, 4, 0),
    "known_outer_b": (1, 4, 0),
    "known_inner_a": (1, 24, 0),
    "known_inner_b": (1, 24, 0),
    "strand_a": (1, None, 0),
    "strand_b": (1, None, 0),
    "spin": (None, None, 0),
}
# Ends of stacks, and what was executed there.
MAIN = "context_begin;thread_entry;main_thread;app_main;"
STACKS = {
    MAIN + "known_middle": 7,
    MAIN + "known_middle;known_leaf": 3 * 202,
    MAIN + "known_tail": 1,
    MAIN + "known_leaf": 202,
    MAIN + "known_deep": 4,
    MAIN + "known_deep;known_deep;known_deep;known_deep;known_deep": 3,
    "context_begin;thread_entry;strand_a;known_outer_a": 4,
    "context_begin;thread_entry;strand_a;known_outer_a;known_inner_a": 24,
    "context_begin;thread_entry;strand_a;known_outer_a;known_inner_a;known_leaf": 1010,
    "context_begin;thread_entry;strand_b;known_outer_b;known_inner_b;known_leaf": 1010,
}
# What may be at the bottom: a thread, an interrupt, and the stack of the boot, on which
# the idle thread stays.
BOTTOMS = ("context_begin", "interrupt", "(elsewhere)")


def fail(text):
    sys.exit("profile_check: " + text)


def expect(what, got, want):
    if want is not None and abs(got - want) > 0.00005:
        fail("%s is %s and not %s" % (what, got, want))


def check_rows(name):
    """Each function's row, and that all rows together are what was executed."""
    with open(name, newline="") as file:
        rows = list(csv.DictReader(file))
    total = [row for row in rows if row["function"] == "total"]
    rows = [row for row in rows if row["function"] != "total"]
    if len(total) != 1:
        fail("no total in " + name)
    total = float(total[0]["instructions"])
    by_name = {row["function"]: row for row in rows}
    for function, (calls, instructions, steps) in KNOWN.items():
        if function not in by_name:
            # What the compiler has put into its caller has no row.
            if function in ("spin",):
                continue
            fail("no row for " + function)
        row = by_name[function]
        expect("calls of " + function, float(row["calls"]), calls)
        expect("instructions of " + function, float(row["instructions"]), instructions)
        expect("steps of " + function, float(row["steps"]), steps)
        if row["room"] != "tests/integration":
            fail("the room of %s is %s" % (function, row["room"]))
    for function, room in (("thread_yield", "kernel/thread"),
                           ("trap_handle", "hal/baremetal/cpu")):
        if by_name.get(function, {"room": None})["room"] != room:
            fail("the room of %s is not %s" % (function, room))
    # Rows have four decimals.
    if abs(sum(float(row["instructions"]) for row in rows) - total) > 0.0001 * len(rows):
        fail("the rows' sum is not the total")
    return total


def check_marks(name, total):
    """The other plugin's count: "segment 0: COUNT COUNT ..."."""
    with open(name) as file:
        segments = [line.split() for line in file if line.startswith("segment")]
    if len(segments) != 1:
        fail("%d segments between the marks" % len(segments))
    counted = sum(int(word) for word in segments[0][2:])
    expect("all that was executed", total * ROUNDS, counted)


def check_stacks(name, total):
    stacks = {}
    with open(name) as file:
        for line in file:
            stack, instructions = line.rsplit(" ", 1)
            stacks[stack] = float(instructions)
    for stack, instructions in STACKS.items():
        expect(stack, stacks.get(stack, 0), instructions)
    for stack in stacks:
        functions = stack.split(";")
        if functions[0] not in BOTTOMS:
            fail("a stack that begins in its middle: " + stack)
        known = [function for function in functions if function.startswith("known_")]
        if ("known_outer_a" in known or "strand_a" in functions) and (
                "known_outer_b" in known or "strand_b" in functions):
            fail("one stack of two threads: " + stack)
        if functions[0] == "interrupt" and known:
            fail("an interrupt calls " + stack)
        if "trap_handle" in functions and functions[0] != "interrupt":
            fail("an interrupt on another's stack: " + stack)
        if functions[-1] == "known_leaf" and stack not in STACKS:
            fail("nobody calls " + stack)
    if not any(stack.startswith("interrupt;") for stack in stacks):
        fail("there was no interrupt")
    if not any(stack.endswith(";idle_loop;(idle)") for stack in stacks):
        fail("the CPU never slept")
    if abs(sum(stacks.values()) - total) > 0.0001 * len(stacks):
        fail("the stacks' sum is not the total")


def check_svg(name, total):
    """It is XML; each frame is above another one, and not wider."""
    document = xml.dom.minidom.parse(name)
    frames = []
    for group in document.getElementsByTagName("g"):
        title = group.getElementsByTagName("title")[0].firstChild.data
        rect = group.getElementsByTagName("rect")[0]
        frames.append((title, float(rect.getAttribute("x")), float(rect.getAttribute("y")),
                       float(rect.getAttribute("width")), float(rect.getAttribute("height"))))
    bottom = frames[0]
    expect("the lowest frame", float(bottom[0].split()[1]), round(total, 1))
    for title, x, y, width, height in frames[1:]:
        if not any(under[1] <= x + 0.011 and x + width <= under[1] + under[3] + 0.011
                   and under[2] == y + height + 1 for under in frames):
            fail("below it is no frame: " + title)
    spin = [frame for frame in frames if frame[0].startswith("known_spin ")]
    if len(spin) != 1 or abs(spin[0][3] / bottom[3] - 400002 / total) > 0.001:
        fail("known_spin is not as wide as it should be")


def main():
    prefix, marks = sys.argv[1:]
    total = check_rows(prefix + ".csv")
    check_marks(marks, total)
    check_stacks(prefix + ".stacks", total)
    check_svg(prefix + ".svg", total)


main()
