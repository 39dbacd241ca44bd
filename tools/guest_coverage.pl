#!/usr/bin/perl
# Which lines of the machine's own code do the integration tests execute in QEMU?
#
#   guest_coverage.pl DIRECTORY IMAGE...
#
# DIRECTORY holds what tools/guest_lines.c wrote, a file IMAGE-NAME.NUMBER for each
# machine: the code it executed, as addresses. A line of hal/baremetal counts when an
# image has an instruction of it, and it is covered when one of them was executed. The
# images are those that are released (-O2), so what the compiler merged or dropped is no
# line of its own. Prints a row "DIRECTORY LINES-PERCENT - LINE-COUNT" of all of
# hal/baremetal, and writes DIRECTORY/lines.txt: each file with its percentage and the
# lines that nobody executed; and DIRECTORY/lines.info, the same for tools/coverage_union.pl.
use strict;
use warnings;
use File::Basename qw(basename);

my ($directory, @images) = @ARGV;
die "usage: guest_coverage.pl DIRECTORY IMAGE...\n" if !@images;
my %lines; # by file and line: was it executed?

# The instructions of an image: [address, "file:line"], of hal/baremetal only.
sub instructions {
    my ($image) = @_;
    my @addresses = map { /^ *([0-9a-f]+):/ ? $1 : () }
        `objdump -d --no-show-raw-insn $image`;
    my $list = "$directory/addresses";
    open my $out, '>', $list or die "$list: $!\n";
    print $out "$_\n" for @addresses;
    close $out;
    my @places = `addr2line -e $image <$list`;
    die "$image: addr2line failed\n" if @places != @addresses;
    my @found;
    for my $i (0 .. $#addresses) {
        next if $places[$i] !~ m{(?:^|/)(hal/baremetal/[\w./]+):(\d+)} || $2 == 0;
        push @found, [hex $addresses[$i], $1, $2];
    }
    die "$image: no line of hal/baremetal\n" if !@found;
    return sort { $a->[0] <=> $b->[0] } @found;
}

# What was executed, as a list of [begin, end) without overlaps.
sub executed {
    my ($name) = @_;
    my @ranges;
    for my $file (glob "$directory/$name.[0-9]*") {
        open my $in, '<', $file or die "$file: $!\n";
        while (<$in>) {
            my ($at, $bytes) = split;
            push @ranges, [$at, $at + $bytes];
        }
    }
    my @merged;
    for my $range (sort { $a->[0] <=> $b->[0] } @ranges) {
        if (@merged && $range->[0] <= $merged[-1][1]) {
            $merged[-1][1] = $range->[1] if $range->[1] > $merged[-1][1];
        } else {
            push @merged, [@$range];
        }
    }
    return @merged;
}

for my $image (@images) {
    my @ranges = executed(basename($image));
    for my $one (instructions($image)) {
        my ($address, $file, $line) = @$one;
        shift @ranges while @ranges && $ranges[0][1] <= $address;
        $lines{$file}{$line} ||= @ranges && $ranges[0][0] <= $address ? 1 : 0;
    }
}
my ($all, $covered) = (0, 0);
open my $out, '>', "$directory/lines.txt" or die "lines.txt: $!\n";
for my $file (sort keys %lines) {
    my @known = sort { $a <=> $b } keys %{$lines{$file}};
    my @never = grep { !$lines{$file}{$_} } @known;
    $all += @known;
    $covered += @known - @never;
    printf $out "%-40s %5.1f %5d  never: %s\n", $file,
        100 * (@known - @never) / @known, scalar @known, join ' ', @never;
}
close $out;
open my $info, '>', "$directory/lines.info" or die "lines.info: $!\n";
for my $file (sort keys %lines) {
    print $info "SF:$file\n";
    print $info "DA:$_,$lines{$file}{$_}\n" for sort { $a <=> $b } keys %{$lines{$file}};
    print $info "end_of_record\n";
}
close $info;
printf "%-28s %5.1f %5s %6d\n", 'guest:hal/baremetal', 100 * $covered / $all, '-', $all;
